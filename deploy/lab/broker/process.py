"""The embedded Kafka as a managed process: formatted once, started, awaited, stopped, killed, restarted."""

import contextlib
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from deploy.interruption import attended, undivided
from deploy.lab.broker import guard
from deploy.lab.broker.access import Access
from deploy.lab.broker.directory import BrokerDirectory, Node, new_cluster_id
from deploy.lab.broker.jars import OnProgress, fetch_jars, library_directory
from deploy.lab.broker.java import java_program
from deploy.lab.broker.lock import DirectoryLock
from deploy.lab.broker.ports import PortError, choose_port, is_answered, is_free
from deploy.lab.broker.properties import BrokerPorts, Door, logging_properties, server_properties

HEAP_MIB = 512
START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = guard.STOP_TIMEOUT_SECONDS + 10.0
FORMAT_TIMEOUT_SECONDS = 180.0
POLL_INTERVAL_SECONDS = 0.05
QUICK_COMPILER = "-XX:TieredStopAtLevel=1"
"""Only the quick compiler: a start costs 3.4 instead of 5.6 CPU-s; the other pays after minutes of load."""


class BrokerError(Exception):
    """The embedded Kafka did not come up, or is not running."""


class Broker:
    """One Kafka node on a data directory, reachable on 127.0.0.1 only.

    Ports are chosen at the first start and remembered in the directory, so clients find the broker again
    after any restart. One that is short-lived is compiled quickly, not well. The Java never outlives this process.
    Not to be shared between threads.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each choice of a caller
        self,
        directory: Path,
        *,
        port: int | None = None,
        flush_every_append: bool = False,
        is_short_lived: bool = False,
        libraries: Path | None = None,
        chance: random.Random | None = None,
        on_progress: OnProgress | None = None,
        doors: Sequence[Door] = (),
        access: Access | None = None,
    ) -> None:
        self._doors = (*doors, access.door) if access else doors
        self._access = access
        self._directory = BrokerDirectory(directory.absolute())
        self._port = port
        self._flush_every_append = flush_every_append
        self._compiler = (QUICK_COMPILER,) if is_short_lived else ()
        self._libraries = library_directory() if libraries is None else libraries
        self._chance = random.SystemRandom() if chance is None else chance
        self._on_progress = on_progress
        self._lock = DirectoryLock(self._directory.lock_file)
        self._guard: subprocess.Popen[bytes] | None = None
        self._java_pid: int | None = None
        self._ports: BrokerPorts | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, `127.0.0.1:port`; raises BrokerError before the first start."""
        if self._ports is None:
            raise BrokerError("The broker was never started: it has no address yet.")
        return self._ports.bootstrap_servers

    @property
    def pid(self) -> int:
        """The Java's process id; raises BrokerError when it is not running."""
        if not self.is_running or self._java_pid is None:
            raise BrokerError(f"{self._directory.path}: the broker is not running.")
        return self._java_pid

    @property
    def is_running(self) -> bool:
        """Whether the Java and its guard live; it may still be starting."""
        if self._guard is None or self._guard.stdout is None or self._guard.poll() is not None:
            return False
        ended = select.poll()
        ended.register(self._guard.stdout, select.POLLIN)  # the guard's only line was read when it was launched
        return not ended.poll(0)

    @property
    def log_directory(self) -> Path:
        """Where Kafka's own data lie."""
        return self._directory.log_directory

    @property
    def server_log(self) -> Path:
        """The file Kafka logs to."""
        return self._directory.server_log

    def start(self, timeout_seconds: float = START_TIMEOUT_SECONDS) -> None:
        """Start and wait until clients are answered; does nothing when it runs already.

        Raises JarError, JavaError, DirectoryError, DirectoryInUseError, PortError, or BrokerError with the
        last lines of Kafka's log.
        """
        if self.is_running:
            return
        self.kill()  # of one that ended by itself a moment ago the guard may still be there
        java = java_program()
        fetch_jars(self._libraries, on_progress=self._on_progress)
        self._directory.create()
        self._lock.acquire(is_ours=self._ports is not None)
        try:
            node = self._remembered_node()
            self._ports = node.ports
            self._write_settings(node)
            if not node.is_formatted:
                self._format(java, node)
            self._launch(java)
            self._await_answer(timeout_seconds)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Stop in order (SIGTERM), by force after a time limit; does nothing when it isn't running."""
        if self._guard is not None and self._guard.poll() is None:
            self._guard.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._guard.wait(STOP_TIMEOUT_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the Java at once (SIGKILL), as a crash would; its data stay."""
        if self._guard is not None:
            if self.is_running and self._java_pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._java_pid, signal.SIGKILL)
            for pipe in (self._guard.stdin, self._guard.stdout):
                if pipe is not None:
                    pipe.close()
            self._guard.wait()
        self._guard = self._java_pid = None
        self._lock.release()

    def restart(self) -> None:
        """Stop in order and start again on the same data and address."""
        self.stop()
        self.start()

    def _remembered_node(self) -> Node:
        """Read the node's record, or make one; raises PortError when one of its ports is in use."""
        node = self._directory.read_node()
        if node is None:
            broker = self._port or choose_port(self._chance)
            controller = choose_port(self._chance, taken=frozenset({broker}))
            ports = BrokerPorts(broker=broker, controller=controller)
            node = Node(cluster_id=new_cluster_id(self._chance), ports=ports, is_formatted=False)
        elif self._port is not None:
            node = replace(node, ports=replace(node.ports, broker=self._port))
        for port in (node.ports.broker, node.ports.controller):
            if not is_free(port):
                raise PortError(
                    f"Port {port} of 127.0.0.1 is in use by another program, and the broker in "
                    f"{self._directory.path} needs it. Stop that program, or choose another port."
                )
        self._directory.write_node(node)
        return node

    def _write_settings(self, node: Node) -> None:
        directory = self._directory
        shutil.rmtree(directory.temporary_directory)  # a killed Java leaves its native libraries there
        directory.create()
        directory.properties_file.write_text(
            server_properties(
                ports=node.ports,
                log_directory=directory.log_directory,
                flush_every_append=self._flush_every_append,
                doors=self._doors,
                further=self._access.properties() if self._access else None,
            ),
            encoding="ascii",
        )
        directory.logging_file.write_text(
            logging_properties(log_file=directory.server_log, logs_access=self._access is not None), encoding="ascii"
        )

    def _command(self, java: Path, *options: str) -> list[str]:
        directory = self._directory
        return [
            str(java),
            *options,
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            f"-XX:ErrorFile={directory.path / 'java-error.log'}",
            f"-Djava.io.tmpdir={directory.temporary_directory}",
            f"-Dlog4j2.configurationFile={directory.logging_file}",
            "-cp",
            str(self._libraries / "*"),
        ]

    def _format(self, java: Path, node: Node) -> None:
        """Format the storage; an interrupted run is repeated, formatted storage is left as it is."""
        command = self._command(java, QUICK_COMPILER)
        command += ["kafka.tools.StorageTool", "format", "--standalone", "--ignore-formatted"]
        command += ["-t", node.cluster_id, "-c", str(self._directory.properties_file)]
        with attended(command) as process:
            output, errors = process.communicate(timeout=FORMAT_TIMEOUT_SECONDS)
        if process.returncode != 0:
            said = f"{output}\n{errors}".strip()
            raise BrokerError(f"{self._directory.path}: Kafka's storage could not be formatted:\n{said}")
        self._directory.write_node(replace(node, is_formatted=True))

    def _launch(self, java: Path) -> None:
        command = self._command(java, "-Xms256m", f"-Xmx{HEAP_MIB}m", "-XX:+ExitOnOutOfMemoryError", *self._compiler)
        command += ["kafka.Kafka", str(self._directory.properties_file)]
        keep = self._lock.descriptor
        with self._directory.console_log.open("wb") as console, undivided():
            self._guard = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-I", guard.__file__, str(os.getpid()), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=console,
                env={**os.environ, guard.KEEP_VARIABLE: str(keep)},
                pass_fds=(keep,),
                start_new_session=True,
            )
            if self._guard.stdout is None:
                raise BrokerError("The guard has no output to tell the Java's process id on.")
            line = self._guard.stdout.readline()
            self._java_pid = int(line) if line.strip().isdigit() else None
        if self._java_pid is None:
            raise BrokerError(self._failure("could not be launched"))

    def _await_answer(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if not self.is_running:
                raise BrokerError(self._failure("ended while it was starting"))
            if self._ports is not None and is_answered(self._ports.broker) and self._has_live_node():
                return
            time.sleep(POLL_INTERVAL_SECONDS)
        raise BrokerError(self._failure(f"was not ready after {timeout_seconds:.0f} s"))

    def _has_live_node(self) -> bool:
        """Ask for metadata, which lists a node only once its controller lets clients use it."""
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=2.0).brokers)
        except KafkaException:
            return False

    def _failure(self, what: str) -> str:
        return (
            f"{self._directory.path}: the embedded Kafka {what}. The last lines of {self.server_log.name} "
            f"and {self._directory.console_log.name} there:\n{self._directory.last_lines()}"
        )
