"""The command line as a whole."""

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deploy import cli, exit_codes

COMMANDS = {
    "lab",
    "front-door",
    "run",
    "feed",
    "replay",
    "monitor",
    "status",
    "verify",
    "restore",
    "rehearse",
    "failover",
    "failback",
    "migrate",
    "targets",
    "mailboxes",
    "dead-letters",
    "check",
    "topics",
    "config",
}


def test_every_command_of_the_design_that_is_built_is_there_and_has_help() -> None:
    assert set(cli.mailshadow.list_commands(click.Context(cli.mailshadow))) == COMMANDS
    for name in COMMANDS:
        done = CliRunner().invoke(cli.mailshadow, [name, "--help"])
        assert done.exit_code == 0
        assert "Usage:" in done.output


def test_a_known_failure_is_one_line_and_a_named_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mailshadow", "config", "check", "--config", str(tmp_path / "none.toml")])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == exit_codes.SETTINGS
    assert capsys.readouterr().err.startswith("mailshadow: ")


def test_an_error_of_our_own_is_no_difference_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr(cli, "mailshadow", fail)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == exit_codes.INTERNAL
    assert "TypeError: ours" in capsys.readouterr().err


def test_a_wrong_option_is_clicks_own_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["mailshadow", "status", "--nonsense"])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == exit_codes.USAGE
    assert "--nonsense" in capsys.readouterr().err


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "deploy", "--help"], capture_output=True, text=True, check=True)
    assert "mailshadow lab" in done.stdout
