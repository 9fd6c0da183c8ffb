"""The actuators of a settings file, in the order in which each step of a promotion calls them.

1. directory and mail-flow commands: addresses and routes lead to the target before clients do;
2. Autodiscover, HAProxy, DNS: where clients are closed and led;
3. source-fence commands: behind closed doors, so that clients are told to come again rather than refused;
4. the confirmations by EWS and SMTP, which lead nobody: last, because they find what the others did.
An undo is best called in the opposite order.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from deploy.front_door.actuator import Actuator, Hold, Place, Redirection, held_by_nobody
from deploy.front_door.autodiscover import AutodiscoverActuator
from deploy.front_door.commands import CommandActuator
from deploy.front_door.dns_update import DnsActuator
from deploy.front_door.ews_confirmation import EwsConfirmation
from deploy.front_door.guide import Guide
from deploy.front_door.haproxy import HaproxyActuator
from deploy.front_door.sections import AutodiscoverSection
from deploy.front_door.smtp_confirmation import SmtpConfirmation
from deploy.sections import MailboxSection, Settings
from deploy.wiring import server_settings
from schemas.identity import mailbox_id

DIRECTORY = Path("front-door")
"""Where routes and output of commands are kept, in the data directory."""
_BEFORE_CLIENTS = ("directory", "mail-flow")


def actuators_of(
    settings: Settings, also_mirrored: Iterable[str] = (), hold: Hold = held_by_nobody
) -> tuple[Actuator, ...]:
    """Return what `[front_door]` names, in order; nothing where it names nothing.

    `hold` is asked before everything they change.
    `also_mirrored` are ids of mailboxes that were added by command: who leads all at once has to know them too.
    """
    door = settings.front_door
    mailboxes = frozenset(mailbox_id(m.source) for m in settings.mailboxes).union(also_mirrored)
    servers = {s.name: server_settings(s) for s in (settings.source, *settings.targets.values())}
    commands = commands_of(settings, hold)
    found: list[Actuator] = [c for c, kind in commands if kind in _BEFORE_CLIENTS]
    if (section := autodiscover_section(settings)) is not None:
        found.append(AutodiscoverActuator(section, Guide(settings, section), hold))
    if door.haproxy:
        found.append(HaproxyActuator(door.haproxy, settings.source.name, mailboxes, door.other_names, hold))
    if door.dns:
        found.append(DnsActuator(door.dns, mailboxes, hold))
    found += [c for c, kind in commands if kind not in _BEFORE_CLIENTS]
    if door.ews_url:
        found.append(EwsConfirmation(door.ews_url, door.ca_file, servers))
    if door.smtp:
        found.append(SmtpConfirmation(door.smtp, servers))
    return tuple(found)


def commands_of(settings: Settings, hold: Hold = held_by_nobody) -> list[tuple[CommandActuator, str]]:
    """Return the operator's commands with their kinds, as in the file."""
    servers = (settings.source, *settings.targets.values())
    secrets = frozenset(s.password for s in servers if s.password)
    directory = settings.pipeline.data_directory / DIRECTORY / "commands"
    return [(CommandActuator(c, directory, secrets, hold=hold), c.kind) for c in settings.front_door.commands]


def autodiscover_section(settings: Settings) -> AutodiscoverSection | None:
    """Return the section with its default route file filled in."""
    section = settings.front_door.autodiscover
    if section is None or section.route_files:
        return section
    return dataclasses.replace(section, route_files=(settings.pipeline.data_directory / DIRECTORY / "routes.json",))


def redirection_of(settings: Settings, mailbox: MailboxSection, target: str) -> Redirection:
    """Return how a mailbox of the settings is led from the source to a target."""
    server, address = settings.targets[target], mailbox.targets[target]
    return Redirection(
        mailbox=mailbox_id(mailbox.source),
        address=mailbox.source,
        from_place=Place(server=settings.source.name, ews_url=settings.source.url, address=mailbox.source),
        to_place=Place(server=server.name, ews_url=server.url, address=address),
    )


def swapped(redirection: Redirection) -> Redirection:
    """Return the way back."""
    return dataclasses.replace(redirection, from_place=redirection.to_place, to_place=redirection.from_place)
