"""The real programs of a front door: two simulated Exchange servers behind an HAProxy, and a BIND."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deploy.front_door.actuator import Place, Redirection
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.haproxy import Proxy
from schemas.identity import mailbox_id

PEOPLE = ("anna", "ben")
START_SECONDS_MAX = 90.0


def program(name: str, package: str) -> str:
    """Return the path of an optional program; skips aloud, or fails in CI."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found:
        return found
    reason = f"{name} is not installed (Debian: apt install {package})"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_true(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Program:
    """A real program that can be killed and started again."""

    command: list[str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - found on the path by its name
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        await_true(lambda: listens(self.port), f"{self.command[0]}: {self.log.read_text()[-2000:]}")

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass
class Servers:
    """A source and a target with the same people, at addresses of their own."""

    source: ExchangeProcess
    target: ExchangeProcess
    redirections: list[Redirection] = field(default_factory=list)


@pytest.fixture(scope="package")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    directory = tmp_path_factory.mktemp("front-door-servers")
    source = ExchangeProcess(directory / "mail", version="2013", mailboxes=[f"{n}@source.test" for n in PEOPLE])
    target = ExchangeProcess(directory / "standby", version="2019", mailboxes=[f"{n}@target.test" for n in PEOPLE])
    with source, target:
        found = Servers(source, target)
        for name in PEOPLE:
            address = f"{name}@source.test"
            found.redirections.append(
                Redirection(
                    mailbox=mailbox_id(address),
                    address=address,
                    from_place=Place(server="mail", ews_url=source.connection.url, address=address),
                    to_place=Place(server="standby", ews_url=target.connection.url, address=f"{name}@target.test"),
                )
            )
        yield found


@pytest.fixture(scope="package")
def running_proxy(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """HAProxy with `deploy/front_door/haproxy.cfg`, its paths and addresses replaced by those of here."""
    program("haproxy", "haproxy")
    ports = (int(s.connection.url.split(":")[2].split("/")[0]) for s in (servers.source, servers.target))
    found = Proxy(tmp_path_factory.mktemp("haproxy"), *ports)
    found.start()
    yield found
    found.kill()


@pytest.fixture
def proxy(running_proxy: Proxy) -> Proxy:
    """The same with nobody led away, whatever a test before did."""
    running_proxy.kill()
    running_proxy.forget()
    running_proxy.start()
    return running_proxy
