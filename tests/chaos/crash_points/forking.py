"""A warm process that forks a worker for each life to be lived: everything is imported, nothing is opened.

As a program it reads jobs as lines of JSON and answers each with what became of its worker. `Forkers` is the other
end: a few such processes for the threads of a test.
"""

import gc
import json
import os
import queue
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from confluent_kafka import KafkaException

from deploy.lab.broker.guard import die_with_parent
from schemas.ports import PartitionLost

from .boundaries import EXIT_DIED, Boundaries
from .feed_life import FeedJob, live_feed
from .replay_life import ReplayJob, live_replay

EXIT_LOST = 75
LOST = "partition lost"
LIFE_SECONDS_MAX = 60
LOSSES_MAX = 3
_ROOT = Path(__file__).resolve().parents[3]
Job = ReplayJob | FeedJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What became of a worker: where it died (nothing if it ended by itself), what it met, its stage, its error."""

    at: str = ""
    code: int = 0
    stage: int = 0
    boundaries: list[str] = field(default_factory=list)
    error: str = ""


class Forkers:
    """Warm processes; `live` may be called by as many threads at once as there are."""

    def __init__(self, count: int, log: Path) -> None:
        self._log = log.open("ab")
        self._processes = [self._start() for _ in range(count)]
        self._idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        for process in self._processes:
            self._idle.put(process)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.crash_points.forking"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, which takes no lock
        )

    def live(self, job: Job) -> Life:
        """Let a worker do a job, and return what became of it."""
        process = self._idle.get()
        try:
            stdin, stdout = process.stdin, process.stdout
            assert stdin
            assert stdout
            stdin.write(json.dumps({"kind": type(job).__name__, "job": asdict(job)}) + "\n")
            stdin.flush()
            life = Life(**json.loads(stdout.readline()))
        finally:
            self._idle.put(process)
        if life.code == EXIT_LOST:
            print(life.error)
        assert life.code in {0, EXIT_DIED, EXIT_LOST, -signal.SIGKILL}, f"a worker failed ({life.code}): {life.error}"
        return life

    def finish(self, job: Job) -> Life:
        """Let workers do a job until one ends by itself; a partition lost on a slow machine is acquired again."""
        for _ in range(LOSSES_MAX):
            life = self.live(job)
            if life.code != EXIT_LOST:
                break
            job = replace(job, first_stage=life.stage) if isinstance(job, FeedJob) else job
        assert life.code == 0, f"a worker did not end by itself ({life.code}): {life.error}"
        return life

    def close(self) -> None:
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
            process.wait(LIFE_SECONDS_MAX)
        self._log.close()


@contextmanager
def forkers(count: int, log: Path) -> Iterator[Forkers]:
    """Start warm processes and end them afterwards."""
    found = Forkers(count, log)
    try:
        yield found
    finally:
        found.close()


# -- the warm process ------------------------------------------------------------------------------------------------


def serve(jobs: TextIO, answers: TextIO) -> None:
    """Answer one job after another until there are no more."""
    gc.freeze()
    while line := jobs.readline():
        answers.write(json.dumps(asdict(_live(json.loads(line)))) + "\n")
        answers.flush()


def _live(order: dict[str, Any]) -> Life:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _be_worker(order, write_end)
    os.close(write_end)
    with os.fdopen(read_end, "rb", buffering=0) as said:
        reports = list(_reports(said.fileno(), child))
    _, status = os.waitpid(child, 0)
    last = reports[-1] if reports else {}
    return Life(code=os.waitstatus_to_exitcode(status), **last)


def _reports(pipe: int, child: int) -> Iterator[dict[str, Any]]:
    """Yield what a worker says; one that says it stands at its boundary is killed, dead already or not."""
    deadline = time.monotonic() + LIFE_SECONDS_MAX
    buffered = b""
    while True:
        if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            os.kill(child, signal.SIGABRT)
            return
        piece = os.read(pipe, 1 << 16)
        if not piece:
            return
        buffered += piece
        *lines, buffered = buffered.split(b"\n")
        for line in lines:
            report = json.loads(line)
            if report.get("at"):
                os.kill(child, signal.SIGKILL) if not report.pop("is_exiting", False) else None
            yield report


def _be_worker(order: dict[str, Any], pipe: int) -> None:
    """Live one life in the forked process; never returns."""
    code = 70
    values = order["job"]
    boundaries = Boundaries(values["die_at"], values["death"], pipe)
    try:
        if order["kind"] == ReplayJob.__name__:
            live_replay(ReplayJob(**values), boundaries)
        else:
            live_feed(FeedJob(**values), boundaries)
        boundaries.report(boundaries=boundaries.met)
        code = 0
    except (PartitionLost, KafkaException):
        # the product's own loop, or its supervisor, begins again: one more death, at a moment nobody chose
        boundaries.report(at=LOST, error=traceback.format_exc(), is_exiting=True)
        code = EXIT_LOST
    except BaseException:  # noqa: BLE001 - the parent must be told whatever it was
        boundaries.report(error=traceback.format_exc())
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
