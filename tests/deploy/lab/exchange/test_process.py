import random
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from exchangelib import BASIC, IMPERSONATION, Account, Configuration, Credentials, Message

from deploy.lab.exchange.process import ExchangeProcess, ExchangeProcessError

pytestmark = pytest.mark.slow


def account(server: ExchangeProcess, address: str = "a@example.com") -> Account:
    connection = server.connection
    configuration = Configuration(
        service_endpoint=connection.url,
        credentials=Credentials(connection.user, connection.password),
        auth_type=BASIC,
    )
    return Account(address, config=configuration, access_type=IMPERSONATION, autodiscover=False)


def test_a_clean_stop_ends_with_code_0_and_keeps_port_and_data(tmp_path: Path) -> None:
    server = ExchangeProcess(tmp_path / "data", mailboxes=["a@example.com"])
    first = server.start()
    assert server.running
    assert server.stop() == 0
    assert not server.running
    assert server.start() == first
    server.stop()


def test_everything_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    chance = random.Random(20261122)
    server = ExchangeProcess(tmp_path / "data", mailboxes=["a@example.com"], switches={"upload_keeps_search_key": "on"})
    with server:
        acknowledged: list[str] = []
        for _ in range(3):
            acknowledged += _create_until_killed(server, chance.uniform(0.05, 0.4))
            server.start()
        inbox = account(server).inbox
        found = {item.id for item in inbox.all().only("id")}
        assert set(acknowledged) <= found
        assert len(acknowledged) > 0
        assert inbox.total_count == len(found)
        assert server.control("GET", "switches")["upload_keeps_search_key"] is True
        assert {entry["item_id"] for entry in server.history()} == found


def _create_until_killed(server: ExchangeProcess, seconds: float) -> list[str]:
    acknowledged: list[str] = []
    killer = threading.Timer(seconds, server.kill)
    mine = account(server)
    killer.start()
    try:
        while True:
            made = mine.bulk_create(mine.inbox, [Message(subject="x", body="y") for _ in range(5)])
            acknowledged += [item.id for item in made]
    except Exception:  # noqa: BLE001 - any way in which a killed server can be noticed
        killer.join()
    return acknowledged


def test_sync_states_and_ids_outlive_a_kill(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path / "data", mailboxes=["a@example.com"]) as server:
        mine = account(server)
        first = Message(account=mine, folder=mine.inbox, subject="1", body="x")
        first.save()
        assert [kind for kind, _ in mine.inbox.sync_items()] == ["create"]
        state, folder = mine.inbox.item_sync_state, mine.inbox.id
        server.kill()
        server.start()
        again = account(server)
        assert again.inbox.id == folder
        Message(account=again, folder=again.inbox, subject="2", body="x").save()
        found = list(again.inbox.sync_items(sync_state=state))
        assert [(kind, item.subject) for kind, item in found] == [("create", "2")]
        assert again.inbox.get(id=first.id, changekey=first.changekey).subject == "1"


def test_one_directory_serves_one_server(tmp_path: Path) -> None:
    with (
        ExchangeProcess(tmp_path / "data", mailboxes=["a@example.com"]),
        pytest.raises(ExchangeProcessError, match="in use by another"),
    ):
        ExchangeProcess(tmp_path / "data").start()


def test_control_is_at_hand(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path / "data", mailboxes=["a@example.com"]) as server:
        server.add_fault("GetFolder", "busy_fault", count=3)
        assert server.faults()[0]["count"] == 3
        server.clear_faults()
        server.add_mailbox("b@example.com")
        server.set_switch("move_atomic", value=False)
        server.reset_calls()
        assert account(server, "b@example.com").inbox.total_count == 0
        assert server.calls()["operations"]
        assert server.clients() == []
        server.invalidate_sync_states()
        with pytest.raises(ExchangeProcessError, match="does not exist"):
            server.set_switch("nonsense", value=1)
        server.kill()
        server.start()
        assert server.control("GET", "switches")["move_atomic"] is False
        assert len(server.control("GET", "mailboxes")["mailboxes"]) == 2


def test_a_stopped_process_goes_on_where_it_was(tmp_path: Path) -> None:
    with ExchangeProcess(tmp_path / "data", mailboxes=["a@example.com"]) as server:
        server.signal(signal.SIGSTOP)
        server.signal(signal.SIGCONT)
        assert server.calls()["in_flight"] == 0


def test_a_server_that_does_not_run_says_so(tmp_path: Path) -> None:
    server: Any = ExchangeProcess(tmp_path / "data")
    for attempt in (lambda: server.pid, lambda: server.connection, server.calls):
        with pytest.raises(ExchangeProcessError):
            attempt()
    assert server.stop() == 0
