import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from deploy import exit_codes
from deploy.lab.command import EXIT_NO_MAIL, lab

MESSAGE = b"From: a@x.test\nTo: b@x.test\nSubject: x\nDate: Sat, 31 Jan 2026 10:00:00 +0000\n\nx\n"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(lab, list(arguments))


@pytest.mark.parametrize("content", [b"", b"\x00\x01binary", b"no mail at all\n"])
def test_a_file_that_is_not_mail_is_refused_before_anything_starts(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    found = invoke("--mail", str(path))
    assert found.exit_code == EXIT_NO_MAIL
    assert str(path) in found.output
    assert "Starting" not in found.output


def test_a_mail_path_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    assert invoke("--mail", str(tmp_path)).exit_code == EXIT_NO_MAIL
    assert invoke("--mail", str(tmp_path / "none")).exit_code == EXIT_NO_MAIL


def test_a_report_that_cannot_be_written_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = invoke("--report", str(tmp_path / "file" / "demo.json"))
    assert found.exit_code == exit_codes.DISK
    assert "cannot be written" in found.output


def test_a_directory_to_keep_must_be_new_and_usable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = invoke("--keep", str(tmp_path))
    assert found.exit_code == exit_codes.DISK
    assert "not empty" in found.output
    assert invoke("--keep", str(tmp_path / "file" / "below")).exit_code == exit_codes.DISK


@pytest.mark.parametrize("options", [("--mailboxes", "0"), ("--seconds", "-1"), ("--seed", "x"), ("--none",)])
def test_options_that_make_no_sense_are_usage_errors(options: tuple[str, ...]) -> None:
    assert invoke(*options).exit_code == exit_codes.USAGE


def test_the_broker_and_the_servers_can_be_started_alone() -> None:
    assert {"kafka", "exchange"} <= set(lab.list_commands(click.Context(lab)))
    assert invoke("kafka", "--help").exit_code == 0


def start(directory: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "deploy", "lab", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(directory)},
        start_new_session=True,
    )


def processes_of(directory: Path) -> list[str]:
    """Return the command lines that name a directory: broker, servers, feed and replay all do."""
    command = ["ps", "-ewwo", "args"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - constant
    return [line for line in listed.stdout.splitlines() if str(directory) in line]


@pytest.mark.slow
def test_the_users_own_mail_arrives_whole_and_the_report_says_so(tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    for number in range(40):
        path = mail / f"folder {number % 3}" / f"{number}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(MESSAGE.replace(b"Subject: x", b"Subject: %d" % number))
    report = tmp_path / "out" / "demo.json"
    options = ("--mailboxes", "2", "--seconds", "0", "--report", str(report), "--quiet", "--no-failover")
    run = start(tmp_path, "--mail", str(mail), *options)
    output, _ = run.communicate()
    assert run.returncode == 0, output
    found = json.loads(report.read_text())
    assert (found["items_source"], found["identical"], found["items_target"]) == (40, 40, 40)
    assert found["first_copy"]["items"] == 40
    assert found["log_bytes"] > 0
    assert found["server_calls"]["target"] > 0
    assert found["disaster"] is None
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("mailshadow-lab-*")) == []


@pytest.mark.slow
def test_the_source_is_killed_its_users_go_on_and_come_home_and_nothing_is_left(tmp_path: Path) -> None:
    report = tmp_path / "demo.json"
    run = start(tmp_path, "--mailboxes", "2", "--seconds", "1", "--report", str(report))
    output, _ = run.communicate()
    assert run.returncode == 0, output
    told = json.loads(report.read_text())["disaster"]
    assert told["promoted"] == 2
    assert told["client_servers"] == ["source", "standby", "source"]
    assert told["reported"] >= told["missed"] > 0
    assert (told["unreported"], told["needless"]) == (0, 0)
    assert told["merged"] >= told["missed"]
    assert told["after"]["identical"] == told["after"]["items_target"] == told["after"]["items_source"]
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("mailshadow-lab-*")) == []


PHASES = ("Starting Kafka", "Filling", "First copy", "Live activity")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize("phase", PHASES)
def test_an_interruption_in_any_phase_leaves_no_process_and_no_data(
    tmp_path: Path, phase: str, number: signal.Signals
) -> None:
    chance = random.Random(f"{phase}{number}")
    run = start(tmp_path, "--mailboxes", "2", "--seconds", "30")
    assert run.stdout is not None
    while phase not in (line := run.stdout.readline()):
        assert line, "the run ended before it came so far"
    time.sleep(chance.random() * 2)
    run.send_signal(number)
    output, _ = run.communicate()
    assert run.returncode == exit_codes.INTERRUPTED, output
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("mailshadow-lab-*")) == []
