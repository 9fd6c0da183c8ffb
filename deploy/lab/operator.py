"""What an operator does in the lab: runs promotions and ways back by their commands, and goes on where one was cut."""

import json
import sys
import time
from collections.abc import Callable
from subprocess import Popen
from typing import Any

from deploy import exit_codes
from deploy.interruption import attended
from deploy.lab.standing import StalledError, standing
from deploy.lab.world import TARGET, World

COMMAND_SECONDS_MAX = 300.0
OWNERS_SECONDS_MAX = 90.0
LEVEL_SECONDS_MAX = 120.0
LOOK_SECONDS = 0.5
ATTEMPTS_MAX = 12
FAILOVER = ("failover", "--all", "--to", TARGET, "--json")
FAILBACK = ("failback", "--all", "--merge", "--accept-losses", "--json")
_BUSY = frozenset({exit_codes.KAFKA_UNREACHABLE, exit_codes.TARGET_UNREACHABLE, exit_codes.SOURCE_UNREACHABLE})
Strike = Callable[[Popen[str]], None]


class Operator:
    """One operator of a world's pipeline."""

    def __init__(self, world: World) -> None:
        self._world = world

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a command to its end; return what it printed for programs. StalledError where that is nothing."""
        _, found, said = self._attempt(arguments, None)
        if not found:
            raise StalledError(f"{' '.join(arguments)}: {said}")
        return found

    def promote(self, *options: str, strike: Strike | None = None) -> dict[str, Any]:
        """Promote every mailbox, however often that is cut; return the loss statement."""
        return self._carry_through((*FAILOVER, *options), ("failover", "--resume", "--json"), strike)

    def go_home(self, strike: Strike | None = None) -> dict[str, Any]:
        """Start both directions and lead everybody back; return the statement of the way back."""
        for service in (self._world.feed, *self._world.owners_back):
            service.start()
        return self._carry_through(FAILBACK, ("failback", "--resume", "--merge", "--json"), strike)

    def await_level(self) -> None:
        """Wait until the target has everything that happened so far."""
        since_ms, deadline = int(time.time() * 1000), time.monotonic() + LEVEL_SECONDS_MAX
        while (now := standing(self._world.status(), TARGET, since_ms)).level < len(self._world.mailboxes):
            self._world.require_services()
            if time.monotonic() > deadline:
                raise StalledError(f"{now.level} of {len(self._world.mailboxes)} mailboxes are level: {now}")
            time.sleep(LOOK_SECONDS)

    def _carry_through(self, first: tuple[str, ...], again: tuple[str, ...], strike: Strike | None) -> dict[str, Any]:
        """Begin, and go on with what is there, until it is done."""
        arguments, said, deadline = first, "", time.monotonic() + OWNERS_SECONDS_MAX
        attempts = 0
        while attempts < ATTEMPTS_MAX:
            code, found, said = self._attempt(arguments, strike)
            strike = None
            if found.get("stage") == "DONE":
                return found
            is_waiting = ("first" in said and code == exit_codes.SETTINGS) or code in _BUSY
            attempts += not (is_waiting and time.monotonic() < deadline)
            is_there = code not in {exit_codes.DRIVEN, exit_codes.SETTINGS} and found.get("stage") != "UNDONE"
            arguments = again if is_there else first
            time.sleep(LOOK_SECONDS)
        raise StalledError(f"{' '.join(arguments)}, {ATTEMPTS_MAX} times: {said}")

    def _attempt(self, arguments: tuple[str, ...], strike: Strike | None) -> tuple[int, dict[str, Any], str]:
        """Run a command, struck or not; return its exit code, what it printed for programs, and its last words."""
        command = [sys.executable, "-m", "deploy", *arguments, "--config", str(self._world.config)]
        with attended(command) as process:
            if strike is not None:
                strike(process)
            out, said = process.communicate(timeout=COMMAND_SECONDS_MAX)
        found = json.loads(out[out.index("{\n") : out.rindex("}") + 1]) if "{\n" in out else {}
        return process.returncode, found, f"exit code {process.returncode}: {said[-1000:]}"
