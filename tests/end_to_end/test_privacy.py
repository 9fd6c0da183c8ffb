"""No content, subject or address in what the services log or count."""

import re
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
Living = Any
PRIVATE = re.compile(r"Zugspitze|@source\.test|@target\.test|@elsewhere\.test", re.IGNORECASE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def metrics_ports(living: Living, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Start both services again, this time with /metrics."""
    ports = _free_port(), _free_port()
    monkeypatch.setenv("MAILSHADOW_FEED__METRICS_PORT", str(ports[0]))
    monkeypatch.setenv("MAILSHADOW_REPLAY__METRICS_PORT", str(ports[1]))
    living.world.stop_services()
    living.world.start_services()
    return ports


def test_logs_and_metrics_name_mailboxes_by_id_and_nothing_private(
    living: Living, metrics_ports: tuple[int, int]
) -> None:
    living.put(living.mail())
    living.put(living.mail(1, attachment=b"x" * 2_000_000))
    living.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
    living.put(living.mail())
    living.await_true(lambda: sum(r["targets"]["standby"]["parked"] for r in living.world.status()) == 1)
    for port in metrics_ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            text = answer.read().decode()
        assert "mailshadow_" in text
        assert not PRIVATE.search(text)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == 200
    directory = Path(living.world.config).parent
    for name in ("feed.log", "replay.log"):
        found = PRIVATE.search((directory / name).read_text())
        assert not found, f"{name}: {found}"
