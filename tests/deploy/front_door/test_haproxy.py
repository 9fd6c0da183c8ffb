"""Against a real HAProxy with the repository's haproxy.cfg and two simulated servers behind it."""

import http.client
import multiprocessing
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.front_door.actuator import ActuatorError, Redirection
from deploy.front_door.haproxy import HaproxyActuator
from deploy.front_door.haproxy_maps import read_map
from deploy.front_door.sections import HaproxySection
from deploy.lab.haproxy import Proxy

from .conftest import Servers, free_port

pytestmark = pytest.mark.slow
GUID = "0d1f7c1e-guid@source.test"


def section_of(proxy: Proxy, **changes: object) -> HaproxySection:
    section = HaproxySection(
        sockets=(proxy.socket,),
        map_file=proxy.map_file,
        backends={"mail": "mail2013", "standby": "standby"},
        activesync_map_file=proxy.activesync_map_file,
        activesync_urls={"standby": "https://eas.target.test/Microsoft-Server-ActiveSync"},
    )
    return replace(section, **changes)  # type: ignore[arg-type]


def actuator_of(proxy: Proxy, servers: Servers, **changes: object) -> HaproxyActuator:
    others = {"anna@source.test": (GUID, "SOURCE\\anna")}
    mailboxes = frozenset(r.mailbox for r in servers.redirections)
    return HaproxyActuator(section_of(proxy, **changes), "mail", mailboxes, others)


def ask(proxy: Proxy, path: str = "/lab/mailboxes", **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    try:
        credentials = {"Authorization": "Basic c2VydmljZUBleGFtcGxlLmNvbTpzZWNyZXQ="}
        connection.request("GET", path, headers={**credentials, **{k.replace("_", "-"): v for k, v in headers.items()}})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def who(proxy: Proxy, path: str = "/lab/mailboxes", **headers: str) -> str:
    """Return which server answers, closed, or the status."""
    status, _, body = ask(proxy, path, **headers)
    if status == 200:
        return "standby" if b"target.test" in body else "mail"
    return "closed" if status == 503 else str(status)


def test_each_mailbox_is_led_by_what_its_clients_say_and_nobody_else_is(proxy: Proxy, servers: Servers) -> None:
    actuator, anna = actuator_of(proxy, servers), servers.redirections[:1]
    actuator.check(anna)
    assert who(proxy, X_AnchorMailbox="Anna@source.test") == "mail"
    actuator.close(anna)
    status, headers, _ = ask(proxy, X_AnchorMailbox="anna@source.test")
    assert (status, headers["retry-after"]) == (503, "30")
    assert who(proxy, X_AnchorMailbox="ben@source.test") == "mail"
    actuator.redirect(anna)
    actuator.confirm(anna)
    assert who(proxy, X_AnchorMailbox="anna@source.test") == "standby"
    assert who(proxy, X_AnchorMailbox=GUID) == "standby"
    assert who(proxy, f"/mapi/emsmdb/?MailboxId={GUID}") == "404"
    assert who(proxy, X_AnchorMailbox="ben@source.test") == "mail"
    assert who(proxy) == "mail"
    actuator.undo(anna)
    assert who(proxy, X_AnchorMailbox="anna@source.test") == "mail"
    actuator.check(anna)


@pytest.mark.parametrize("user", ["anna%40source.test", "SOURCE%5Canna"])
def test_a_moved_activesync_device_is_told_where_by_451(proxy: Proxy, servers: Servers, user: str) -> None:
    actuator, anna = actuator_of(proxy, servers), servers.redirections[:1]
    path = f"/Microsoft-Server-ActiveSync?User={user}&Cmd=Sync"
    assert ask(proxy, path)[0] == 404
    actuator.close(anna)
    assert ask(proxy, path)[0] == 503
    actuator.redirect(anna)
    status, headers, _ = ask(proxy, path)
    assert (status, headers["x-ms-location"]) == (451, "https://eas.target.test/Microsoft-Server-ActiveSync")
    actuator.undo(anna)
    assert ask(proxy, path)[0] == 404


def test_one_host_leads_all_mailboxes_and_refuses_to_lead_some(proxy: Proxy, servers: Servers) -> None:
    actuator = actuator_of(proxy, servers, leads="host", hosts=("Mail.source.test",))
    with pytest.raises(ActuatorError, match=r"front_door.haproxy, redirect: .*1 would stay behind"):
        actuator.redirect(servers.redirections[:1])
    actuator.check(servers.redirections)
    actuator.close(servers.redirections)
    assert who(proxy, Host="mail.source.test:443") == "closed"
    assert who(proxy, Host="other.source.test") == "mail"
    actuator.redirect(servers.redirections)
    actuator.confirm(servers.redirections)
    assert who(proxy, Host="mail.source.test") == "standby"


def test_a_killed_haproxy_comes_back_with_what_the_last_step_wrote(proxy: Proxy, servers: Servers) -> None:
    actuator, anna = actuator_of(proxy, servers), servers.redirections[:1]
    actuator.close(anna)
    proxy.kill()
    with pytest.raises(ActuatorError, match=r"redirect: .*no answer to its runtime API.*start or mend HAProxy"):
        actuator.redirect(anna)
    proxy.start()
    actuator.redirect(anna)
    actuator.confirm(anna)
    assert who(proxy, X_AnchorMailbox="anna@source.test") == "standby"
    proxy.kill()
    proxy.start()
    assert who(proxy, X_AnchorMailbox="anna@source.test") == "standby"


def test_a_map_that_the_running_haproxy_lags_behind_is_told_and_mended(proxy: Proxy, servers: Servers) -> None:
    actuator, anna = actuator_of(proxy, servers), servers.redirections[:1]
    proxy.map_file.write_text("anna@source.test closed\n")  # as one that was killed between file and socket leaves it
    with pytest.raises(ActuatorError, match=r"does not hold what .*mailboxes\.map says"):
        actuator.check(anna)
    assert who(proxy, X_AnchorMailbox="anna@source.test") == "mail"
    actuator.close(anna)
    assert who(proxy, X_AnchorMailbox="anna@source.test") == "closed"


def test_a_backend_that_is_not_there_is_told_before_anything_is_closed(proxy: Proxy, servers: Servers) -> None:
    actuator = actuator_of(proxy, servers, backends={"mail": "mail2013", "standby": "standbi"})
    with pytest.raises(ActuatorError, match="has no backend standbi"):
        actuator.check(servers.redirections)
    missing = actuator_of(proxy, servers, backends={"mail": "mail2013"})
    with pytest.raises(ActuatorError, match=r"backends.standby is missing"):
        missing.check(servers.redirections)
    assert read_map(proxy.map_file.read_text()) == {}


@pytest.mark.parametrize("answer", [b"Permission denied\n", b"", b"\xff\xfe", b"New version created: 1\n"])
def test_an_answer_that_is_not_the_expected_one_is_no_success(
    proxy: Proxy, servers: Servers, answer: bytes, tmp_path: Path
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def speak() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        threading.Thread(target=speak, daemon=True).start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        (tmp_path / "m.map").write_text("")
        actuator = actuator_of(
            proxy, servers, sockets=(address,), map_file=tmp_path / "m.map", activesync_map_file=None
        )
        with pytest.raises(ActuatorError, match=r"front_door.haproxy, close: 127\.0\.0\.1"):
            actuator.close(servers.redirections)
        listener.shutdown(socket.SHUT_RDWR)


def _lead_to_and_fro(section: HaproxySection, redirections: list[Redirection]) -> None:
    actuator = HaproxyActuator(section, "mail", frozenset(), {})
    while True:
        for step in (actuator.close, actuator.redirect, actuator.close, actuator.undo):
            step(redirections)


def test_an_actuator_killed_anywhere_leaves_one_server_for_a_mailbox_and_the_step_can_be_run_again(
    proxy: Proxy, servers: Servers
) -> None:
    def answers() -> set[str]:
        return {who(proxy, X_AnchorMailbox="anna@source.test") for _ in range(5)}

    for number in range(6):
        process = multiprocessing.get_context("fork").Process(
            target=_lead_to_and_fro, args=(section_of(proxy), servers.redirections)
        )
        process.start()
        time.sleep(0.05 + 0.013 * number)
        process.kill()
        process.join()
        assert len(answers()) == 1
        actuator = actuator_of(proxy, servers)
        actuator.redirect(servers.redirections)
        actuator.confirm(servers.redirections)
        actuator.undo(servers.redirections)
        actuator.check(servers.redirections)


def test_a_thousand_mailboxes_are_led_in_one_change(proxy: Proxy, servers: Servers) -> None:
    one = servers.redirections[0]
    many = [replace(one, mailbox=f"{n:020x}", address=f"user{n}@source.test") for n in range(1000)]
    actuator = actuator_of(proxy, servers)
    actuator.check(many)
    seen, stop = set[tuple[str, str]](), threading.Event()

    def watch() -> None:
        while not stop.is_set():
            seen.add(
                (
                    who(proxy, X_AnchorMailbox="user0@source.test"),
                    who(proxy, X_AnchorMailbox="user999@source.test"),
                )
            )

    watcher = threading.Thread(target=watch)
    watcher.start()
    steps: list[Callable[[list[Redirection]], None]] = [actuator.close, actuator.redirect, actuator.confirm]
    for step in steps:
        step(many)
        time.sleep(0.05)
    stop.set()
    watcher.join()
    # between its two questions the map may change once, but never backwards and never past `closed`
    assert ("standby", "mail") not in seen
    assert ("mail", "standby") not in seen
    actuator.undo(many)


def test_a_port_nobody_listens_on_is_named(proxy: Proxy, servers: Servers) -> None:
    actuator = actuator_of(proxy, servers, sockets=(f"127.0.0.1:{free_port()}",))
    with pytest.raises(ActuatorError, match=r"check: 127\.0\.0\.1:\d+: no answer"):
        actuator.check(servers.redirections)
