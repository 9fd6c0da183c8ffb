"""`python -m deploy.lab.chaos.checker DIRECTORY`: judge a kept run again."""

import sys
from pathlib import Path

from deploy.lab.chaos.checker.check import check
from deploy.lab.chaos.checker.report import lines
from deploy.lab.chaos.evidence import load

_ARGUMENTS = 2
_EXIT_ANOMALIES, _EXIT_USAGE = 1, 2


def main() -> int:
    """Print the verdict; 0 without anomalies, 1 with some, 2 where there is no run to judge."""
    if len(sys.argv) != _ARGUMENTS:
        sys.stderr.write("usage: python -m deploy.lab.chaos.checker DIRECTORY\n")
        return _EXIT_USAGE
    try:
        evidence = load(Path(sys.argv[1]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"{sys.argv[1]} holds no whole run ({error}); give the directory named by --keep\n")
        return _EXIT_USAGE
    anomalies = check(evidence)
    sys.stdout.write("\n".join(lines(evidence, anomalies)) + "\n")
    return _EXIT_ANOMALIES if anomalies else 0


if __name__ == "__main__":
    sys.exit(main())
