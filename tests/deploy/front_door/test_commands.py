"""With real programs: small scripts in the place of an organisation's own."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Place, Redirection
from deploy.front_door.commands import CommandActuator, without_secrets
from deploy.front_door.sections import CommandSection

_NOTE = (
    "import json, os, sys; open(sys.argv[1], 'a').write(json.dumps([json.load(sys.stdin), dict(os.environ)]) + '\\n'); "
)


def redirection_of(name: str) -> Redirection:
    return Redirection(
        mailbox=name * 5,
        address=f"{name}@source.test",
        from_place=Place(server="mail", ews_url="https://mail/EWS", address=f"{name}@source.test"),
        to_place=Place(server="standby", ews_url="https://standby/EWS", address=f"{name}@target.test"),
    )


ANNA_AND_BEN = (redirection_of("anna"), redirection_of("ben"))


def actuator_of(tmp_path: Path, script: str, **changes: Any) -> CommandActuator:
    command = (sys.executable, "-c", _NOTE + script, str(tmp_path / "notes"))
    section = CommandSection(name="fence", kind="source-fence", command=command, timeout_seconds=20)
    return CommandActuator(
        replace(section, **changes), tmp_path / "kept", frozenset({"hunter22"}), sleep=lambda _: None
    )


def notes(tmp_path: Path) -> list[Any]:
    path = tmp_path / "notes"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("kind", "steps"),
    [("source-fence", ["check", "close", "confirm", "undo"]), ("directory", ["check", "redirect", "confirm", "undo"])],
)
def test_a_command_is_run_at_the_steps_of_its_kind_with_json_and_variables(
    tmp_path: Path, kind: str, steps: Sequence[str]
) -> None:
    actuator = actuator_of(tmp_path, "", kind=kind)
    for step in ActuatorStep:
        getattr(actuator, step.value)(ANNA_AND_BEN)
    assert [given["step"] for given, _ in notes(tmp_path)] == steps
    given, variables = notes(tmp_path)[0]
    assert given["contract"] == 1
    assert [m["address"] for m in given["mailboxes"]] == ["anna@source.test", "ben@source.test"]
    assert given["mailboxes"][0]["to"] == {
        "server": "standby",
        "ews_url": "https://standby/EWS",
        "address": "anna@target.test",
    }
    assert given["source_lost"] is False
    assert variables["MAILSHADOW_SOURCE_LOST"] == "0"
    assert variables["MAILSHADOW_STEP"] == "check"
    assert variables["MAILSHADOW_KIND"] == kind


def test_a_command_is_told_that_the_source_is_lost(tmp_path: Path) -> None:
    lost = [replace(r, is_from_lost=True) for r in ANNA_AND_BEN]
    actuator_of(tmp_path, "").close(lost)
    given, variables = notes(tmp_path)[0]
    assert given["source_lost"] is True
    assert variables["MAILSHADOW_SOURCE_LOST"] == "1"


def test_each_attempt_for_each_mailbox_is_asked_for_with_its_time(tmp_path: Path) -> None:
    asked: list[float] = []
    actuator: Any = actuator_of(tmp_path, "sys.exit(75)", per="mailbox", attempts_max=2)
    actuator._hold = asked.append
    with pytest.raises(ActuatorError):
        actuator.close(ANNA_AND_BEN)
    assert asked == [20.0, 20.0]


@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
def test_a_command_is_ended_in_time_where_the_promotion_was_stopped_or_killed(
    tmp_path: Path, how: signal.Signals
) -> None:
    """Nobody else ends it then, and whoever takes over counts on it."""
    note = (
        "import os, pathlib, sys, time; p = pathlib.Path(sys.argv[1]); p.write_text(str(os.getpid())); time.sleep(60)"
    )
    promotion = (
        "import sys; from pathlib import Path; from deploy.front_door.commands import CommandActuator; "
        "from deploy.front_door.actuator import Place, Redirection; "
        "from deploy.front_door.sections import CommandSection; place = Place(server='s', ews_url='', address='a'); "
        f"command = (sys.executable, '-c', {note!r}, sys.argv[1]); "
        "section = CommandSection(name='f', kind='source-fence', command=command, timeout_seconds=1.0); "
        "CommandActuator(section, Path(sys.argv[1]).parent).close("
        "[Redirection(mailbox='m', address='a', from_place=place, to_place=place)])"
    )
    written = tmp_path / "process"
    driver = subprocess.Popen([sys.executable, "-c", promotion, str(written)])  # noqa: S603 - ours
    try:
        until(lambda: written.exists() and written.read_text())
        driver.send_signal(how)
        command = int(written.read_text())
        until(lambda: not is_alive(command))
    finally:
        driver.kill()
        driver.wait()


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_command_per_mailbox_gets_one_at_a_time(tmp_path: Path) -> None:
    actuator_of(tmp_path, "", per="mailbox").close(ANNA_AND_BEN)
    assert [v["MAILSHADOW_TO_ADDRESS"] for _, v in notes(tmp_path)] == ["anna@target.test", "ben@target.test"]
    assert [len(given["mailboxes"]) for given, _ in notes(tmp_path)] == [1, 1]


def test_a_dry_run_says_what_would_be_called_and_calls_nothing(tmp_path: Path) -> None:
    calls = actuator_of(tmp_path, "").calls_of(ActuatorStep.CLOSE, ANNA_AND_BEN)
    assert calls[0]["command"][0] == sys.executable
    assert calls[0]["stdin"]["step"] == "close"
    assert notes(tmp_path) == []


def test_75_is_tried_again_a_few_times_and_named_temporary(tmp_path: Path) -> None:
    with pytest.raises(ActuatorError, match=r"commands\.fence, close: a temporary failure: run the step again"):
        actuator_of(tmp_path, "sys.exit(75)", attempts_max=3).close(ANNA_AND_BEN)
    assert len(notes(tmp_path)) == 3


def test_any_other_code_fails_at_once_and_names_step_and_output(tmp_path: Path) -> None:
    with pytest.raises(ActuatorError, match=r"undo: exit code 3; see .*fence-undo\.log") as caught:
        actuator_of(tmp_path, "print('no such mailbox'); sys.exit(3)").undo(ANNA_AND_BEN)
    assert caught.value.step is ActuatorStep.UNDO
    assert (tmp_path / "kept" / "fence-undo.log").read_text() == "no such mailbox\n"
    assert len(notes(tmp_path)) == 1


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    started = time.monotonic()
    script = "import subprocess; subprocess.run(['sleep', '60'])"
    with pytest.raises(ActuatorError, match=r"not done within 0\.5 s"):
        actuator_of(tmp_path, script, timeout_seconds=0.5).close(ANNA_AND_BEN)
    assert time.monotonic() - started < 10


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ActuatorError, match=r"can't be started.*/no/such/program"):
        actuator_of(tmp_path, "", command=("/no/such/program",)).check(ANNA_AND_BEN)


@pytest.mark.parametrize(
    "text", ["the hunter22 of it", "Password: abc", 'token="a b"', "Authorization: Basic QWxhZGRpbg==", "api_key=xyz"]
)
def test_no_secret_is_kept(text: str) -> None:
    kept = without_secrets(f"before {text} after", frozenset({"hunter22"}))
    assert "***" in kept
    for secret in ("hunter22", "abc", "a b", "QWxhZGRpbg", "xyz"):
        assert secret not in kept


def test_only_the_end_of_a_long_output_is_kept(tmp_path: Path) -> None:
    actuator_of(tmp_path, "print('x' * 1_000_000 + 'end')").close(ANNA_AND_BEN)
    kept = (tmp_path / "kept" / "fence-close.log").read_text()
    assert len(kept) == 64 * 1024
    assert kept.endswith("end\n")
