"""What HAProxy's map files hold: a key (mailbox name or host) and where its requests go; pure."""

from collections.abc import Iterable, Mapping, Sequence

from deploy.front_door.actuator import Redirection
from deploy.front_door.sections import HaproxySection

Entries = dict[str, str]


def read_map(text: str) -> Entries:
    """Return the entries of a map file; comments and empty lines say nothing."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}  # noqa: PLR2004 - a key and a value


def map_text(entries: Mapping[str, str]) -> str:
    """Return entries as a map file."""
    return "# Written by mailshadow; HAProxy reads it when it starts.\n" + "".join(
        f"{key} {value}\n" for key, value in sorted(entries.items())
    )


def keys_of(
    section: HaproxySection, redirections: Sequence[Redirection], other_names: Mapping[str, Iterable[str]]
) -> list[tuple[str, Redirection]]:
    """Return the keys that lead these mailboxes: their names in lower case, or the hosts that all of them share."""
    if section.leads != "mailbox":
        return [(host.lower(), redirections[0]) for host in section.hosts] if redirections else []
    others = {address.lower(): names for address, names in other_names.items()}
    return [
        (name.lower(), redirection)
        for redirection in redirections
        for name in (redirection.address, *others.get(redirection.address.lower(), ()))
    ]


def led(entries: Mapping[str, str], keys: Iterable[tuple[str, str | None]]) -> Entries:
    """Return entries with some keys leading elsewhere, or nowhere in particular."""
    changed = dict(entries)
    for key, value in keys:
        changed.pop(key, None)
        if value is not None:
            changed[key] = value
    return changed
