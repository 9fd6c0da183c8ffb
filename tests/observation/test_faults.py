"""Every fault is seen by `status`, moves its figures, and is told: by an alert that comes, and goes when it is over.

The long form, in one world: `make observe`. It writes what was seen after how many seconds to build/reports.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from deploy.lab.certificates import Authority

from .faults import FAULTS, Fault
from .figures import MOVES, RATE_SECONDS, expressions, look_before, moved
from .watching import SHORTENED, Watched

LONG = pytest.mark.skipif("MAILSHADOW_OBSERVE" not in os.environ, reason="long form: make observe")
DISK_SIZE = "64m"


@pytest.fixture(scope="module")
def small_disk() -> Iterator[Path]:
    """A file system of our own for the data directory, which needs the right to mount one."""
    with TemporaryDirectory(prefix="mailshadow-small-") as name:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", name]
        subprocess.run(command, check=True, timeout=10)  # noqa: S603
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True, timeout=10)  # noqa: S603, S607


@pytest.fixture(scope="module")
def environment(small_disk: Path) -> dict[str, str]:
    return {
        "MAILSHADOW_PIPELINE__DATA_DIRECTORY": str(small_disk),
        "MAILSHADOW_MONITOR__STALL_SECONDS": "12",
        "MAILSHADOW_MONITOR__LAG_OBJECTIVE_SECONDS": "2",
        "MAILSHADOW_SOURCE__PASSWORD_EXPIRES_ON": "2099-01-01",
        "MAILSHADOW_SOURCE__TIMEOUT_SECONDS": "5",
        "MAILSHADOW_REPLAY__CHECKSUM_INTERVAL_SECONDS": "60",
        "MAILSHADOW_REPLAY__BREAKER_DELETIONS_MAX": "3",
        "MAILSHADOW_REPLAY__BREAKER_SHARE_MAX": "0.1",
    }


@pytest.fixture(scope="module")
def file_settings(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An Autodiscover responder, whose certificate runs out within the week."""
    authority = Authority(tmp_path_factory.mktemp("tls"))
    pair = json.dumps(str(authority.issue("autodiscover")))
    return (
        f"[front_door.autodiscover]\ncertificate_file = {pair}\nkey_file = {pair}\n"
        f"ca_file = {json.dumps(str(authority.ca_file))}\n"
        "port = {autodiscover}\nmetrics_port = {front_door}\n"
    )


@pytest.fixture(scope="module")
def seen(repository: Path) -> Iterator[dict[str, Any]]:
    """What was seen of each fault, written at the end of the module."""
    found: dict[str, Any] = {}
    yield found
    reports = repository / "build" / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    told = {"rule_durations_divided_by": SHORTENED, "scrape_seconds": 1, "stall_seconds": 12, "faults": found}
    (reports / "observe.json").write_text(json.dumps(told, indent=2) + "\n")


def test_every_expression_of_every_dashboard_has_a_fault_that_moves_it() -> None:
    assert set(MOVES) == set(FAULTS)
    named = [key for moves in MOVES.values() for key in moves]
    assert sorted(named) == sorted(expressions())


def conditions(watched: Watched, fault: Fault, moves: dict[str, Any]) -> dict[str, Any]:
    """Return what has to be seen while a fault lasts, by what it is called in the report."""
    found = {f"figure {key}": condition for key, condition in moves.items()}
    if fault.health:
        found[f"status {fault.health}"] = lambda: watched.healthy(fault.health) > 0
    for alert, labels in fault.alerts.items():
        found[f"alert {alert}"] = lambda alert=alert, labels=labels: watched.is_told(alert, "firing", **labels)
    return found


def traffic(watched: Watched) -> None:
    """Have mail pass, so that what is measured of it is known."""
    watched.settle(2)
    watched.settle(2)


@LONG
@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_seen_moves_its_figures_and_is_told_until_it_is_over(
    watched: Watched, seen: dict[str, Any], name: str
) -> None:
    fault = FAULTS[name]
    watched.await_well(180)
    if fault.needs_traffic:
        traffic(watched)
    if fault.needs_calm:
        time.sleep(RATE_SECONDS)
    before = look_before(watched, MOVES[name])
    moves = {key: moved(watched, key, how, before[key]) for key, how in MOVES[name].items()}
    with fault.cause(watched):
        found, failure = watched.looked_for(conditions(watched, fault, moves), fault.seconds_max)
    if failure:
        print(name, failure)
        pytest.fail(failure)
    over = {
        f"resolved {a}": lambda a=a, labels=labels: watched.is_told(a, "resolved", **labels)
        for a, labels in fault.alerts.items()
    }
    found |= watched.await_all(over, 90) if over else {}
    watched.await_well()
    seen[name] = found
    print(name, json.dumps(found))


@pytest.mark.parametrize(
    "name",
    [
        "a worker that hangs",
        "a source that stops answering",
        "a feed that waits for one answer",
        "a full disk",
        "an expired password",
        "a poison item",
        "a throttled server",
    ],
)
def test_the_runbook_says_of_a_fault_what_is_seen_here(repository: Path, name: str) -> None:
    table = (repository / "deploy" / "README.md").read_text()
    (row,) = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
    _, _, status, _, alerts, seconds, _ = (cell.strip() for cell in row.split("|"))
    assert status == FAULTS[name].health
    assert alerts.split(", ") == list(FAULTS[name].alerts)
    assert len(seconds.split(", ")) == 1 + len(FAULTS[name].alerts)
