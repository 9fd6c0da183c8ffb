"""The operator's own commands as actuators: fence of the source, directory, mail flow (contract: README.md here).

Each gets the step and the mailboxes as JSON on standard input and as variables, and answers by its exit code.
Failure: commands are idempotent by contract, so a step that was cut short is run again as a whole. None outlives its
time, also where the promotion that started it was stopped or killed (`bounded.py`).
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Hold, Place, Redirection, held_by_nobody
from deploy.front_door.sections import CommandSection
from deploy.front_door.whole_files import write_whole

CONTRACT_VERSION = 1
EXIT_TEMPORARY = 75
PAUSE_SECONDS = 1.0
GRACE_SECONDS = 1.0
"""For the time that `bounded` keeps; less than what an act is announced with beyond its own time."""
_BOUNDED = (sys.executable, "-I", "-S", str(Path(__file__).with_name("bounded.py")))
_ADVICE = "check front_door.commands of that name"
OUTPUT_BYTES_MAX = 64 * 1024
TAIL_CHARACTERS = 300
KIND_STEPS = {
    "source-fence": ("check", "close", "confirm", "undo"),
    "directory": ("check", "redirect", "confirm", "undo"),
    "mail-flow": ("check", "redirect", "confirm", "undo"),
}
_SECRET = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[-_]?key|credential)\w*\s*[:=]\s*|(?:basic|bearer)\s+)(\"[^\"]*\"|\S+)"
)


class CommandActuator:
    """One `[[front_door.commands]]`."""

    leads_all = False

    def __init__(
        self,
        section: CommandSection,
        output_directory: Path,
        secrets: frozenset[str] = frozenset(),
        sleep: Callable[[float], None] = time.sleep,
        hold: Hold = held_by_nobody,
    ) -> None:
        """`secrets` are blotted out of what is kept in `output_directory`."""
        self._hold = hold
        self.name = f"front_door.commands.{section.name}"
        self._section = section
        self._directory = output_directory
        self._secrets = secrets
        self._sleep = sleep

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Have the command look whether its other steps would work; by contract it changes nothing."""
        self._run(ActuatorStep.CHECK, redirections)

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Run the step `close`, where the kind has it."""
        self._run(ActuatorStep.CLOSE, redirections)

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Run the step `redirect`, where the kind has it."""
        self._run(ActuatorStep.REDIRECT, redirections)

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Have the command look whether what it did holds."""
        self._run(ActuatorStep.CONFIRM, redirections)

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Run the step `undo`."""
        self._run(ActuatorStep.UNDO, redirections)

    def experience(self) -> str:
        """Return what clients will see of it."""
        return "what the organisation's own command does"

    def calls_of(self, step: ActuatorStep, redirections: Sequence[Redirection]) -> list[dict[str, Any]]:
        """Return what would be run at a step: command line, variables, standard input; for a dry run."""
        if not redirections or step.value not in (self._section.steps or KIND_STEPS[self._section.kind]):
            return []
        per_mailbox = self._section.per == "mailbox"
        groups = [[r] for r in redirections] if per_mailbox else [list(redirections)]
        return [
            {
                "command": list(self._section.command),
                "environment": self._variables(
                    step, group if per_mailbox else [], is_source_lost=group[0].is_from_lost
                ),
                "stdin": self._input(step, group),
            }
            for group in groups
        ]

    # -- one call ------------------------------------------------------------------------------------------

    def _variables(self, step: ActuatorStep, group: Sequence[Redirection], *, is_source_lost: bool) -> dict[str, str]:
        found = {
            "MAILSHADOW_CONTRACT": str(CONTRACT_VERSION),
            "MAILSHADOW_STEP": step.value,
            "MAILSHADOW_KIND": self._section.kind,
            "MAILSHADOW_SOURCE_LOST": str(int(is_source_lost)),
        }
        for one in group:
            found |= {
                "MAILSHADOW_MAILBOX": one.mailbox,
                "MAILSHADOW_ADDRESS": one.address,
                "MAILSHADOW_FROM_SERVER": one.from_place.server,
                "MAILSHADOW_FROM_ADDRESS": one.from_place.address,
                "MAILSHADOW_TO_SERVER": one.to_place.server,
                "MAILSHADOW_TO_ADDRESS": one.to_place.address,
            }
        return found

    def _input(self, step: ActuatorStep, group: Sequence[Redirection]) -> dict[str, Any]:
        return {
            "contract": CONTRACT_VERSION,
            "step": step.value,
            "kind": self._section.kind,
            "source_lost": group[0].is_from_lost,
            "mailboxes": [
                {"id": r.mailbox, "address": r.address, "from": _place(r.from_place), "to": _place(r.to_place)}
                for r in group
            ],
        }

    def _run(self, step: ActuatorStep, redirections: Sequence[Redirection]) -> None:
        for call in self.calls_of(step, redirections):
            for attempt in range(1, self._section.attempts_max + 1):
                self._hold(self._section.timeout_seconds)
                code, kept = self._once(step, call)
                if code != EXIT_TEMPORARY or attempt == self._section.attempts_max:
                    break
                self._sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
            if code:
                lasting = "a temporary failure: run the step again" if code == EXIT_TEMPORARY else f"exit code {code}"
                raise ActuatorError(self.name, step, f"{lasting}; see {kept}")

    def _once(self, step: ActuatorStep, call: dict[str, Any]) -> tuple[int, Path]:
        limit_seconds = self._section.timeout_seconds
        if shutil.which(program := call["command"][0]) is None:
            raise ActuatorError(self.name, step, f"can't be started: {program} is not there; {_ADVICE}")
        try:
            process = subprocess.Popen(  # noqa: S603 - the operator's own command, from the settings, without a shell
                [*_BOUNDED, str(limit_seconds), *call["command"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **call["environment"]},
                start_new_session=True,
            )
        except OSError as error:
            raise ActuatorError(self.name, step, f"can't be started ({error.strerror}); {_ADVICE}") from error
        try:
            output, _ = process.communicate(json.dumps(call["stdin"]).encode(), limit_seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
        kept = self._keep(step, output)
        if process.returncode == -signal.SIGKILL:
            raise ActuatorError(self.name, step, f"not done within {limit_seconds:g} s and ended; see {kept}")
        return process.returncode, kept

    def _keep(self, step: ActuatorStep, output: bytes) -> Path:
        """Keep the end of what a command said, without secrets, in the place of what it said at this step before."""
        path = self._directory / f"{self._section.name}-{step.value}.log"
        try:
            write_whole(path, without_secrets(output[-OUTPUT_BYTES_MAX:].decode("utf-8", "replace"), self._secrets))
        except OSError as error:
            raise ActuatorError(self.name, step, f"{path} can't be written ({error.strerror})") from error
        return path


def without_secrets(text: str, secrets: frozenset[str]) -> str:
    """Return text with known secrets, and what is named like one, blotted out."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _SECRET.sub(r"\1***", text)


def _place(place: Place) -> dict[str, str]:
    return {"server": place.server, "ews_url": place.ews_url, "address": place.address}
