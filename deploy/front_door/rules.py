"""What `[front_door]` must hold beyond its types: limits, known names, known servers, whole pairs."""

import difflib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from deploy.front_door.sections import (
    AutodiscoverSection,
    CommandSection,
    DnsSection,
    FrontDoorSection,
    HaproxySection,
    SmtpSection,
)

LEADS = ("mailbox", "host", "all")
KINDS = ("source-fence", "directory", "mail-flow")
PER = ("step", "mailbox")
STEPS = ("check", "close", "redirect", "confirm", "undo")
TIMEOUT_SECONDS_MAX = 3600.0


def first_wrong(section: FrontDoorSection, servers: AbstractSet[str], source: str) -> str | None:
    """Return what is wrong first, with the path of the setting; None where everything holds."""
    return next(_wrong(section, servers, source), None)


def _wrong(section: FrontDoorSection, servers: AbstractSet[str], source: str) -> Iterator[str]:
    if section.ews_url and not section.ews_url.startswith(("http://", "https://")):
        yield f"front_door.ews_url: must be an http or https address (got {section.ews_url})"
    yield from _other_names(section.other_names)
    if section.autodiscover:
        yield from _autodiscover(section.autodiscover, servers)
    if section.haproxy:
        yield from _haproxy(section.haproxy, servers, source)
    if section.dns:
        yield from _dns(section.dns, servers)
    if section.smtp:
        yield from _smtp(section.smtp)
    yield from _commands(section.commands)


def _other_names(other_names: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for address, names in other_names.items():
        if "@" not in address:
            yield f"front_door.other_names: {address!r} is no SMTP address"
        for name in names:
            if not name or any(c.isspace() for c in name):
                yield f"front_door.other_names: {name!r} can't be the name of a mailbox: it is empty or has spaces"


def _autodiscover(section: AutodiscoverSection, servers: AbstractSet[str]) -> Iterator[str]:
    path = "front_door.autodiscover"
    yield from _limit(f"{path}.port", section.port, 1, 65535)
    yield from _limit(f"{path}.metrics_port", section.metrics_port, 0, 65535)
    yield from _limit(f"{path}.timeout_seconds", section.timeout_seconds, 0.1, 120)
    yield from _known_servers(f"{path}.urls", section.urls, servers)
    yield from _known_servers(f"{path}.ews_urls", section.ews_urls, servers)
    for number, url in enumerate(section.responders):
        if not url.startswith("https://"):
            yield f"{path}.responders[{number}]: must be an https address, as clients use it (got {url})"
    for name, url in section.urls.items():
        if not url.startswith("https://"):
            yield f"{path}.urls.{name}: must be an https address, clients refuse others (got {url})"


def _haproxy(section: HaproxySection, servers: AbstractSet[str], source: str) -> Iterator[str]:
    path = "front_door.haproxy"
    yield from _limit(f"{path}.timeout_seconds", section.timeout_seconds, 0.1, 120)
    yield from _one_of(f"{path}.leads", section.leads, LEADS)
    yield from _known_servers(f"{path}.backends", section.backends, servers)
    yield from _known_servers(f"{path}.activesync_urls", section.activesync_urls, servers)
    if not section.sockets:
        yield f"{path}.sockets: at least one path or address:port of a runtime API is needed"
    if source not in section.backends:
        yield f"{path}.backends.{source}: missing; name the backend of the source in haproxy.cfg"
    if len(set(section.backends.values())) != len(section.backends):
        yield f"{path}.backends: each server needs a backend of its own"
    if section.closed_backend in section.backends.values():
        yield f"{path}.closed_backend: must not be the backend of a server"
    if section.leads != "mailbox" and not section.hosts:
        yield f"{path}.hosts: missing; with leads = {section.leads!r} name the hosts that clients ask for"
    if section.activesync_urls and section.activesync_map_file is None:
        yield f"{path}.activesync_map_file: missing; activesync_urls need a map file of their own"


def _dns(section: DnsSection, servers: AbstractSet[str]) -> Iterator[str]:
    path = "front_door.dns"
    yield from _limit(f"{path}.port", section.port, 1, 65535)
    yield from _limit(f"{path}.ttl_seconds", section.ttl_seconds, 1, 86400)
    yield from _limit(f"{path}.timeout_seconds", section.timeout_seconds, 0.1, 120)
    yield from _known_servers(f"{path}.addresses", section.addresses, servers)
    if not section.names:
        yield f"{path}.names: at least one name of the zone is needed"
    zone = section.zone.strip(".").lower()
    for number, name in enumerate(section.names):
        host = name.strip(".").lower()
        if host != zone and not host.endswith(f".{zone}"):
            yield f"{path}.names[{number}]: {name} is not in the zone {section.zone}"
    if len({kind_of_record(value) for value in section.addresses.values()}) > 1:
        yield f"{path}.addresses: all must be of one kind: IPv4, IPv6 or host names"


def kind_of_record(value: str) -> str:
    """Return A, AAAA or CNAME for what a name shall hold."""
    try:
        return "A" if ipaddress.ip_address(value).version == 4 else "AAAA"  # noqa: PLR2004 - the Internet Protocol's own
    except ValueError:
        return "CNAME"


def _smtp(section: SmtpSection) -> Iterator[str]:
    path = "front_door.smtp"
    yield from _limit(f"{path}.port", section.port, 1, 65535)
    yield from _limit(f"{path}.timeout_seconds", section.timeout_seconds, 1, TIMEOUT_SECONDS_MAX)
    yield from _limit(f"{path}.messages_max", section.messages_max, 1, 10_000)
    if "@" not in section.sender:
        yield f"{path}.sender: {section.sender!r} is no SMTP address"


def _commands(sections: Sequence[CommandSection]) -> Iterator[str]:
    names: set[str] = set()
    for number, section in enumerate(sections):
        path = f"front_door.commands[{number}]"
        yield from _one_of(f"{path}.kind", section.kind, KINDS)
        yield from _one_of(f"{path}.per", section.per, PER)
        yield from _limit(f"{path}.timeout_seconds", section.timeout_seconds, 0.1, TIMEOUT_SECONDS_MAX)
        yield from _limit(f"{path}.attempts_max", section.attempts_max, 1, 20)
        for step in section.steps:
            yield from _one_of(f"{path}.steps", step, STEPS)
        if not section.command:
            yield f"{path}.command: missing; a list of the program and its arguments"
        if not section.name.replace("-", "").replace("_", "").isalnum():
            yield f"{path}.name: letters, digits, - and _ only (got {section.name!r})"
        if section.name in names:
            yield f"{path}.name: {section.name} is used already"
        names.add(section.name)


def _known_servers(path: str, values: Mapping[str, str], servers: AbstractSet[str]) -> Iterator[str]:
    for name in values:
        if name not in servers:
            near = difflib.get_close_matches(name, servers, n=1)
            yield f"{path}.{name}: there is no such server; " + (
                f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(servers))}"
            )


def _limit(path: str, value: float, low: float, high: float) -> Iterator[str]:
    if not low <= value <= high:
        yield f"{path}: must be {low:g} to {high:g} (got {value:g})"


def _one_of(path: str, value: str, known: tuple[str, ...]) -> Iterator[str]:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield f"{path}: must be one of {', '.join(known)} (got {value!r}){hint}"
