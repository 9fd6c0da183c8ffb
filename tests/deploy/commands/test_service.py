"""Bad input to the services: one clear line, a named exit code, no traceback (issue: bad input)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
import requests

from deploy import exit_codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.deploy.conftest import Configuration, Ended

    Run = Callable[..., Ended]

pytestmark = pytest.mark.slow


def assert_clear(ended: Ended, code: int, *words: str) -> None:
    assert ended.code == code, ended
    assert "Traceback" not in ended.err
    assert len(ended.said.splitlines()) == 1, ended.said
    for word in words:
        assert word in ended.said


@pytest.mark.parametrize("service", [["feed"], ["replay", "--target", "standby"], ["run"]], ids=lambda s: s[0])
def test_missing_settings_are_named(mailshadow: Run, tmp_path: Path, service: list[str]) -> None:
    ended = mailshadow(*service, "--config", str(tmp_path / "none.toml"))
    assert_clear(ended, exit_codes.SETTINGS, "none.toml", "no such file")


def test_a_settings_file_that_is_a_directory_cannot_be_read(mailshadow: Run, tmp_path: Path) -> None:
    assert_clear(mailshadow("feed", "--config", str(tmp_path)), exit_codes.SETTINGS, str(tmp_path), "check its rights")


@pytest.mark.parametrize(("key", "value"), [("bootstrap", "x"), ("partition_count", "twelve")], ids=["unknown", "type"])
def test_a_wrong_setting_is_named(mailshadow: Run, configuration: Configuration, key: str, value: str) -> None:
    configuration.sections["kafka"][key] = value
    assert_clear(mailshadow(*configuration.write("feed")), exit_codes.SETTINGS, f"kafka.{key}")


def test_an_unknown_target_is_named_with_the_known_ones(mailshadow: Run, configuration: Configuration) -> None:
    ended = mailshadow(*configuration.write("replay", "--target", "elsewhere"))
    assert_clear(ended, exit_codes.SETTINGS, "elsewhere", "standby")


def test_a_kafka_that_does_not_answer_is_named(mailshadow: Run, configuration: Configuration) -> None:
    ended = mailshadow(*configuration.write("feed"))
    assert_clear(ended, exit_codes.KAFKA_UNREACHABLE, "127.0.0.1:9", "kafka.bootstrap_servers")


def test_a_source_that_does_not_answer_is_named(mailshadow: Run, connected: Configuration, free_port: int) -> None:
    connected.sections["source"]["url"] = f"http://127.0.0.1:{free_port}/EWS"
    ended = mailshadow(*connected.write("feed"))
    assert_clear(ended, exit_codes.SOURCE_UNREACHABLE, f":{free_port}", "can't be reached")


def test_a_target_that_does_not_answer_is_named(mailshadow: Run, connected: Configuration, free_port: int) -> None:
    connected.sections["targets.standby"]["url"] = f"http://127.0.0.1:{free_port}/EWS"
    ended = mailshadow(*connected.write("replay", "--target", "standby"))
    assert_clear(ended, exit_codes.TARGET_UNREACHABLE, f":{free_port}", "can't be reached")


def test_a_wrong_password_is_said_and_not_shown(mailshadow: Run, connected: Configuration) -> None:
    connected.sections["source"]["password"] = "mistaken"
    ended = mailshadow(*connected.write("feed"))
    assert_clear(ended, exit_codes.NOT_ALLOWED, "check user, password")
    assert "mistaken" not in ended.err + ended.out


def test_a_mailbox_that_does_not_exist_is_named(mailshadow: Run, connected: Configuration) -> None:
    connected.mailboxes = [("nobody@source.test", "anna@source.test")]
    assert_clear(mailshadow(*connected.write("feed")), exit_codes.NO_MAILBOX, "nobody@source.test")


def test_another_partition_count_than_the_recorded_one_is_refused(mailshadow: Run, connected: Configuration) -> None:
    assert mailshadow(*connected.write("topics", "--create")).code == exit_codes.OK
    connected.sections["kafka"]["partition_count"] = 3
    ended = mailshadow(*connected.write("feed"))
    assert_clear(ended, exit_codes.TOPIC_MISMATCH, "2 partitions", "3")


def test_a_port_that_is_in_use_is_named(mailshadow: Run, connected: Configuration) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        connected.sections["feed"]["metrics_port"] = port
        assert_clear(mailshadow(*connected.write("feed")), exit_codes.IN_USE, str(port), "metrics_port")


def test_a_spool_that_cannot_be_made_is_named(mailshadow: Run, connected: Configuration, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    connected.sections["feed"]["spool_directory"] = str(tmp_path / "file" / "spool")
    assert_clear(mailshadow(*connected.write("feed")), exit_codes.DISK, "spool directory")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_running_feed_ends_with_code_0_on_a_signal(
    connected: Configuration, number: signal.Signals, free_port: int
) -> None:
    connected.sections["feed"]["metrics_port"] = free_port
    process = subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "deploy", *connected.write("feed")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        assert process.stderr
        for line in process.stderr:
            if "partition acquired" in line:
                break
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert process.returncode == exit_codes.OK, rest
    assert "Traceback" not in rest


def test_a_run_answers_for_all_mailboxes_too_and_only_to_who_may_read(
    connected: Configuration, free_port: int, tmp_path: Path
) -> None:
    connected.sections["monitor"] = {"metrics_port": free_port}
    connected.sections["metrics"] = {"user": "prometheus", "password": "figures"}
    address = f"http://127.0.0.1:{free_port}"
    log = tmp_path / "run.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "deploy", *connected.write("run")],
            stderr=said,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    try:
        deadline = time.monotonic() + 60
        while asked(f"{address}/readyz").status_code != 200:
            assert time.monotonic() < deadline, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
        assert asked(f"{address}/metrics").status_code == 401
        told = asked(f"{address}/metrics", auth=("prometheus", "figures")).text
        assert 'mailshadow_fleet_mailboxes{health="protected",target="standby"}' in told
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == exit_codes.OK, log.read_text()
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()


def asked(url: str, auth: tuple[str, str] | None = None) -> requests.Response:
    """One request; 599 while nobody listens."""
    try:
        return requests.get(url, timeout=5, auth=auth)
    except requests.ConnectionError:
        nobody = requests.Response()
        nobody.status_code = 599
        return nobody
