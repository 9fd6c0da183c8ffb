"""Runs a command for so many seconds and no longer, whatever becomes of the process that asked for it.

`python -I -S bounded.py SECONDS COMMAND…`. A promotion that was stopped or killed can't end what it started, and
another may take it over; so the time is kept here. Its end kills the whole process group, this program with it.
Exit code: the command's; 128 and the signal where one ended it; 126 where it can't be started.
Standard library only, and nothing of mailshadow: it is started for every call.
"""

import os
import signal
import subprocess
import sys

EXIT_NOT_STARTED = 126
EXIT_SIGNALLED = 128


def main(arguments: list[str]) -> int:
    """Run the command and return the exit code; does not return where the time is over."""
    seconds, command = float(arguments[0]), arguments[1:]
    try:
        process = subprocess.Popen(command)  # noqa: S603 - the operator's own command, from the settings
    except OSError as error:
        sys.stderr.write(f"{command[0]} can't be started: {error.strerror}\n")
        return EXIT_NOT_STARTED
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)
        raise
    return code if code >= 0 else EXIT_SIGNALLED - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
