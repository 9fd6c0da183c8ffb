"""A broker's data directory: where everything lies, and what it remembers from one start to the next."""

import base64
import json
import os
import random
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.lab.broker.properties import BrokerPorts

TAIL_BYTES = 4_000


class DirectoryError(Exception):
    """A data directory cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one node keeps for life: its cluster's id, its ports, and whether its storage was formatted."""

    cluster_id: str  # 16 bytes in URL-safe base64 without padding, as Kafka's Uuid
    ports: BrokerPorts
    is_formatted: bool


@dataclass(frozen=True, slots=True)
class BrokerDirectory:
    """The paths below a data directory."""

    path: Path

    @property
    def log_directory(self) -> Path:
        """Kafka's own data."""
        return self.path / "log"

    @property
    def temporary_directory(self) -> Path:
        """Where the Java unpacks its native libraries."""
        return self.path / "tmp"

    @property
    def lock_file(self) -> Path:
        """The file whose lock means that the directory is in use."""
        return self.path / "broker.lock"

    @property
    def node_file(self) -> Path:
        """The remembered Node."""
        return self.path / "node.json"

    @property
    def properties_file(self) -> Path:
        """The server properties, written anew at every start."""
        return self.path / "server.properties"

    @property
    def logging_file(self) -> Path:
        """The logging properties, written anew at every start."""
        return self.path / "log4j2.properties"

    @property
    def server_log(self) -> Path:
        """Kafka's log for people, rolled by size."""
        return self.path / "server.log"

    @property
    def console_log(self) -> Path:
        """What the last Java printed, mostly nothing."""
        return self.path / "console.log"

    def create(self) -> None:
        """Create the directories; raises DirectoryError where that is impossible."""
        try:
            for directory in (self.path, self.log_directory, self.temporary_directory):
                directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DirectoryError(
                f"{self.path}: cannot hold a broker's data: {error.strerror}. Choose another directory."
            ) from error

    def read_node(self) -> Node | None:
        """Return the remembered Node, None where there is none; raises DirectoryError if it is unreadable."""
        try:
            entry = json.loads(self.node_file.read_text(encoding="utf-8"))
            return Node(
                cluster_id=entry["cluster_id"],
                ports=BrokerPorts(**entry["ports"]),
                is_formatted=entry["is_formatted"],
            )
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DirectoryError(
                f"{self.node_file}: not readable as a broker's record ({error}). Restore it, or choose "
                "another directory."
            ) from error

    def write_node(self, node: Node) -> None:
        """Remember the Node; a crash leaves either the old or the new one."""
        fresh = self.node_file.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(asdict(node), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.node_file)

    def last_lines(self, count: int = 15) -> str:
        """Return the last lines of both logs, for an error's text."""
        return "\n".join([*_tail(self.server_log, count), *_tail(self.console_log, count)])


def new_cluster_id(chance: random.Random) -> str:
    """Make a cluster id: 128 random bits as Kafka prints a Uuid, which never starts with a dash."""
    while True:
        text = base64.urlsafe_b64encode(chance.randbytes(16)).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text


def _tail(path: Path, count: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except FileNotFoundError:
        return []
