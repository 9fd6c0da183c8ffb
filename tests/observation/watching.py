"""A lab that a real Prometheus scrapes and a real Alertmanager hears of."""

import json
import math
import random
import re
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.broker.ports import choose_port
from deploy.lab.broker.properties import Door
from deploy.lab.chaos.proxy import HOST, Link, Proxy
from deploy.lab.child import Child
from deploy.lab.session import UserSession
from deploy.lab.workload.mail import INBOX, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import World, WorldOptions

SHORTENED = 20
"""Durations of the rules are divided by this: `for: 1m` becomes 3 s, `[15m]` becomes 45 s; thresholds stay."""
ALWAYS_FIRING = "MailshadowUnsafeKafka"
"""A Kafka of one node has no second copy of anything."""
SERVICES = ("feed", "replay", "monitor")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def shortened(rules: str, factor: int = SHORTENED) -> str:
    """Return alert rules whose `for:` and ranges are `factor` times shorter, a second at least."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found[2]) * _SECONDS[found[3]]
        return f"{found[1]}{max(1, seconds // factor) if seconds else 0}s{found[4]}"

    return re.sub(r"(\[|for: |offset )(\d+)([smh])(\]?)", shorter, rules)


def get(url: str) -> Any:
    """Return what a loopback address answers, JSON read."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own loopback ports
        text = answer.read()
    return json.loads(text) if text.startswith(b"{") else text.decode()


@dataclass
class Watched:
    """The world, what watches it, and what Alertmanager told."""

    world: World
    monitor: Child
    prometheus: str
    ports: Mapping[str, int]
    told: list[dict[str, Any]]
    aside: Link
    """A way to Kafka that can be cut without anybody else's noticing, for services that are told to go it."""
    number: int = 0
    user: UserMailbox = field(init=False)

    def __post_init__(self) -> None:
        self.user = UserMailbox(UserSession(self.world.source_address), self.world.mailboxes[0][0])

    # -- figures -------------------------------------------------------------------------------------------

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return what Prometheus answers now: labels and values."""
        found = get(f"{self.prometheus}/api/v1/query?query={urllib.parse.quote(expression)}")
        return [(r["metric"], float(r["value"][1])) for r in found["data"]["result"]]

    def total(self, expression: str) -> float:
        """Return the sum of what an expression answers; what is no number counts for nothing."""
        return sum(value for _, value in self.query(expression) if math.isfinite(value))

    def healthy(self, state: str) -> float:
        """Return how many mailboxes are in a state of health."""
        return self.total(f'mailshadow_fleet_mailboxes{{health="{state}"}}')

    def is_told(self, alert: str, status: str, **labels: str) -> bool:
        """Tell whether the newest word about an alert is this status (firing, resolved)."""
        wanted = {"alertname": f"Mailshadow{alert}", **labels}.items()
        words = [a["status"] for a in self.told if wanted <= a["labels"].items()]
        return bool(words) and words[-1] == status

    def await_true(self, condition: Callable[[], bool], seconds_max: float = 60.0, what: str = "") -> float:
        """Wait for a condition and return how long it took, or fail."""
        return self.await_all({what or "it": condition}, seconds_max)[what or "it"]

    def await_all(self, conditions: Mapping[str, Callable[[], bool]], seconds_max: float) -> dict[str, float]:
        """Wait until each condition was true once; return after how many seconds each was first, or fail."""
        found, failure = self.looked_for(conditions, seconds_max)
        if failure:
            pytest.fail(failure)
        return found

    def looked_for(
        self, conditions: Mapping[str, Callable[[], bool]], seconds_max: float
    ) -> tuple[dict[str, float], str]:
        """Do the same, and return what is missing with what was seen instead."""
        began, found = time.monotonic(), dict[str, float]()
        while time.monotonic() - began < seconds_max:
            for name, condition in conditions.items():
                if name not in found and condition():
                    found[name] = round(time.monotonic() - began, 1)
            if len(found) == len(conditions):
                return found, ""
            time.sleep(0.25)
        missing = ", ".join(name for name in conditions if name not in found)
        health = {labels["health"]: n for labels, n in self.query("mailshadow_fleet_mailboxes") if n}
        firing = {labels["alertname"] for labels, _ in self.query('ALERTS{alertstate="firing"}')}
        up = {labels["job"]: n for labels, n in self.query("up")}
        return found, f"not so after {seconds_max:.0f} s: {missing}; seen: {found}, {health}, {firing}, {up}"

    # -- what people do ------------------------------------------------------------------------------------

    def put(self, count: int = 1, folder_id: str = "") -> list[str]:
        """Put new messages into a folder of the first user (the inbox); return their ids."""
        return self.user.create_mail(folder_id or self.user.folder(INBOX), [self.mail() for _ in range(count)])

    def settle(self, count: int = 1, folder_id: str = "") -> list[str]:
        """Put new messages into a folder (the inbox) and wait until they are at the target."""
        index = "sum(mailshadow_feed_index_items)"
        before = self.total(index)
        item_ids = self.put(count, folder_id)
        self.await_true(lambda: self.total(index) >= before + count, 60, "captured")
        self.await_well()
        return item_ids

    def mail(self, body_bytes: int = 5) -> NewMail:
        """Return a message nobody has seen, whose body has so many bytes."""
        self.number += 1
        lines = [
            "From: a@elsewhere.test", f"To: {self.user.address}", f"Subject: observed {self.number}",
            f"Message-ID: <observed-{self.number}@elsewhere.test>", "Date: Sun, 22 Nov 2026 10:00:00 +0000", "",
            "hello".ljust(body_bytes, "."), "",
        ]  # fmt: skip
        received = datetime(2026, 11, 22, tzinfo=UTC)
        return NewMail(owner=0, folder=INBOX, mime="\r\n".join(lines).encode(), received=received, is_read=False)

    def run(self, *arguments: str, codes: Sequence[int] = (0,)) -> str:
        """Run a command of ours to its end, or fail; return what it said."""
        command = [sys.executable, "-m", "deploy", *arguments, "--config", str(self.world.config)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - our own
        assert ended.returncode in codes, ended.stderr
        return ended.stdout

    def restart(self, child: Child, **environment: str) -> None:
        """Stop a service and start it again with settings of its own."""
        child.stop()
        child.environment = dict(environment)
        child.start()

    def lead_aside(self, child: Child) -> None:
        """Start a service anew, with its way to Kafka through the link that can be cut."""
        self.restart(child, MAILSHADOW_KAFKA__BOOTSTRAP_SERVERS=f"{HOST}:{self.aside.port}")

    def await_well(self, seconds_max: float = 90.0) -> None:
        """Wait until everybody is protected, nothing is on its way, everybody works, and no alert says otherwise."""
        ill = (
            "mailshadow_fleet_changes_not_applied", "count(up == 0)", "count(mailshadow_kafka_group_members == 0)",
            f'count(ALERTS{{alertstate="firing",alertname!="{ALWAYS_FIRING}"}})',
        )  # fmt: skip

        def is_well() -> bool:
            is_protected = self.healthy("protected") == len(self.world.mailboxes)
            return is_protected and not any(self.total(expression) for expression in ill)

        self.await_true(is_well, seconds_max, "everybody is protected")


def listen(told: list[dict[str, Any]], port: int) -> ThreadingHTTPServer:
    """Keep what Alertmanager says."""

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
    """Start a program of this machine until the stack ends."""
    log = stack.enter_context((directory / f"{command[0]}.log").open("wb"))
    process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - programs of this machine
    stack.callback(process.wait)
    stack.callback(process.terminate)


def await_ready(url: str) -> None:
    """Wait until a loopback address answers."""
    for _ in range(120):
        try:
            get(url)
        except OSError:
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"{url} does not answer")


def watch(
    stack: ExitStack, directory: Path, repository: Path, ports: Mapping[str, int], told: list[dict[str, Any]]
) -> str:
    """Start Prometheus and Alertmanager with our own files, at intervals of a second; return Prometheus's address."""
    alerts = (repository / "deploy" / "prometheus" / "alerts.yaml").read_text()
    (directory / "alerts.yaml").write_text(shortened(alerts))
    jobs = "".join(
        f"  - {{ job_name: mailshadow-{n}, static_configs: [{{ targets: ['127.0.0.1:{ports[n]}'] }}] }}\n"
        for n in (*SERVICES, *(n for n in ("front-door",) if n in ports))
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


def chosen_ports(*names: str) -> dict[str, int]:
    """Return a free port for each name."""
    ports: dict[str, int] = {}
    for name in names:
        ports[name] = choose_port(random.Random(), taken=frozenset(ports.values()))
    return ports


def watched_world(
    stack: ExitStack, directory: Path, repository: Path, environment: Mapping[str, str], settings: str = ""
) -> Watched:
    """Start a world of two mailboxes with settings of its own (variables, and text of the file), and watch it."""
    ports = chosen_ports(*SERVICES, "front-door", "autodiscover", "prometheus", "alerts", "hook", "aside")
    proxy = Proxy()
    stack.callback(proxy.close)
    aside = proxy.link("aside", ports["aside"], is_exchange=False)
    door = Door(name="ASIDE", port=ports["aside"], advertised_port=aside.port)
    world = World(WorldOptions(directory=directory, mailbox_count=2, partition_count=4, doors=(door,)))
    patched = stack.enter_context(pytest.MonkeyPatch.context())
    for name in SERVICES:
        patched.setenv(f"MAILSHADOW_{name.upper()}__METRICS_PORT", str(ports[name]))
    for name, value in environment.items():
        patched.setenv(name, value)
    stack.callback(world.stop)
    world.broker.start()
    world.start_servers()
    world.write_settings()
    if settings:
        world.config.write_text(world.config.read_text() + settings.format(**ports_in(ports)))
        front_door = Child("front-door", ["front-door", "--config", str(world.config)], directory / "front-door.log")
        subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "deploy", "front-door", "begin", "--config", str(world.config)],
            check=True,
            timeout=60,
        )
        stack.callback(front_door.stop)
        front_door.start()
    else:
        del ports["front-door"]
    world.feed.start()
    world.replay.start()
    monitor = Child("monitor", ["monitor", "--config", str(world.config)], directory / "monitor.log")
    stack.callback(monitor.stop)
    monitor.start()
    told: list[dict[str, Any]] = []
    return Watched(world, monitor, watch(stack, directory, repository, ports, told), ports, told, aside)


def ports_in(ports: Mapping[str, int]) -> dict[str, int]:
    """Return the ports under names that `str.format` takes."""
    return {name.replace("-", "_"): port for name, port in ports.items()}
