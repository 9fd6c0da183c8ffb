"""What `verify` refuses before it reads anything: one line, a named code, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from deploy.commands.verify import verify
from deploy.sections import SettingsError
from deploy.verification.signature import SignatureError

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[pipeline]
name = "p"
data_directory = "{data}"
[kafka]
bootstrap_servers = "127.0.0.1:1"
[source]
url = "http://127.0.0.1:1/"
user = "u"
password = "p"
[targets.standby]
url = "http://127.0.0.1:1/"
user = "u"
password = "p"
"""


def refused(tmp_path: Path, *arguments: str, data: str = "") -> Any:
    config = tmp_path / "mailshadow.toml"
    config.write_text(CONFIG.format(data=data or tmp_path / "data"))
    found = CliRunner().invoke(verify, [*arguments, "--config", str(config)])
    return found.exception


def test_a_target_nobody_configured_is_refused_with_those_there_are(tmp_path: Path) -> None:
    error = refused(tmp_path, "--target", "stand-by")
    assert isinstance(error, SettingsError)
    assert "standby" in str(error)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"[1, 2]", b'{"equal": true}'])
def test_a_file_that_is_no_signed_report_is_refused(tmp_path: Path, content: bytes | None) -> None:
    report = tmp_path / "report.json"
    if content is not None:
        report.write_bytes(content)
    assert isinstance(refused(tmp_path, "--check", str(report)), SignatureError)


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = refused(tmp_path, data=str(tmp_path / "file" / "data"))
    assert isinstance(error, SignatureError)
    assert "--key" in str(error)
