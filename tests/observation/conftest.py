"""One watched lab for the tests of a module, and the programs that watch it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .watching import Watched, watched_world

PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager")


def require(*programs: str) -> None:
    """Skip aloud where a program is missing, or fail in CI."""
    if missing := [p for p in programs if not shutil.which(p)]:
        reason = f"{', '.join(missing)}: not installed (Debian: apt-get install prometheus prometheus-alertmanager)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def promtool() -> str:
    require("promtool")
    return "promtool"


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """Settings of the module's own, as variables."""
    return {
        "MAILSHADOW_MONITOR__STALL_SECONDS": "8",
        "MAILSHADOW_SOURCE__PASSWORD_EXPIRES_ON": "2099-01-01",
        "MAILSHADOW_SOURCE__TIMEOUT_SECONDS": "5",
    }


@pytest.fixture(scope="module")
def file_settings() -> str:
    """Further text of the settings file."""
    return ""


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, repository: Path, environment: dict[str, str], file_settings: str
) -> Iterator[Watched]:
    require(*PROGRAMS)
    directory = tmp_path_factory.mktemp("watched")
    with ExitStack() as stack:
        yield watched_world(stack, directory, repository, environment, file_settings)
