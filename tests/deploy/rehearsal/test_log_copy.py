"""What is copied stands in a real Kafka once it is committed; who opens the copy again fences the one before."""

import os
import time
from itertools import count

import pytest

from deploy.kafka import KafkaSettings, KafkaUnreachableError, ensure_topics
from deploy.partition.reader import read_to_end
from deploy.rehearsal import excerpt
from deploy.rehearsal.excerpt import LogCopy
from schemas.ports import Incoming
from schemas.topics import Topics

pytestmark = pytest.mark.slow
MAILBOX = "a" * 20
_NUMBERS = count()


def test_a_copy_is_seen_when_it_is_committed_by_age_too_and_only_its_last_writer_writes(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = KafkaSettings(bootstrap_servers=kafka, partition_count=1)
    topics = Topics(f"copy{os.getpid()}-{next(_NUMBERS)}", "mail")
    ensure_topics(connection, topics.catalogue(("rehearsal",), 1))

    def seen() -> list[str]:
        found = read_to_end(connection, topics.changes, 0, None, lambda: True)
        return [r.key for r in found if isinstance(r, Incoming)]

    def await_seen(keys: list[str]) -> None:
        # Kafka writes the mark that ends a transaction a moment after it said that it is committed
        deadline = time.monotonic() + 10
        while seen() != keys:
            assert time.monotonic() < deadline, seen()
            time.sleep(0.05)

    first = LogCopy(connection, topics)
    first.write(topics.changes, MAILBOX, "one", b"x")
    assert first.beat()
    assert seen() == []
    monkeypatch.setattr(excerpt, "TRANSACTION_SECONDS_MAX", 0.0)
    assert first.beat()
    await_seen(["one"])
    first.write(topics.changes, MAILBOX, "two", b"x")
    second = LogCopy(connection, topics)
    with pytest.raises(KafkaUnreachableError, match="can't be written"):
        first.commit()
    second.write(topics.changes, MAILBOX, "three", b"x")
    second.commit()
    await_seen(["one", "three"])
