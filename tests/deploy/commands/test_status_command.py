"""`status` over a real Kafka with nothing running: its exit code for probes, one mailbox with its folders, its JSON."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from deploy import exit_codes, wiring
from deploy.commands.status import status
from deploy.kafka import ensure_topics
from deploy.observation.services import Services
from deploy.settings import load
from schemas.change import Change, ItemDeleted, ItemRef
from schemas.codec import encode
from schemas.identity import mailbox_id, partition_of
from schemas.state import MailboxRecord, SourceRole, TargetFolder, TargetMailbox, TargetRole

if TYPE_CHECKING:
    from tests.deploy.conftest import Configuration

pytestmark = pytest.mark.slow
ANNA, BEN = mailbox_id("anna@source.test"), mailbox_id("ben@source.test")
FOLDER = TargetFolder(
    folder_id="f", target_id="t", parent_id="", name="Inbox", folder_class="IPF.Note", distinguished="inbox",
    created=False, generation=1, sequence=1, divergence={"missing": 2}, compared_at=1_790_000_000_000,
)  # fmt: skip


class Standing:
    """Two mailboxes that are level, as services would have left them."""

    def __init__(self, configuration: Configuration, kafka: str) -> None:
        configuration.sections["kafka"]["bootstrap_servers"] = kafka
        self._arguments = configuration.write()
        settings = load(configuration.path, {})
        self._kafka, self.topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
        ensure_topics(self._kafka, self.topics.catalogue(tuple(settings.targets), self._kafka.partition_count))
        self.at_target = self.topics.target_state("standby")
        self._producer = Producer({"bootstrap.servers": kafka})
        self.now_ms = time.time_ns() // 1_000_000
        for name in (ANNA, BEN):
            self.source(name)
            self.target(name)

    def source(self, name: str, **values: Any) -> None:
        record = MailboxRecord(mailbox=name, generation=1, next_sequence=6, certain_up_to=self.now_ms)
        self.put(self.topics.mailboxes, name, replace(record, **values))

    def target(self, name: str, **values: Any) -> None:
        record = TargetMailbox(mailbox=name, generation=1, applied_sequence=5, applied_at=self.now_ms)
        self.put(self.at_target, name, replace(record, **values))

    def change(self, name: str, sequence: int) -> None:
        ref = ItemRef(item="i", item_id="i", folder_id="f", change_key="", search_key="", fingerprint="")
        change = Change(
            mailbox=name, generation=1, sequence=sequence, captured_at=self.now_ms, source_version="",
            operation=ItemDeleted(ref=ref),
        )  # fmt: skip
        self.put(self.topics.changes, f"{name}/item/i", change)

    def put(self, topic: str, key: str, record: object) -> None:
        number = partition_of(key.split("/", maxsplit=1)[0], self._kafka.partition_count)
        self._producer.produce(topic, key=key, value=encode(record), partition=number)
        assert self._producer.flush(10) == 0

    def run(self, *arguments: str, code: int = 0) -> str:
        ended = CliRunner().invoke(status, [*arguments, *self._arguments], env={"COLUMNS": "250"})
        assert ended.exit_code == code, ended.output
        return ended.stdout


@pytest.fixture
def standing(configuration: Configuration, kafka: str, monkeypatch: pytest.MonkeyPatch) -> Standing:
    monkeypatch.setattr("deploy.commands.status.services_of", lambda *_: Services())  # as if all of them ran
    return Standing(configuration, kafka)


def test_one_call_says_that_neither_feed_nor_replay_runs(configuration: Configuration, kafka: str) -> None:
    shown = Standing(configuration, kafka).run("--check", code=exit_codes.DIFFERENT)
    assert "no feed runs; no replay of standby runs" in shown


def test_one_call_shows_a_stall_and_the_lag_of_the_oldest_change_not_applied(
    standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    later_ms = standing.now_ms + 60_000
    standing.target(ANNA, applied_sequence=4, applied_at=standing.now_ms - 120_000)
    standing.source(ANNA, certain_up_to=later_ms)
    for sequence in (4, 5):
        standing.change(ANNA, sequence)
    monkeypatch.setattr("deploy.wiring.now_ms", lambda: later_ms)
    (row,) = json.loads(standing.run(ANNA, "--json"))["mailboxes"]
    values = row["targets"]["standby"]
    assert (values["health"], values["why"]) == ("stalled", "1 changes wait")
    assert 0 <= values["since_ms"] - standing.now_ms < 20_000
    assert 40 < values["lag_seconds"] <= 60


def test_a_probe_is_told_by_the_exit_code_and_a_promoted_mailbox_does_not_alarm_it(standing: Standing) -> None:
    assert "everybody is protected" in standing.run("--check")
    standing.target(BEN, behind="ErrorQuotaExceeded")
    assert "1 need a person" in standing.run("--check", code=exit_codes.DIFFERENT)
    standing.run()  # without it, looking is no failure
    standing.source(BEN, role=SourceRole.FENCED, certain_up_to=standing.now_ms - 86_400_000)
    assert "1 on their way" in standing.run("--check", code=exit_codes.DIFFERENT)
    standing.target(BEN, role=TargetRole.OPEN)
    assert "everybody is protected; 1 promoted" in standing.run("--check")


def test_programs_are_told_the_loss_of_each_mailbox_and_the_worst_of_all(standing: Standing) -> None:
    standing.source(ANNA, certain_up_to=standing.now_ms - 3_600_000)
    standing.target(ANNA, applied_sequence=2, behind="ErrorQuotaExceeded")
    found = json.loads(standing.run("--json"))
    rows = {row["mailbox"]: row["targets"]["standby"] for row in found["mailboxes"]}
    assert 3600 <= rows[ANNA]["loss_now"]["seconds"] < 3660
    assert rows[ANNA]["loss_now"]["changes"] == 3
    assert rows[BEN]["loss_now"]["items"] == 0
    assert found["loss_now"] == {"standby": rows[ANNA]["loss_now"]}
    assert found["summary"] == {"standby": {"not-captured": 1, "protected": 1}}


def test_one_mailbox_is_shown_with_its_folders_by_address_or_the_beginning_of_its_id(standing: Standing) -> None:
    standing.put(standing.at_target, f"{ANNA}/folder/f", FOLDER)
    for name in ("anna@source.test", ANNA, ANNA[:6]):
        shown = standing.run(name)
        assert ANNA in shown
        assert BEN not in shown
        (inbox,) = [line for line in shown.splitlines() if "Inbox" in line]
        assert "2 missing" in inbox
    (only,) = json.loads(standing.run(ANNA, "--json"))["mailboxes"]
    assert only["mailbox"] == ANNA
    assert standing.run(ANNA, "--check", code=exit_codes.DIFFERENT)
    assert standing.run(BEN, "--check")
