"""An ordinary exchangelib client in a process of its own: discovers a mailbox and reads its inbox.

What is changed is outside exchangelib: which name server it asks, which CA is trusted (REQUESTS_CA_BUNDLE), and, as
/etc/hosts and a port redirection would, which local port stands for port 443 of a host. Its cache of discovered
domains is the file it always keeps, in TMPDIR.
"""

import json
import os
import sys
from typing import Any

from exchangelib import IMPERSONATION, Account, Credentials
from exchangelib.autodiscover import Autodiscovery
from exchangelib.protocol import BaseProtocol
from requests.adapters import HTTPAdapter

PORTS: dict[str, int] = json.loads(os.environ["PORTS"])


class HostsAdapter(HTTPAdapter):
    """Sends what is meant for port 443 of a host to a port of 127.0.0.1; names in TLS and HTTP stay the host's."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        attributes: Any = super().build_connection_pool_key_attributes(request, verify, cert)
        host, pool = attributes
        name = host["host"]
        if name not in PORTS:
            return host, pool
        pool = {**pool, "server_hostname": name, "assert_hostname": name}
        return {**host, "host": "127.0.0.1", "port": PORTS[name]}, pool

    def add_headers(self, request: Any, **kwargs: Any) -> None:
        super().add_headers(request, **kwargs)
        request.headers["Host"] = request.url.split("/")[2]


def main() -> None:
    """Print where the mailbox was found, as JSON."""
    BaseProtocol.HTTP_ADAPTER_CLS = HostsAdapter
    Autodiscovery.DNS_RESOLVER_KWARGS = {"configure": False}
    Autodiscovery.DNS_RESOLVER_ATTRS = {"nameservers": ["127.0.0.1"], "port": int(os.environ["DNS_PORT"]), "timeout": 3}
    try:
        account = Account(
            sys.argv[1],
            credentials=Credentials("service@example.com", "secret"),
            autodiscover=True,
            access_type=IMPERSONATION,
        )
        found = {"url": account.protocol.service_endpoint, "inbox": account.inbox.id}
    except Exception as error:  # noqa: BLE001 - the test judges it
        found = {"error": type(error).__name__}
    sys.stdout.write(json.dumps(found) + "\n")


main()
