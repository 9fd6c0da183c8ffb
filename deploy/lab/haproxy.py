"""An HAProxy in front of two simulated servers, with the repository's own `haproxy.cfg`.

What is replaced in the configuration are its paths, addresses and certificates; a line that is not there any more is
an error, so that the lab never runs something else than what operators are given.
"""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from deploy.front_door.haproxy_runtime import HaproxyRuntime, RuntimeApiError
from deploy.interruption import undivided
from deploy.lab.broker.guard import die_with_parent

CONFIGURATION = Path(__file__).parents[1] / "front_door" / "haproxy.cfg"
START_SECONDS_MAX = 15.0
RUNTIME_SECONDS = 5.0
_TLS = " ssl verify required ca-file /etc/haproxy/exchange-ca.pem"


class ProxyError(Exception):
    """HAProxy is not there or does not start; the text says what to do."""


def binary() -> str:
    """Return where HAProxy is; ProxyError where it is not installed."""
    found = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ProxyError("haproxy is not installed (Debian: apt install haproxy)")
    return found


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Proxy:
    """One HAProxy on 127.0.0.1; killed and started again it keeps its port and its map files."""

    def __init__(self, directory: Path, source_port: int, target_port: int) -> None:
        """Backends are `mail2013` (the source) and `standby`."""
        self._binary = binary()
        self._log = directory / "haproxy.log"
        self._file = directory / "haproxy.cfg"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.socket = f"{directory}/runtime.sock"
        self.map_file = directory / "mailboxes.map"
        self.activesync_map_file = directory / "activesync.map"
        directory.mkdir(parents=True, exist_ok=True)
        self.forget()
        self._file.write_text(self._configuration(directory, source_port, target_port))

    def _configuration(self, directory: Path, source_port: int, target_port: int) -> str:
        text = CONFIGURATION.read_text()
        for old, new in (
            ("/etc/haproxy/mailshadow/", f"{directory}/"),
            ("/run/haproxy/mailshadow.sock", self.socket),
            (":443 ssl crt /etc/haproxy/mail.pem alpn http/1.1", f"127.0.0.1:{self.port}"),
            (f"mail2013.example.com:443{_TLS}", f"127.0.0.1:{source_port}"),
            (f"mail2019.example.net:443{_TLS}", f"127.0.0.1:{target_port}"),
            ("maxconn 20000", "maxconn 1000"),
            ("    log /dev/log local0\n", ""),
            ("    log global\n", ""),
        ):
            if old not in text:
                raise ProxyError(f"haproxy.cfg has changed, it does not say {old!r} any more")
            text = text.replace(old, new)
        return text

    def forget(self) -> None:
        """Lead nobody away, from the next start on."""
        self.map_file.write_text("")
        self.activesync_map_file.write_text("")

    def start(self) -> None:
        """Start it and wait until it serves and can be told; ProxyError with what it said where it does not."""
        with self._log.open("ab") as log, undivided():
            self._process = subprocess.Popen(  # noqa: S603 - found on the path by its name
                [self._binary, "-db", "-f", str(self._file)],
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one prctl call, safe between fork and exec
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_ready():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise ProxyError(f"haproxy does not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        """Tell whether both sides answer: the runtime socket takes the place of an old one a moment after the port."""
        try:
            HaproxyRuntime(self.socket, RUNTIME_SECONDS).backends()
        except RuntimeApiError:
            return False
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """Kill it in the middle of whatever it does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def requests(self) -> dict[str, int]:
        """Return how many requests each backend was given since the start."""
        return HaproxyRuntime(self.socket, RUNTIME_SECONDS).requests()
