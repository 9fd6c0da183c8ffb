"""`migrate` over a real Kafka with nothing running: refusals, approvals, who moves to another wave."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from deploy import exit_codes, wiring
from deploy.commands.failures import exit_code_of
from deploy.commands.migrate import migrate
from deploy.migration.book import Book, Contents
from deploy.promotion.office import DrivenError
from deploy.settings import load
from schemas.codec import encode
from schemas.identity import mailbox_id, partition_of
from schemas.state import MailboxRecord, TargetFolder, TargetMailbox, Wave

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.deploy.conftest import Configuration

ANNA, BEN = mailbox_id("anna@source.test"), mailbox_id("ben@source.test")
ROWS = "source,target,wave\nanna@source.test,anna@target.test,pilot\nben@source.test,ben@target.test,pilot\n"
WINDOW = ("--from", "2100-01-01T20:00:00+01:00", "--until", "2100-01-02T02:00:00+01:00")


def told(configuration: Configuration, *arguments: str, code: int = exit_codes.OK) -> str:
    """Run a command to the exit code that is meant; return what it said."""
    ended = CliRunner().invoke(migrate, configuration.write(*arguments))
    error = ended.exception
    found = exit_code_of(error) if isinstance(error, Exception) else ended.exit_code
    assert found == code, (ended.output, error)
    return ended.output + str(error or "")


def planned(configuration: Configuration, content: bytes, code: int = exit_codes.OK) -> str:
    file = configuration.path.parent / "waves.csv"
    file.write_bytes(content)
    return told(configuration, "plan", str(file), "--to", "standby", code=code)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "line 1: column 'source' is missing"),
        (b"source,wave\nanna\xff@source.test,w\n", "byte 16 is not UTF-8"),
        (b"source,wave\n" + b"x,\n" * 60, "and 189 more"),
    ],
)
def test_a_file_that_is_wrong_is_refused_before_anything_else(
    configuration: Configuration, content: bytes, words: str
) -> None:
    assert words in planned(configuration, content, exit_codes.SETTINGS)


def test_a_file_or_a_target_that_is_not_there_is_said(configuration: Configuration, tmp_path: Path) -> None:
    missing = str(tmp_path / "none.csv")
    assert "can't be read" in told(configuration, "plan", missing, "--to", "standby", code=exit_codes.SETTINGS)
    assert "standby" in told(configuration, "plan", missing, "--to", "elsewhere", code=exit_codes.SETTINGS)


class Standing:
    """Two planned mailboxes, copied and verified, as services would have left them; ben is paused."""

    def __init__(self, configuration: Configuration, kafka: str) -> None:
        configuration.sections["kafka"]["bootstrap_servers"] = kafka
        configuration.mailboxes = []
        planned(configuration, ROWS.encode())
        self.settings = load(configuration.path, {})
        self._kafka, topics = wiring.kafka_settings(self.settings), wiring.topics_of(self.settings)
        self._producer = Producer(self._kafka.options())
        folder = TargetFolder(
            folder_id="f", target_id="t", parent_id="", name="Inbox", folder_class="IPF.Note", distinguished="inbox",
            created=False, generation=1, sequence=1, compared_at=1,
        )  # fmt: skip
        for mailbox in (ANNA, BEN):
            source = MailboxRecord(mailbox=mailbox, generation=1, next_sequence=5, certain_up_to=1)
            target = TargetMailbox(mailbox=mailbox, generation=1, applied_sequence=4)
            self.put(topics.mailboxes, mailbox, replace(source, paused="by hand" if mailbox == BEN else ""))
            self.put(topics.target_state("standby"), mailbox, target)
            self.put(topics.target_state("standby"), f"{mailbox}/folder/f", folder)

    def put(self, topic: str, key: str, record: Any) -> None:
        number = partition_of(key.split("/", maxsplit=1)[0], self._kafka.partition_count)
        self._producer.produce(topic, key=key, value=encode(record), partition=number)
        self._producer.flush(10)


@pytest.fixture
def standing(configuration: Configuration, kafka: str) -> Standing:
    return Standing(configuration, kafka)


def waves(configuration: Configuration) -> dict[str, tuple[str, list[str]]]:
    """Return stage and mailboxes of every wave."""
    found = json.loads(told(configuration, "status", "--json"))["waves"]
    return {w["wave"]: (w["stage"], sorted(m["mailbox"] for m in w["mailboxes"])) for w in found}


@pytest.mark.slow
@pytest.mark.usefixtures("standing")
def test_an_approval_names_who_is_not_ready_and_moves_or_takes_who_is_named(configuration: Configuration) -> None:
    told(configuration, "schedule", "pilot", *WINDOW)
    said = told(configuration, "approve", "pilot", code=exit_codes.WORD_NEEDED)
    assert f"1 of 2 mailboxes are not ready:\n  {BEN}: paused at the source: by hand" in said
    assert "not in wave" in told(configuration, "approve", "pilot", "--except", "x@y.test", code=exit_codes.SETTINGS)
    assert waves(configuration) == {"pilot": ("DELTA", sorted([ANNA, BEN]))}, "a refusal changes nothing"
    told(configuration, "approve", "pilot", "--except", "ben@source.test")
    assert waves(configuration) == {"pilot": ("APPROVED", [ANNA]), "pilot-later": ("DELTA", [BEN])}
    told(configuration, "schedule", "pilot-later", *WINDOW)
    told(configuration, "approve", "pilot-later", "--accept", BEN)
    assert waves(configuration)["pilot-later"] == ("APPROVED", [BEN])
    said = told(configuration, "cut-over", "pilot", code=exit_codes.WORD_NEEDED)
    assert "its window opens at 2100-01-01T20:00:00+01:00" in said
    told(configuration, "schedule", "pilot", *WINDOW)
    assert waves(configuration)["pilot"][0] == "READY", "another window needs another approval"


@pytest.mark.slow
@pytest.mark.usefixtures("standing")
def test_commands_that_do_not_belong_to_a_stage_are_refused(configuration: Configuration) -> None:
    for words in (["cut-over", "pilot"], ["watch", "pilot"], ["close", "pilot"], ["roll-back", "pilot"]):
        assert f"no {words[0]} in DELTA" in told(configuration, *words, code=exit_codes.STOPPED)
    assert "no such wave; there are: pilot" in told(configuration, "status", "other", code=exit_codes.SETTINGS)
    over = ("--from", "2020-01-01T20:00:00Z", "--until", "2020-01-01T21:00:00Z")
    assert "that is over" in told(configuration, "schedule", "pilot", *over, code=exit_codes.SETTINGS)
    limit = told(configuration, "schedule", "pilot", *WINDOW, "--limit-mailboxes", "1", code=exit_codes.SETTINGS)
    assert "wave pilot has 2 mailboxes" in limit


@pytest.mark.slow
def test_two_decisions_at_the_same_moment_are_not_both_written(standing: Standing) -> None:
    first, second = Book(standing.settings), Book(standing.settings)

    def decide(contents: Contents) -> Sequence[Wave]:
        second.change(lambda now: [replace(now.wave("pilot"), window_from="second")])
        return [replace(contents.wave("pilot"), window_from="first")]

    with pytest.raises(DrivenError, match="decided about a wave at the same time"):
        first.change(decide)
    assert first.read().wave("pilot").window_from == "second"


@pytest.mark.slow
def test_a_wave_whose_target_left_the_settings_is_told_in_its_line_beside_the_others(
    configuration: Configuration, standing: Standing
) -> None:
    Book(standing.settings).change(lambda _now: [Wave(wave="gone", target="former")])
    said = told(configuration, "status")
    assert "gone  not readable: its target former is not in the settings" in said
    assert "pilot  DELTA" in said
    assert waves(configuration) == {"gone": ("", []), "pilot": ("DELTA", sorted([ANNA, BEN]))}
    assert "former" in told(configuration, "schedule", "gone", *WINDOW, code=exit_codes.SETTINGS)
