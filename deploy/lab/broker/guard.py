"""The guard between a supervising process and its Java: it lets neither outlive the other.

Started as a script, it runs `java …` (its arguments), prints the process id, and watches three things: the
Java, its standard input (closed when the supervisor is gone, however it ended) and its parent's id (in case a
fork of the supervisor kept the other end of that pipe). It has a session of its own, so that Ctrl-C reaches
only the supervisor, which then stops things in order. Guard and Java inherit the lock's file descriptor, so
the directory stays locked until the last of them has ended. The pipe that tells the process id is inherited by the
Java and left by the guard: its end is the Java's, seen without waiting for the guard to look. It imports nothing of
the project.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable

WATCH_INTERVAL_SECONDS = 0.25
STOP_TIMEOUT_SECONDS = 20.0
PR_SET_PDEATHSIG = 1  # prctl(2)
KEEP_VARIABLE = "MAILSHADOW_GUARD_KEEP_FDS"  # file descriptors the Java inherits, separated by spaces


def die_with_parent() -> Callable[[], None] | None:
    """Return what a new child runs so that Linux ends it with its parent; elsewhere None."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def watch(java: subprocess.Popen[bytes], parent: int) -> None:
    """Return when the Java has ended, the supervisor is gone, or a stop was asked for."""
    while java.poll() is None and os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], WATCH_INTERVAL_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 1):
            return


def main(arguments: list[str]) -> int:
    """Run `arguments[1:]` while process `arguments[0]`, the supervisor, lives; return its exit code."""
    parent = int(arguments[0])
    locks = tuple(int(text) for text in os.environ.pop(KEEP_VARIABLE, "").split())
    told = os.dup(sys.stdout.fileno())
    java = subprocess.Popen(  # noqa: S603 - the supervisor's own command
        arguments[1:],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        pass_fds=(*locks, told),
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - one thread here
    )
    os.write(told, f"{java.pid}\n".encode("ascii"))
    os.close(told)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    signal.signal(signal.SIGTERM, lambda *_: java.terminate())
    signal.signal(signal.SIGINT, lambda *_: java.terminate())
    watch(java, parent)
    if java.poll() is None:
        java.terminate()
    try:
        return java.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        java.kill()
        return java.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) & 0xFF)
