"""What a fault takes out of Kafka, kept beside it: the judge reads the whole log, whatever retention left of it.

Each erasure leaves one file of records as `topic_dump` writes them; a topic deleted whole adds a tombstone for every
key, because who restores from what is there now knows none of them.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from deploy.lab.chaos.topic_dump import dump

ANSWER_SECONDS_MAX: Final = 20.0
GONE_SECONDS_MAX: Final = 15.0
_STEM: Final = "erased-"


def erase_records(bootstrap_servers: str, topic: str, directory: Path) -> dict[int, int]:
    """Let retention pass: delete every committed record of a topic; return the new start of each partition.

    Raises DumpError or KafkaException where Kafka doesn't do it.
    """
    kept = _next_file(directory)
    dump(bootstrap_servers, topic, kept)
    ends: dict[int, int] = {}
    for line in _lines(kept):
        ends[line["partition"]] = max(ends.get(line["partition"], 0), line["offset"] + 1)
    if ends:
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        places = [TopicPartition(topic, partition, offset) for partition, offset in sorted(ends.items())]
        for done in admin.delete_records(places, request_timeout=ANSWER_SECONDS_MAX).values():
            done.result(ANSWER_SECONDS_MAX)
    return ends


def erase_topic(bootstrap_servers: str, topic: str, directory: Path) -> int:
    """Delete a topic that nobody writes now; return how many records it held, once Kafka doesn't name it any more."""
    kept = _next_file(directory)
    count = dump(bootstrap_servers, topic, kept)
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for done in admin.delete_topics([topic], request_timeout=ANSWER_SECONDS_MAX).values():
        done.result(ANSWER_SECONDS_MAX)
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while topic in admin.list_topics(timeout=ANSWER_SECONDS_MAX).topics and time.monotonic() < deadline:
        time.sleep(0.1)
    newest = {(line["partition"], line["key"]): line for line in _lines(kept)}
    now_ms = int(time.time() * 1000)
    with kept.open("a", encoding="utf-8") as file:
        for line in newest.values():
            file.write(json.dumps(line | {"value": None, "timestamp_ms": now_ms, "offset": -1}) + "\n")
    return count


def put_back(directory: Path, dumped: Path) -> None:
    """Put what was erased before what a dump found, each record once."""
    files = sorted(directory.glob(f"{_STEM}*.jsonl"))
    if not files:
        return
    seen: set[tuple[str, int, int, int]] = set()
    whole = dumped.with_suffix(".whole")
    with whole.open("w", encoding="utf-8") as file:
        for line in (line for path in (*files, dumped) for line in _lines(path)):
            # a topic made anew counts from 0 again, so the time is part of a record's place
            place = (line["topic"], line["partition"], line["offset"], line["timestamp_ms"])
            if line["offset"] < 0 or place not in seen:
                seen.add(place)
                file.write(json.dumps(line) + "\n")
    whole.replace(dumped)


def _next_file(directory: Path) -> Path:
    return directory / f"{_STEM}{len(list(directory.glob(f'{_STEM}*.jsonl'))):03}.jsonl"


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
