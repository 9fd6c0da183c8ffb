"""A lab that a real Prometheus scrapes and a real Alertmanager hears of, shared by the tests of a module."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.broker.ports import choose_port
from deploy.lab.child import Child
from deploy.lab.session import UserSession
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import World, WorldOptions

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


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback ports
        text = answer.read()
    return json.loads(text) if text.startswith(b"{") else text.decode()


class Watched:
    """The world, what watches it, and what Alertmanager told."""

    def __init__(self, world: World, monitor: Child, prometheus: str, told: list[dict[str, Any]]) -> None:
        self.world = world
        self.monitor = monitor
        self.prometheus = prometheus
        self.told = told
        self.user = UserMailbox(UserSession(world.source_address), world.mailboxes[0][0])
        self._number = 0

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what Prometheus answers now: labels and values."""
        found = get(f"{self.prometheus}/api/v1/query?query={urllib.parse.quote(expression)}")
        return [(r["metric"], float(r["value"][1])) for r in found["data"]["result"]]

    def await_true(self, condition: Callable[[], bool], seconds_max: float = 60.0, what: str = "") -> float:
        """Wait for a condition and return how long it took, or fail."""
        began = time.monotonic()
        while time.monotonic() - began < seconds_max:
            if condition():
                return time.monotonic() - began
            time.sleep(0.25)
        pytest.fail(f"not so after {seconds_max:.0f} s: {what}")

    def run(self, *arguments: str) -> str:
        """Run a command of ours to its end, or fail; return what it said."""
        command = [sys.executable, "-m", "deploy", *arguments, "--config", str(self.world.config)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def is_told(self, alert: str, status: str) -> bool:
        """Tell whether the newest word about an alert is this status (firing, resolved)."""
        words = [a["status"] for a in self.told if a["labels"]["alertname"] == f"Mailshadow{alert}"]
        return bool(words) and words[-1] == status


def listen(told: list[dict[str, Any]], port: int) -> ThreadingHTTPServer:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            told.extend(body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", port), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def started(stack: ExitStack, directory: Path, *command: str) -> None:
    log = stack.enter_context((directory / f"{command[0]}.log").open("wb"))
    process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - programs of this machine
    stack.callback(process.wait)
    stack.callback(process.terminate)


def await_ready(url: str) -> None:
    for _ in range(120):
        try:
            get(url)
        except OSError:
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"{url} does not answer")


def watch(
    stack: ExitStack, directory: Path, repository: Path, ports: dict[str, int], told: list[dict[str, Any]]
) -> str:
    """Start Prometheus and Alertmanager with our own files, at intervals of a second; return Prometheus's address."""
    alerts = (repository / "deploy" / "prometheus" / "alerts.yaml").read_text()
    (directory / "alerts.yaml").write_text(re.sub(r"for: \S+", "for: 1s", alerts))
    jobs = "".join(
        f"  - {{ job_name: mailshadow-{n}, static_configs: [{{ targets: ['127.0.0.1:{ports[n]}'] }}] }}\n"
        for n in ("feed", "replay", "monitor")
    )
    (directory / "prometheus.yaml").write_text(
        "global: { scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }\nrule_files: [alerts.yaml]\n"
        f"alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['127.0.0.1:{ports['alerts']}'] }}] }}] }}\n"
        f"scrape_configs:\n{jobs}"
    )
    (directory / "alertmanager.yaml").write_text(
        "route: { receiver: us, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1h }\n"
        f"receivers: [{{ name: us, webhook_configs: [{{ url: 'http://127.0.0.1:{ports['hook']}/' }}] }}]\n"
    )
    server = listen(told, ports["hook"])
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    started(
        stack, directory, "prometheus-alertmanager", f"--config.file={directory / 'alertmanager.yaml'}",
        f"--storage.path={directory / 'am'}", f"--web.listen-address=127.0.0.1:{ports['alerts']}",
        "--cluster.listen-address=",
    )  # fmt: skip
    started(
        stack, directory, "prometheus", f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}", f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    )  # fmt: skip
    await_ready(f"http://127.0.0.1:{ports['alerts']}/-/ready")
    await_ready(f"http://127.0.0.1:{ports['prometheus']}/-/ready")
    return f"http://127.0.0.1:{ports['prometheus']}"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Watched]:
    require(*PROGRAMS)
    directory = tmp_path_factory.mktemp("watched")
    names = ("feed", "replay", "monitor", "prometheus", "alerts", "hook")
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = choose_port(random.Random(), taken=frozenset(ports.values()))
    world = World(WorldOptions(directory=directory, mailbox_count=2))
    told: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patched, ExitStack() as stack:
        for name in ("feed", "replay", "monitor"):
            patched.setenv(f"MAILSHADOW_{name.upper()}__METRICS_PORT", str(ports[name]))
        patched.setenv("MAILSHADOW_MONITOR__STALL_SECONDS", "8")
        patched.setenv("MAILSHADOW_SOURCE__PASSWORD_EXPIRES_ON", "2099-01-01")
        patched.setenv("MAILSHADOW_SOURCE__TIMEOUT_SECONDS", "5")
        stack.callback(world.stop)
        world.broker.start()
        world.start_servers()
        world.start_services()
        monitor = Child("monitor", ["monitor", "--config", str(world.config)], directory / "monitor.log")
        stack.callback(monitor.stop)
        monitor.start()
        yield Watched(world, monitor, watch(stack, directory, repository, ports, told), told)
