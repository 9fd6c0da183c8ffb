"""What every test may ask for: a real Kafka for the session, and the material beside the repository."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from deploy.lab.broker.jars import KAFKA_VERSION
from deploy.lab.broker.process import Broker

LONG = ("chaos", "end_to_end")
REPORTED_PACKAGES = ("exchangelib", "confluent-kafka", "fastavro", "mailshadow")


def pytest_report_header() -> str:
    """Name the versions that matter when a run is compared with another."""
    return f"Kafka {KAFKA_VERSION}, " + ", ".join(f"{name} {_version(name)}" for name in REPORTED_PACKAGES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take long first: no worker is left alone with one of them at the end."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: (_rank(item.path) if slow[item.path] else len(LONG) + 1, -slow[item.path]))


def _rank(path: Path) -> int:
    """Return where a file of slow tests stands, by its directory."""
    return next((place for place, name in enumerate(LONG) if name in path.parts), len(LONG))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Write the counts as JSON where `make` asks for them."""
    path = os.environ.get("MAILSHADOW_TEST_REPORT")
    if path:
        outcomes = ("passed", "failed", "error", "skipped", "deselected", "xfailed", "xpassed")
        counts = {outcome: len(terminalreporter.stats.get(outcome, [])) for outcome in outcomes}
        Path(path).write_text(json.dumps({"exit_status": int(exitstatus), **counts}, indent=2) + "\n")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _repository() -> Path:
    named = os.environ.get("MAILSHADOW_REPOSITORY")
    if named:
        return Path(named)
    return next(parent for parent in Path(__file__).resolve().parents if (parent / "Makefile").is_file())


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout, also when the tests were copied to run against an installed wheel."""
    return _repository()


@pytest.fixture(scope="session")
def shared(repository: Path) -> Path:
    """The directory `shared` beside the repository: schema and corpus. Skips aloud, or fails in CI."""
    directory = repository.parent / "shared"
    if not directory.is_dir():
        reason = "the directory `shared` (schema, corpus) does not lie beside the repository"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return directory


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap servers of one real Kafka for the whole session; tests choose their own topic names."""
    with Broker(tmp_path_factory.mktemp("kafka"), is_short_lived=True) as broker:
        yield broker.bootstrap_servers
