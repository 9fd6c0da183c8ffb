"""With real programs: small scripts in the place of an organisation's own."""

import json
import sys
import time
from collections.abc import Sequence
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
    assert variables["MAILSHADOW_STEP"] == "check"
    assert variables["MAILSHADOW_KIND"] == kind


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
