"""An ordinary exchangelib client as a process of its own: discovers its mailbox, reads its newest mail, writes one.

With `--follow` it goes on opening its mailbox anew until another server answers, and says when that was.

What is set is outside exchangelib: which name server it asks, which CA is trusted (REQUESTS_CA_BUNDLE), and, as
/etc/hosts and a port redirection would, which local port stands for port 443 of a host. Its cache of discovered
domains is the file it always keeps, in TMPDIR. Prints a line of JSON for each thing found.
"""

import argparse
import json
import os
import sys
import time
from typing import Any

from exchangelib import IMPERSONATION, Account, Credentials, Message
from exchangelib.autodiscover import Autodiscovery
from exchangelib.protocol import BaseProtocol, close_connections
from requests.adapters import HTTPAdapter

PAUSE_SECONDS = 0.05
_PORTS: dict[str, int] = json.loads(os.environ.get("PORTS", "{}"))


class HostsAdapter(HTTPAdapter):
    """Sends what is meant for port 443 of a host to a port of 127.0.0.1; names in TLS and HTTP stay the host's."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        """Put the local port in the place of the host's."""
        attributes: Any = super().build_connection_pool_key_attributes(request, verify, cert)
        host, pool = attributes
        name = host["host"]
        if name not in _PORTS:
            return host, pool
        pool = {**pool, "server_hostname": name, "assert_hostname": name}
        return {**host, "host": "127.0.0.1", "port": _PORTS[name]}, pool

    def add_headers(self, request: Any, **kwargs: Any) -> None:
        """Name the host as if its port were the usual one."""
        super().add_headers(request, **kwargs)
        request.headers["Host"] = request.url.split("/")[2]


def opened(address: str, user: str) -> Account:
    """Discover a mailbox."""
    password = os.environ.get("CLIENT_PASSWORD", "secret")
    return Account(address, credentials=Credentials(user, password), autodiscover=True, access_type=IMPERSONATION)


def work(address: str, user: str, writing: str, *, is_reading: bool) -> dict[str, str]:
    """Discover a mailbox and work in it; return where it was found and what was read there."""
    account = opened(address, user)
    inbox = account.inbox
    found = {"url": account.protocol.service_endpoint, "inbox": str(inbox.id)}
    if writing:
        Message(account=account, folder=inbox, subject=writing, body="Written by a client that knows one name.").save()
    if is_reading:
        (newest,) = inbox.all().order_by("-datetime_created").only("subject")[:1]
        found["newest"] = str(newest.subject)
    return found


def follow(address: str, user: str, away_from: str) -> dict[str, Any]:
    """Open the mailbox again and again until another server answers; return which, and when (seconds)."""
    while True:
        try:
            account = opened(address, user)
            found = {"url": account.protocol.service_endpoint, "inbox": str(account.inbox.id), "at": time.time()}
        except Exception:  # noqa: BLE001 - whatever broke while its server died, a client tries again
            close_connections()  # the one session a dead server had never comes back to exchangelib's pool
            found = {"url": away_from}
        if found["url"] != away_from:
            return found
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Print what was found, or the name of the error, as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--user", default="service@example.com")
    parser.add_argument("--write", default="", metavar="SUBJECT")
    parser.add_argument("--newest", action="store_true")
    parser.add_argument("--follow", action="store_true")
    asked = parser.parse_args()
    BaseProtocol.HTTP_ADAPTER_CLS = HostsAdapter
    Autodiscovery.DNS_RESOLVER_KWARGS = {"configure": False}
    Autodiscovery.DNS_RESOLVER_ATTRS = {"nameservers": ["127.0.0.1"], "port": int(os.environ["DNS_PORT"]), "timeout": 3}
    try:
        found = work(asked.address, asked.user, asked.write, is_reading=asked.newest)
    except Exception as error:  # noqa: BLE001 - whoever asked judges it
        found = {"error": type(error).__name__, "why": str(error)[:300]}
    sys.stdout.write(json.dumps(found) + "\n")
    if asked.follow and "url" in found:
        sys.stdout.flush()
        sys.stdout.write(json.dumps(follow(asked.address, asked.user, found["url"])) + "\n")


if __name__ == "__main__":
    main()
