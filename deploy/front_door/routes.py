"""Where each mailbox is led by Autodiscover: a file with a version, written whole, read by every responder.

It holds only the mailboxes that were closed or led away; every other one is at the source.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.front_door.whole_files import write_whole

ROUTES_BYTES_MAX = 64 * 1024 * 1024


class RoutesError(Exception):
    """The file of the routes is missing, damaged or can't be written; the text says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One mailbox (id): its live server's name in the settings, its address there; empty server: closed."""

    mailbox: str
    server: str
    address: str

    @property
    def is_closed(self) -> bool:
        """Whether nobody is led anywhere."""
        return not self.server


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """Client addresses (lower case) to routes, and how often the file was written."""

    version: int
    by_address: Mapping[str, Route]

    def of(self, address: str) -> Route | None:
        """Return the route of a mailbox that was closed or led away."""
        return self.by_address.get(address.strip().lower())

    def changed(self, routes: Iterable[tuple[str, Route]]) -> "Routes":
        """Return the next version, with some routes changed; the same one where nothing changes."""
        changed = {address.lower(): route for address, route in routes}
        if all(self.by_address.get(a) == r for a, r in changed.items()):
            return self
        return Routes(version=self.version + 1, by_address={**self.by_address, **changed})


def read_routes(path: Path) -> Routes:
    """Return what a file holds; RoutesError where it is missing or no file of routes."""
    try:
        if path.stat().st_size > ROUTES_BYTES_MAX:
            raise RoutesError(f"{path} is too large to be a file of routes")
        values = json.loads(path.read_text(encoding="utf-8"))
        routes = {
            str(address): Route(mailbox=str(r["mailbox"]), server=str(r["server"]), address=str(r["address"]))
            for address, r in values["routes"].items()
        }
        return Routes(version=int(values["version"]), by_address=routes)
    except FileNotFoundError as error:
        advice = "put a copy of another responder's there, or begin with `mailshadow front-door begin`"
        raise RoutesError(f"{path} is missing, and where mailboxes live is not guessed: {advice}") from error
    except OSError as error:
        raise RoutesError(f"{path}: {error.strerror}; check its rights") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RoutesError(f"{path} is no file of routes: put a copy of another responder's there") from error


def write_routes(path: Path, routes: Routes) -> None:
    """Put routes in place of what a file held; RoutesError where that fails."""
    values = {
        "version": routes.version,
        "routes": {
            a: {"mailbox": r.mailbox, "server": r.server, "address": r.address}
            for a, r in sorted(routes.by_address.items())
        },
    }
    try:
        write_whole(path, json.dumps(values, indent=1) + "\n")
    except OSError as error:
        raise RoutesError(f"{path}: can't be written ({error.strerror}); free room or check its rights") from error


class RoutesFile:
    """One responder's copy, read again when it changes; what was read last stays where a later one is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._routes: Routes | None = None

    def now(self) -> Routes:
        """Return the routes; RoutesError while none were ever read."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._routes, self._seen = read_routes(self._path), seen
        except (OSError, RoutesError) as error:
            if self._routes is None:
                raise RoutesError(str(error)) from error
        if self._routes is None:
            raise RoutesError(f"{self._path} was never read")
        return self._routes
