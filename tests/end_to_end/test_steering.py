"""What operators do: pause, resume, resync, redrive; and everything in one process with the embedded Kafka."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.comparison.comparison import compare
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.filling import Filling
from deploy.lab.workload.generator import Generator

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LEVEL_SECONDS_MAX = 240.0
Living = Any


def _run(config: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "deploy", *arguments, "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout  # noqa: S603


def test_a_paused_mailbox_is_captured_no_more_and_misses_nothing_when_resumed(living: Living) -> None:
    living.await_level()
    config, mailbox = living.world.config, living.users[0].address
    _run(config, "mailboxes", "pause", mailbox, "--reason", "maintenance")
    living.await_true(lambda: any(r["source"]["paused"] == "maintenance" for r in living.world.status()))
    living.put(living.mail())
    time.sleep(3.0)
    inbox = living.ids(living.standbys[0], living.target_session, "inbox")
    assert len(inbox) == len(living.ids(living.users[0], living.source_session, "inbox")) - 1
    _run(config, "mailboxes", "resume", mailbox)
    living.await_level()
    assert living.compare().is_clean


def test_a_resync_says_everything_once_more_and_writes_nothing_that_is_there(living: Living) -> None:
    living.put(living.mail())
    living.settle()
    living.world.target.reset_calls()
    before = {r["mailbox"]: r["source"]["next_sequence"] for r in living.world.status()}
    _run(living.world.config, "mailboxes", "resync", living.users[0].address)
    living.await_true(
        lambda: any(r["source"]["next_sequence"] > before[r["mailbox"]] + 5 for r in living.world.status())
    )
    living.await_level()
    assert not {"UploadItems", "CreateItem", "DeleteItem", "MoveItem"} & living.target_calls().keys()
    assert living.compare().is_clean


def test_a_parked_item_is_listed_with_its_reason_and_arrives_when_it_is_redriven(living: Living) -> None:
    living.await_level()
    living.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
    item_id = living.put(living.mail())
    living.await_true(lambda: sum(r["targets"]["standby"]["parked"] for r in living.world.status()) == 1)
    living.users[0].update(item_id, "message:IsRead", "<t:IsRead>true</t:IsRead>")
    living.await_level()
    config = living.world.config
    (parked,) = json.loads(_run(config, "dead-letters", "list", "--json"))["parked"]
    assert parked["reason"] == "ErrorCorruptData"
    assert "would be ordered" in _run(config, "dead-letters", "redrive", "--dry-run")
    assert "1 items ordered" in _run(config, "dead-letters", "redrive")
    living.await_true(lambda: sum(r["targets"]["standby"]["parked"] for r in living.world.status()) == 0)
    living.await_level()
    found = living.compare()
    assert found.is_clean, found


def test_run_needs_nothing_but_two_servers_and_keeps_its_log_over_a_kill(tmp_path: Path) -> None:
    source = ExchangeProcess(tmp_path / "source", version="2013", mailboxes=["anna@source.test"])
    target = ExchangeProcess(tmp_path / "target", version="2019", mailboxes=["anna@target.test"])
    with source, target:
        one, other = source.start(), target.start()
        config = tmp_path / "mailshadow.toml"
        config.write_text(
            f'[pipeline]\nname = "alone"\ndata_directory = "{tmp_path / "data"}"\n'
            f'[source]\nurl = "{one.url}"\nuser = "{one.user}"\npassword = "{one.password}"\nversion = "2013"\n'
            f'[targets.standby]\nurl = "{other.url}"\nuser = "{other.user}"\npassword = "{other.password}"\n'
            'version = "2019"\n[feed]\npoll_interval_seconds = 1\nheartbeat_seconds = 1\n'
            '[[mailboxes]]\nsource = "anna@source.test"\ntargets = { standby = "anna@target.test" }\n'
        )
        at_source = ServerAddress(url=one.url, user=one.user, password=one.password, version="2013")
        at_target = ServerAddress(url=other.url, user=other.user, password=other.password, version="2019")
        filling = Filling(UserSession(at_source), ["anna@source.test"], lambda _: None)
        generator = Generator(11, ("anna@source.test",))
        for ending in (signal.SIGKILL, signal.SIGTERM):
            for mail in generator.mails(0, 15):
                filling.add(mail)
            filling.flush()
            code = _live(config, at_source, at_target, ending)
            assert code == (0 if ending == signal.SIGTERM else -signal.SIGKILL)


def _live(config: Path, source: ServerAddress, target: ServerAddress, ending: signal.Signals) -> int:
    """Run until both servers are equal, then end it as told; return its exit code."""
    with (config.parent / "run.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "deploy", "run", "--config", str(config)], stdout=log, stderr=log
        )
    deadline = time.monotonic() + LEVEL_SECONDS_MAX
    try:
        while True:
            found = compare(source, target, [("anna@source.test", "anna@target.test")])
            if found.is_clean and found.items_source:
                break
            assert process.poll() is None, (config.parent / "run.log").read_text()[-3000:]
            assert time.monotonic() < deadline, found
            time.sleep(0.5)
        assert found.missing == found.extra == found.staged == 0
        process.send_signal(ending)
        return process.wait(60)
    finally:
        process.kill()
