"""HAProxy's runtime API (its management guide, 9.3): one command a connection, every answer read and checked."""

import csv
import re
import socket
from collections.abc import Callable, Mapping

from schemas import wire_values

ANSWER_BYTES_MAX = 64 * 1024 * 1024
PAYLOAD_BYTES_MAX = 8_000
"""Half of HAProxy's default buffer, which has to hold a whole command with its payload."""
_VERSION = re.compile(r"New version created: (\d+)")


class RuntimeApiError(Exception):
    """HAProxy can't be reached or refused a command; the text holds its own words."""


class HaproxyRuntime:
    """One runtime socket: a path, or address:port."""

    def __init__(self, address: str, timeout_seconds: float) -> None:
        self.address = address
        self._timeout_seconds = timeout_seconds

    def backends(self) -> frozenset[str]:
        """Return the names of the backends there are."""
        lines = self._ask("show backend").splitlines()
        return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))

    def requests(self) -> dict[str, int]:
        """Return how many HTTP requests each backend was given since HAProxy started."""
        lines = self._ask("show stat").lstrip("# ").splitlines()
        rows = csv.DictReader(line for line in lines if line.strip())
        return {row["pxname"]: wire_values.count(row["req_tot"] or "") for row in rows if row["svname"] == "BACKEND"}

    def map_of(self, file: str) -> dict[str, str]:
        """Return what a map holds now; RuntimeApiError where the configuration loads no such map."""
        answer = self._ask(f"show map {file}")
        found = {}
        for line in answer.splitlines():
            parts = line.split(" ", 2)
            if len(parts) == 3 and parts[0].startswith("0x"):  # noqa: PLR2004 - address, key, value
                found[parts[1]] = parts[2]
            elif line.strip():
                raise RuntimeApiError(f"{self.address}: show map {file}: {line.strip()}")
        return found

    def replace_map(self, file: str, entries: Mapping[str, str], before: Callable[[], None] = lambda: None) -> None:
        """Make a map hold exactly these entries, all at once for the requests that come; `before` is called then."""
        found = _VERSION.search(answer := self._ask(f"prepare map {file}"))
        if not found:
            raise RuntimeApiError(f"{self.address}: prepare map {file}: {answer.strip()}")
        for payload in payloads(entries):
            self._quiet(f"add map @{found[1]} {file} <<\n{payload}")
        before()
        self._quiet(f"commit map @{found[1]} {file}")
        if (now := self.map_of(file)) != dict(entries):
            raise RuntimeApiError(f"{self.address}: {file} holds {len(now)} entries that are not those given")

    def _quiet(self, command: str) -> None:
        if answer := self._ask(command).strip():
            raise RuntimeApiError(f"{self.address}: {command.splitlines()[0]}: {answer}")

    def _ask(self, command: str) -> str:
        try:
            with self._connection() as connection:
                connection.sendall(f"{command}\n".encode())
                return _all_of(connection)
        except (OSError, UnicodeDecodeError) as error:
            raise RuntimeApiError(f"{self.address}: no answer to its runtime API ({error})") from error

    def _connection(self) -> socket.socket:
        host, colon, port = self.address.rpartition(":")
        if colon and port.isdigit() and "/" not in host:
            return socket.create_connection((host, int(port)), self._timeout_seconds)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._timeout_seconds)
            connection.connect(self.address)
        except OSError:
            connection.close()
            raise
        return connection


def payloads(entries: Mapping[str, str]) -> list[str]:
    """Return entries as texts of lines that each fit into one command, ended by an empty line."""
    found, lines, size = [], list[str](), 0
    for key, value in entries.items():
        line = f"{key} {value}\n"
        if lines and size + len(line.encode()) > PAYLOAD_BYTES_MAX:
            found.append("".join(lines))
            lines, size = [], 0
        lines.append(line)
        size += len(line.encode())
    return [*found, "".join(lines)] if lines else found


def _all_of(connection: socket.socket) -> str:
    parts, size = [], 0
    while part := connection.recv(65536):
        parts.append(part)
        size += len(part)
        if size > ANSWER_BYTES_MAX:
            raise OSError("the answer has no end")
    return b"".join(parts).decode()
