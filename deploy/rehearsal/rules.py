"""What `[rehearsal]` and the pipeline's name must hold, and which scratch mailbox stands for which. Pure."""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from deploy.sections import RehearsalSection, Settings

NAME_HEX_DIGITS = 8
INFIX = "-rehearsal-"
_NAME = re.compile(rf"(?P<pipeline>.+){INFIX}[0-9a-f]{{{NAME_HEX_DIGITS}}}")
_FIELDS = re.compile(r"\{([^}]*)\}")
TOO_OLD = "2010_SP1"


def rehearsal_name(pipeline: str, digits: str) -> str:
    """Return the name of a rehearsal's own pipeline, which begins its topics, groups and transactional ids."""
    return f"{pipeline}{INFIX}{digits}"


def is_rehearsal_of(pipeline: str, name: str) -> bool:
    """Tell whether a name is that of a rehearsal of this pipeline, and of no other one."""
    found = _NAME.fullmatch(name)
    return found is not None and found["pipeline"] == pipeline


def first_wrong(settings: Settings) -> str:
    """Return what is wrong first; nothing where all is as it has to be."""
    if INFIX in settings.pipeline.name:
        return f"pipeline.name: {INFIX} stands in the names of rehearsals, which --clean-up deletes; take another"
    section = settings.rehearsal
    if section is None:
        return ""
    if section.name in {settings.source.name, *settings.targets}:
        return f"rehearsal.name: {section.name} is a server of the pipeline; give the scratch server another name"
    if section.version == TOO_OLD:
        return f"rehearsal.version: {TOO_OLD} can't be written to: it can't suppress read receipts in time"
    return _wrong_address(section)


def _wrong_address(section: RehearsalSection) -> str:
    if strange := next((a for a in (section.address, *section.addresses.values()) if not a.isascii()), ""):
        return f"rehearsal: {strange}: an SMTP address of a mailbox has letters of ASCII only"
    if unknown := set(_FIELDS.findall(section.address)) - {"local", "domain"}:
        return f"rehearsal.address: {{{min(unknown)}}} is not known; {{local}} and {{domain}} are"
    if section.address.count("@") != 1 or "{local}" not in section.address:
        return f'rehearsal.address: must be such as "{{local}}-rehearsal@{{domain}}" (got {section.address!r})'
    wrong = (f"rehearsal.addresses.{a}: {s!r} is no SMTP address" for a, s in section.addresses.items() if "@" not in s)
    return next(wrong, "")


def scratch_address(section: RehearsalSection, source: str) -> str:
    """Return the address of the scratch mailbox that stands for a mailbox of the source."""
    given = {address.casefold(): scratch for address, scratch in section.addresses.items()}
    local, _, domain = source.rpartition("@")
    pattern = section.address.replace("{local}", local).replace("{domain}", domain)
    return given.get(source.casefold(), pattern)


def first_taken(section: RehearsalSection, scratch: Mapping[str, str], taken: Mapping[str, Sequence[str]]) -> str:
    """Return why a scratch address can't be one; nothing where all can.

    `scratch` is source address to scratch address, `taken` the addresses in use by the url of their server.
    """
    seen: dict[str, str] = {}
    host = _host(section.url)
    at_host = {a.casefold() for url, addresses in taken.items() if _host(url) == host for a in addresses}
    for source, address in scratch.items():
        if address.casefold() in at_host:
            return f"{address}: a mailbox of the pipeline itself at {host}; a rehearsal writes only where nobody works"
        if (first := seen.setdefault(address.casefold(), source)) != source:
            return f"{address}: stands for {first} and for {source}; name one in rehearsal.addresses"
    return ""


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{(parts.hostname or '').casefold()}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
