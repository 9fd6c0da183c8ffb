import json
from pathlib import Path
from typing import Any

import pytest

from deploy.verification.signature import SignatureError, is_genuine, read_or_make_key, signed

REPORT: dict[str, Any] = {"equal": True, "mailboxes": [{"mailbox": "m", "items": 3}]}
KEY = b"k" * 32


def test_a_report_is_genuine_as_long_as_nothing_of_it_changes() -> None:
    report = signed(REPORT, KEY)
    assert is_genuine(json.loads(json.dumps(report, indent=7)), KEY)
    assert not is_genuine(report | {"equal": False}, KEY)
    assert not is_genuine(report, b"x" * 32)


@pytest.mark.parametrize("report", [{}, [], REPORT, REPORT | {"signature": "x"}, REPORT | {"signature": {}}])
def test_what_bears_no_signature_is_refused(report: Any) -> None:
    with pytest.raises(SignatureError, match="no report"):
        is_genuine(report, KEY)


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "verify.key"
    key = read_or_make_key(path)
    assert read_or_make_key(path) == key
    assert path.stat().st_mode & 0o077 == 0


def test_a_key_too_short_or_out_of_reach_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"abc")
    with pytest.raises(SignatureError, match="at least 32 bytes"):
        read_or_make_key(tmp_path / "short")
    with pytest.raises(SignatureError, match="--key"):
        read_or_make_key(tmp_path / "nowhere" / "key")
