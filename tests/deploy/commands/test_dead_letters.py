"""What operators see of parked and held mailboxes, and the orders they give, over a real Kafka with nothing running."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from deploy import exit_codes, wiring
from deploy.kafka import ensure_topics
from deploy.partition.reader import read_to_end
from deploy.settings import load
from schemas.change import Change, Content, Form, ItemDeleted, ItemRef, ItemSaved, Marks, Summary
from schemas.codec import decode, encode
from schemas.identity import item_key, mailbox_id, partition_of
from schemas.ports import Incoming
from schemas.state import (
    DeadLetter,
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Order,
    Orphan,
    TargetMailbox,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.deploy.conftest import Configuration, Ended

    Run = Callable[..., Ended]

pytestmark = pytest.mark.slow
MAILBOX = mailbox_id("anna@source.test")
AT_SOURCE, GONE, GIVEN_UP = (item_key(MAILBOX, n) for n in ("at source", "gone", "given up"))
SUBJECT = "Zugspitze"
PARKED_MS = 1_790_000_000_000


class Standing:
    """A pipeline's records as services would have left them."""

    def __init__(self, configuration: Configuration) -> None:
        settings = load(configuration.path, {})
        self.kafka, self.topics = wiring.kafka_settings(settings), wiring.topics_of(settings)
        ensure_topics(self.kafka, self.topics.catalogue(tuple(settings.targets), self.kafka.partition_count))
        self.partition = partition_of(MAILBOX, self.kafka.partition_count)
        self._producer = Producer({"bootstrap.servers": self.kafka.bootstrap_servers})

    def put(self, topic: str, key: str, record: object) -> None:
        self._producer.produce(topic, key=key, value=encode(record), partition=self.partition)
        self._producer.flush(10)

    def park(self, item: str, reason: str, dropped_at: int = 0) -> None:
        record = ItemRecord(
            item=item, state=ItemState.PARKED, generation=1, sequence=2, source_change_key="", folder_id="f",
            marks=None, target_id="", target_change_key="", nonce="", reason=reason, dropped_at=dropped_at,
        )  # fmt: skip
        self.put(self.topics.target_state("standby"), f"{MAILBOX}/item/{item}", record)
        letter = DeadLetter(
            mailbox=MAILBOX, item=item, target="standby", reason=reason, detail="too big", attempts=1, at=PARKED_MS,
            change=encode(self.change(2, saved(item))), offset=7,
        )  # fmt: skip
        self.put(self.topics.dead_letters("standby"), f"{MAILBOX}/{item}", letter)

    @staticmethod
    def change(sequence: int, operation: ItemSaved | ItemDeleted) -> Change:
        return Change(
            mailbox=MAILBOX, generation=1, sequence=sequence, captured_at=0, source_version="15.0", operation=operation
        )

    def orders(self) -> list[Order]:
        records = read_to_end(self.kafka, self.topics.orders("standby"), self.partition, None, lambda: True)
        return [decode(r.value or b"") for r in records if isinstance(r, Incoming)]


def ref(item: str) -> ItemRef:
    return ItemRef(item=item, item_id="i", folder_id="f", change_key="", search_key="", fingerprint="")


def saved(item: str) -> ItemSaved:
    summary = Summary(
        item_class="IPM.Note", subject=SUBJECT, sender="", message_id="", sent_at="", received_at="", size_bytes=4,
        has_attachments=False, is_draft=False,
    )  # fmt: skip
    content = Content(form=Form.STREAM, size_bytes=4, sha256="00", chunk_count=0, body=SUBJECT.encode())
    return ItemSaved(ref=ref(item), summary=summary, marks=Marks(is_read=True), contents=(content,))


@pytest.fixture
def standing(connected: Configuration) -> Standing:
    connected.write()
    made = Standing(connected)
    made.put(made.topics.mailboxes, MAILBOX, MailboxRecord(mailbox=MAILBOX, generation=1, next_sequence=9))
    entry = IndexEntry(
        item=AT_SOURCE, item_id="i", folder_id="f", change_key="", search_key="", fingerprint="", digest="", marks=None
    )
    made.put(made.topics.source_state, f"{MAILBOX}/item/{AT_SOURCE}", entry)
    made.put(
        made.topics.target_state("standby"),
        MAILBOX,
        TargetMailbox(
            mailbox=MAILBOX, generation=1, applied_sequence=4, behind="deletion-breaker", own_offset=0,
            tripped="deletion-breaker", tripped_on="4 deletions of 14 items within 60 min, 3 of them applied",
        ),
    )  # fmt: skip
    made.park(AT_SOURCE, "ErrorCorruptData")
    made.park(GONE, "ErrorMessageSizeExceeded")
    made.park(GIVEN_UP, "ErrorCorruptData", dropped_at=PARKED_MS)
    return made


def test_parked_items_are_filtered_shown_and_ordered_of_the_target(
    mailshadow: Run, connected: Configuration, standing: Standing
) -> None:
    def said(*arguments: str) -> str:
        ended = mailshadow(*connected.write("dead-letters", *arguments))
        assert ended.code == exit_codes.OK, ended
        return ended.out

    def listed(*arguments: str) -> list[str]:
        return sorted(p["item"] for p in json.loads(said("list", "--json", *arguments))["parked"])

    assert listed() == sorted([AT_SOURCE, GONE])
    assert listed("--dropped") == [GIVEN_UP]
    assert listed("--reason", "size", "--mailbox", "anna@source.test", "--until", "2027-01-01") == [GONE]
    assert listed("--since", "2027-01-01") == []
    shown = said("show", GONE)
    assert "too big" in shown
    assert SUBJECT not in shown
    planned = json.loads(said("redrive", "--dry-run", "--json"))["orders"]
    assert {o["way"]: o["items"] for o in planned} == {"source": [AT_SOURCE], "evidence": [GONE]}
    assert standing.orders() == []
    said("redrive")
    said("drop", "--item", GONE[:10])
    assert [(o.kind, o.items) for o in standing.orders()] == [
        *sorted([("REDRIVE", (AT_SOURCE,)), ("REDRIVE_FROM_EVIDENCE", (GONE,))], key=lambda o: o[1]),
        ("DROP", (GONE,)),
    ]


def test_what_is_held_is_said_before_it_is_released_or_skipped(
    mailshadow: Run, connected: Configuration, standing: Standing
) -> None:
    for sequence in range(3, 8):
        change = standing.change(sequence, ItemDeleted(ref=ref(AT_SOURCE)))
        standing.put(standing.topics.changes, f"{MAILBOX}/x", change)
    standing.put(
        standing.topics.target_state("standby"), f"{MAILBOX}/orphan/{GONE}",
        Orphan(item=GONE, target_id="there", folder_id="f", nonce="", generation=1, sequence=1, at=PARKED_MS),
    )  # fmt: skip

    def run(*arguments: str) -> str:
        ended = mailshadow(*connected.write("mailboxes", *arguments, MAILBOX, "--target", "standby"))
        assert ended.code == exit_codes.OK, ended
        return ended.out

    assert "3 changes, 3 of them deletions" in run("release", "--dry-run")
    assert "skip would leave 3 items at the target as orphans" in run("skip", "--dry-run")
    assert "there" in run("orphans")
    assert standing.orders() == []
    for command in ("pause", "resume", "release", "skip"):
        run(command)
    assert [o.kind for o in standing.orders()] == ["PAUSE", "RESUME", "RELEASE", "SKIP"]
    status = mailshadow(*connected.write("status", "--json"))
    at = json.loads(status.out)["mailboxes"][0]["targets"]["standby"]
    assert (at["held"], at["parked"], at["dropped"], at["orphans"]) == ("deletion-breaker", 2, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dead-letters", "drop"], "say --all"),
        (["dead-letters", "show", "0000"], "no such item is parked"),
        (["dead-letters", "list", "--since", "yesterday"], "not a time"),
        (["dead-letters", "redrive", "--target", "nowhere"], "the settings have standby"),
        (["mailboxes", "skip", "nobody@source.test", "--target", "standby"], "no such mailbox"),
        (["mailboxes", "release", "neither", "--target", "standby"], "neither an address nor a mailbox id"),
    ],
)
def test_bad_input_is_one_line(
    mailshadow: Run, connected: Configuration, standing: Standing, arguments: list[str], said: str
) -> None:
    assert standing
    ended = mailshadow(*connected.write(*arguments))
    assert ended.code == exit_codes.SETTINGS, ended
    assert said in ended.said
    assert "Traceback" not in ended.err
