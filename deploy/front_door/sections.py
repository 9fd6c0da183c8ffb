"""What the settings file holds of the front door: `[front_door]` and its parts, each of which may be left out."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AutodiscoverSection:
    """The responder and the actuator that writes its routes.

    A responder reads the first of `route_files`, the actuator writes them all. `urls` say where the Autodiscover of a
    server itself is (default: the host of its EWS url), `ews_urls` what clients use of it (default: its EWS url).
    """

    certificate_file: Path
    key_file: Path
    listen_address: str = "127.0.0.1"
    port: int = 443
    metrics_port: int = 0
    responders: tuple[str, ...] = ()
    ca_file: Path | None = None
    route_files: tuple[Path, ...] = ()
    answers_itself: bool = False
    redirects_by_address: bool = False
    urls: dict[str, str] = field(default_factory=dict)
    ews_urls: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HaproxySection:
    """HAProxy's runtime sockets and its map files, named as in haproxy.cfg.

    `leads` is mailbox, host or all; `backends` name the backend of each server, `hosts` the host names of clients.
    """

    sockets: tuple[str, ...]
    map_file: Path
    backends: dict[str, str]
    leads: str = "mailbox"
    hosts: tuple[str, ...] = ()
    closed_backend: str = "closed"
    activesync_map_file: Path | None = None
    activesync_urls: dict[str, str] = field(default_factory=dict)
    timeout_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSection:
    """A zone that takes updates (RFC 2136) signed by a key (TSIG), and what each name holds for each server."""

    server: str
    zone: str
    key_file: Path
    names: tuple[str, ...]
    addresses: dict[str, str]
    port: int = 53
    ttl_seconds: int = 60
    timeout_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSection:
    """A command of the operator's: what only the organisation can do (see README.md beside this file)."""

    name: str
    kind: str
    command: tuple[str, ...]
    per: str = "step"
    steps: tuple[str, ...] = ()
    timeout_seconds: float = 120.0
    attempts_max: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSection:
    """Where a test message is given in, as the world outside does it, and how long it may be on its way."""

    host: str
    sender: str
    port: int = 25
    is_encrypted: bool = False
    ca_file: Path | None = None
    timeout_seconds: float = 60.0
    messages_max: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoorSection:
    r"""What leads clients; `ews_url` is the address clients have, `other_names` are further names of a mailbox.

    Keys of `other_names` are addresses; clients may name a mailbox by others: DOMAIN\user (ActiveSync), its GUID at a
    domain (MAPI), a secondary address.
    """

    ews_url: str = ""
    ca_file: Path | None = None
    other_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    autodiscover: AutodiscoverSection | None = None
    haproxy: HaproxySection | None = None
    dns: DnsSection | None = None
    commands: tuple[CommandSection, ...] = ()
    smtp: SmtpSection | None = None


def beside(section: FrontDoorSection, directory: Path) -> FrontDoorSection:
    """Return the section with every relative path taken from the directory of the settings file."""
    placed: FrontDoorSection = _beside(section, directory)
    return placed


def _beside(value: Any, directory: Path) -> Any:
    if isinstance(value, Path):
        return directory / value
    if isinstance(value, tuple):
        return tuple(_beside(one, directory) for one in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: _beside(getattr(value, f.name), directory) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value
