"""A promotion through a real front door: HAProxy before both servers, and clients with one address nobody changes."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.lab.haproxy import Proxy, ProxyError
from deploy.lab.world import PASSWORD, SOURCE, TARGET, USER

from .fixed_address_client import FixedAddressClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Living = Any
FIRST_REQUEST_SECONDS_MAX = 60.0
DIRECTORY_COMMAND = """
import base64, json, sys, urllib.request
said = json.load(sys.stdin)
for m in said["mailboxes"]:
    also = "" if said["step"] == "undo" else m["to"]["address"]
    body = json.dumps({"also": {m["address"]: also}, "moved": {}}).encode()
    token = base64.b64encode(sys.argv[2].encode()).decode()
    headers = {"Authorization": "Basic " + token, "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(sys.argv[1], body, headers)).close()
"""
"""What only the organisation can do: from now on the target knows the mailboxes by their old addresses too."""


@dataclass
class Door:
    """The running front door and the clients before it."""

    proxy: Proxy
    clients: list[FixedAddressClient]


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/", maxsplit=1)[0])


def front_door_settings(living: Living, proxy: Proxy) -> str:
    control = living.world.target.connection.control
    command = [sys.executable, "-c", DIRECTORY_COMMAND, f"{control}directory", f"{USER}:{PASSWORD}"]
    text = json.dumps
    return (
        f"\n[front_door]\news_url = {text(f'http://127.0.0.1:{proxy.port}/EWS/Exchange.asmx')}\n"
        f"\n[front_door.haproxy]\nsockets = [{text(proxy.socket)}]\nmap_file = {text(str(proxy.map_file))}\n"
        f'backends = {{ {SOURCE} = "mail2013", {TARGET} = "standby" }}\n'
        f'\n[[front_door.commands]]\nname = "addresses"\nkind = "directory"\nsteps = ["redirect", "undo"]\n'
        f"command = {text(command)}\n"
    )


@pytest.fixture(scope="module")
def door(living: Living) -> Iterator[Door]:
    world = living.world
    try:
        proxy = Proxy(
            world.options.directory / "proxy", port_of(world.source_address.url), port_of(world.target_address.url)
        )
    except ProxyError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    proxy.start()
    with world.config.open("a", encoding="utf-8") as settings:
        settings.write(front_door_settings(living, proxy))
    url = f"http://127.0.0.1:{proxy.port}/EWS/Exchange.asmx"
    yield Door(proxy, [FixedAddressClient(url, user.address, USER, PASSWORD) for user in living.users])
    proxy.kill()


@contextmanager
def asking(client: FixedAddressClient) -> Iterator[None]:
    stop = threading.Event()
    worker = threading.Thread(target=client.ask_until, args=(stop,))
    worker.start()
    try:
        yield
    finally:
        stop.set()
        worker.join(30)


def promoted(living: Living, client: FixedAddressClient, address: str, *arguments: str) -> dict[str, Any]:
    """Promote one mailbox while its client goes on asking; check who answered it, and say when."""
    at_source = client.inbox() if not arguments else ""
    client.asked.clear()
    began = time.monotonic()
    with asking(client):
        said = living.run("failover", address, "--to", TARGET, *arguments, "--json")
        seconds_of_command = time.monotonic() - began
        # a request that HAProxy still holds for the dead server ends with an error, the one after it is answered
        living.await_true(lambda: any(a.inbox not in {"", at_source} for a in list(client.asked)))
    at_target = client.inbox()
    assert at_target != at_source
    answered = [a.inbox for a in client.asked if a.inbox]
    first = next(a for a in client.asked if a.inbox == at_target)
    assert set(answered[answered.index(at_target) :]) == {at_target}, "led back, or to two servers at once"
    assert set(answered[: answered.index(at_target)]) <= {at_source}
    seconds = first.ended - began
    sys.stdout.write(
        f"first request at the target {seconds:.1f} s after the command, which took {seconds_of_command:.1f} s\n"
    )
    assert seconds < FIRST_REQUEST_SECONDS_MAX
    found: dict[str, Any] = json.loads(said[said.index("{\n") : said.rindex("}") + 1])
    assert [(found["stage"], row["state"]) for row in found["mailboxes"]] == [("DONE", "CONFIRMED")]
    return found


def works_at_the_target(door: Door, owner: int, newest: str) -> None:
    """Read the newest message and write one, with no request at the old server."""
    client, before = door.clients[owner], door.proxy.requests()
    assert client.newest() == newest
    client.write(f"written after the promotion {owner}")
    assert client.newest() == f"written after the promotion {owner}"
    after = door.proxy.requests()
    assert after["mail2013"] == before["mail2013"]
    assert after["standby"] > before["standby"]


def test_a_client_of_a_planned_promotion_goes_on_at_the_target(living: Living, door: Door) -> None:
    client = door.clients[0]
    client.write("written before the promotion 0")
    assert client.newest() == "written before the promotion 0"
    found = promoted(living, client, living.users[0].address)
    assert found["nothing_lost"]
    works_at_the_target(door, 0, "written before the promotion 0")
    assert door.clients[1].newest()
    checked = living.run("check")
    assert f"{living.users[0].address}: promoted, its users work at {TARGET}" in checked
    for way in (f"to {TARGET}", f"from {TARGET} to {SOURCE}"):
        assert f"ok    front_door.haproxy {way}" in checked
        assert f"ok    front_door.ews_url {way}" in checked


def test_a_client_of_a_lost_source_goes_on_at_the_target(living: Living, door: Door) -> None:
    client = door.clients[1]
    client.write("written before the promotion 1")
    living.await_true(lambda: len(living.inbox(1)) == 2)  # what is promoted already is never level again
    living.world.source.signal(signal.SIGKILL)
    promoted(living, client, living.users[1].address, "--source-lost")
    works_at_the_target(door, 1, "written before the promotion 1")
    works_at_the_target(door, 0, "written after the promotion 0")
    assert "FAIL" not in living.run("check")
