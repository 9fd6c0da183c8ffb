"""A service of this project as a child process: its log in a file, never outliving the lab."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.interruption import undivided
from deploy.lab.broker.guard import die_with_parent

STOP_TIMEOUT_SECONDS = 20.0
_TAIL_BYTES = 3_000


class ChildError(Exception):
    """A service ended although nobody told it to; the text holds the end of its log."""


class Child:
    """One `mailshadow` command in a session of its own, so that Ctrl-C reaches only the lab, which stops it.

    Its `environment` is added to ours at every start. `program` is the module that is run and what it takes first.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = ("deploy",),
    ) -> None:
        self.name = name
        self.environment = dict(environment or {})
        self._command = [sys.executable, "-m", *program, *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises ChildError before the first start and after a stop."""
        if self._process is None:
            raise ChildError(f"The {self.name} process is not running.")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def has_ended(self) -> bool:
        """Whether it was started and ended by itself."""
        return self._process is not None and self._process.poll() is not None

    def start(self) -> None:
        """Start the process; does nothing when it runs already."""
        if self.is_running:
            return
        with self._log.open("ab") as log, undivided():
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.environment},
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, which takes no lock
            )

    def require_running(self) -> None:
        """Raise ChildError if the process ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            code = self._process.returncode
            raise ChildError(f"The {self.name} process ended with code {code}. Its last words:\n{self.last_words()}")

    def last_words(self) -> str:
        """Return the end of its log."""
        try:
            return self._log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def stop(self) -> int:
        """Stop in order (SIGTERM), by force after a time limit; return the exit code, 0 if it never ran."""
        process, self._process = self._process, None
        if process is None:
            return 0
        try:
            return _ended(process)
        except KeyboardInterrupt:
            self._process = process  # the stopping of everything has to find it
            raise

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, such as SIGKILL or SIGSTOP."""
        os.kill(self.pid, number)


def _ended(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
