"""What retention took is put back before the judge reads the log."""

import json
from pathlib import Path
from typing import Any

from deploy.lab.chaos.erased import put_back


def _line(offset: int, value: str | None = "eA==", time_ms: int = 5) -> dict[str, Any]:
    return {"topic": "t", "partition": 0, "offset": offset, "timestamp_ms": time_ms, "key": "aw==", "value": value}


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def _whole(path: Path) -> list[tuple[int, str | None]]:
    lines = [json.loads(text) for text in path.read_text().splitlines()]
    return [(line["offset"], line["value"]) for line in lines]


def test_each_erased_record_stands_once_and_before_what_was_left(tmp_path: Path) -> None:
    _write(tmp_path / "erased-000.jsonl", [_line(0), _line(1)])
    _write(tmp_path / "erased-001.jsonl", [_line(1), _line(2)])
    _write(tmp_path / "topics.jsonl", [_line(2), _line(3)])
    put_back(tmp_path, tmp_path / "topics.jsonl")
    assert [offset for offset, _ in _whole(tmp_path / "topics.jsonl")] == [0, 1, 2, 3]


def test_a_topic_made_anew_begins_with_the_tombstones_of_the_lost_one(tmp_path: Path) -> None:
    _write(tmp_path / "erased-000.jsonl", [_line(0), _line(-1, None, 6)])
    _write(tmp_path / "topics.jsonl", [_line(0, "eQ==", 7)])
    put_back(tmp_path, tmp_path / "topics.jsonl")
    assert _whole(tmp_path / "topics.jsonl") == [(0, "eA=="), (-1, None), (0, "eQ==")]


def test_a_dump_without_erasures_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "topics.jsonl").write_text("as it is\n")
    put_back(tmp_path, tmp_path / "topics.jsonl")
    assert (tmp_path / "topics.jsonl").read_text() == "as it is\n"
