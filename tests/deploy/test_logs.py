"""One JSON object a line."""

import json
import logging

from deploy.logs import JsonLines


def _line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "feed", "levelname": "WARNING", "msg": "round ended early", **extra})
    line: dict[str, object] = json.loads(JsonLines().format(record))
    return line


def test_a_line_holds_time_level_logger_message_and_its_own_fields() -> None:
    line = _line(mailbox="3d2c", code="ErrorServerBusy")
    assert list(line) == ["time", "level", "logger", "message", "mailbox", "code"]
    assert str(line["time"]).endswith("Z")
    assert line["message"] == "round ended early"


def test_a_value_json_does_not_know_is_written_as_text() -> None:
    assert _line(why=ValueError("odd"))["why"] == "odd"
