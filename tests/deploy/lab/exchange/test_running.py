import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import deploy
from deploy.lab.exchange.running import PortError, listen

ROOT = Path(deploy.__file__).resolve().parents[1]


def test_a_taken_port_is_refused_with_a_hint() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(PortError, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_json_line_says_how_to_reach_it_and_a_signal_stops_it_cleanly(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-m", "deploy.lab.exchange", "--data", str(tmp_path / "d"), "--mailbox", "a@example.com"]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert set(ready) == {"url", "control", "user", "password", "version", "mailboxes"}
    process.send_signal(number)
    assert process.wait(20) == 0
    assert process.stdout.read() == ""
    process.stdout.close()
