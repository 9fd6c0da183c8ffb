"""What settings must hold beyond their types: limits, known names, and mailboxes that don't collide."""

import difflib
import re

from deploy.front_door import rules as front_door_rules
from deploy.rehearsal import rules as rehearsal_rules
from deploy.sections import ReplaySection, Settings, SettingsError
from deploy.security_rules import check_security
from schemas.change import Form
from schemas.topics import CHANGES_RETENTION_MS

VERSIONS = ("2010_SP1", "2013", "2016", "2019")
AUTHENTICATIONS = ("basic", "ntlm", "digest", "gssapi")
PARTITIONS_MAX = 1_000
HOLD_SECONDS_MAX = CHANGES_RETENTION_MS / 2000
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


def check(settings: Settings) -> None:
    """Raise SettingsError for the first value that can't be."""
    _topic_name("pipeline.name", settings.pipeline.name)
    _limit("kafka.partition_count", settings.kafka.partition_count, 1, PARTITIONS_MAX)
    _limit("kafka.replication_factor", settings.kafka.replication_factor, 1, 9)
    check_security(settings)
    _limit("feed.poll_interval_seconds", settings.feed.poll_interval_seconds, 0.1, 3600)
    _limit("feed.heartbeat_seconds", settings.feed.heartbeat_seconds, 0.1, 600)
    for name, section in (("feed", settings.feed), ("replay", settings.replay)):
        _limit(f"{name}.checksum_interval_seconds", section.checksum_interval_seconds, 0, 7 * 86400)
    _limit("replay.probe_interval_seconds", settings.replay.probe_interval_seconds, 0, 3600)
    for name in ("feed", "replay", "monitor"):
        _limit(f"{name}.metrics_port", getattr(settings, name).metrics_port, 0, 65535)
    _limit("replay.mailboxes_at_once", settings.replay.mailboxes_at_once, 1, 32)
    _check_replay(settings.replay)
    _check_monitor(settings)
    if not settings.targets:
        raise SettingsError("targets: at least one target is needed, such as [targets.standby]")
    for path, server in {
        "source": settings.source,
        **{f"targets.{n}": t for n, t in settings.targets.items()},
        **({"rehearsal": settings.rehearsal} if settings.rehearsal else {}),
    }.items():
        _topic_name(f"{path}.name", server.name)
        _limit(f"{path}.timeout_seconds", server.timeout_seconds, 1, 3600)
        _limit(f"{path}.calls_at_once_max", server.calls_at_once_max, 1, 100)
        _one_of(f"{path}.version", server.version, VERSIONS)
        _one_of(f"{path}.auth", server.auth, AUTHENTICATIONS)
        if not server.url.startswith(("http://", "https://")):
            raise SettingsError(f"{path}.url: must be an http or https address (got {server.url})")
    _check_targets(settings)
    if wrong_rehearsal := rehearsal_rules.first_wrong(settings):
        raise SettingsError(wrong_rehearsal)
    for number, form in enumerate(settings.feed.forms):
        _one_of(f"feed.forms[{number}]", form, (Form.STREAM, Form.PORTABLE))
    if not settings.feed.forms:
        raise SettingsError("feed.forms: at least one of STREAM, PORTABLE is needed")
    _check_mailboxes(settings)
    if wrong := front_door_rules.first_wrong(
        settings.front_door, {settings.source.name, *settings.targets}, settings.source.name
    ):
        raise SettingsError(wrong)


def _check_targets(settings: Settings) -> None:
    for name, target in settings.targets.items():
        path = f"targets.{name}"
        _topic_name(path, name)
        _limit(f"{path}.age_days_max", target.age_days_max, 0, 36_500)
        # the other half of the retention is the time an operator has to act
        _limit(f"{path}.hold_seconds", target.hold_seconds, 0, HOLD_SECONDS_MAX)
        _limit(f"{path}.metrics_port", target.metrics_port, 0, 65535)
        if target.version == "2010_SP1":
            raise SettingsError(
                f"{path}.version: 2010_SP1 can be a source only: it can't suppress read receipts in time"
            )
        if "@" in target.domain:
            raise SettingsError(f"{path}.domain: only the part after the @ (got {target.domain!r})")


def _check_replay(section: ReplaySection) -> None:
    for name, high in (
        ("dead_letters_consecutive_max", 1_000_000),
        ("dead_letters_share_max", 1),
        ("breaker_deletions_max", 1_000_000_000),
        ("breaker_share_max", 1),
    ):
        _limit(f"replay.{name}", getattr(section, name), 0, high)
    _limit("replay.dead_letters_window_changes", section.dead_letters_window_changes, 1, 10_000)
    _limit("replay.dead_letters_mailboxes_max", section.dead_letters_mailboxes_max, 1, 1_000_000)
    _limit("replay.breaker_window_seconds", section.breaker_window_seconds, 1, 7 * 24 * 3600)


def _check_monitor(settings: Settings) -> None:
    section = settings.monitor
    _limit("monitor.lag_objective_seconds", section.lag_objective_seconds, 1, 86_400)
    _limit("monitor.stall_seconds", section.stall_seconds, 1, 86_400)
    _limit("monitor.worst_mailboxes_max", section.worst_mailboxes_max, 0, 500)
    _limit("monitor.mailboxes_shown", len(section.mailboxes_shown), 0, 500)


def _check_mailboxes(settings: Settings) -> None:
    taken: dict[str, int] = {}
    for number, mailbox in enumerate(settings.mailboxes):
        where = f"mailboxes[{number}]"
        for target, address in {"": mailbox.source, **mailbox.targets}.items():
            if target and target not in settings.targets:
                near = difflib.get_close_matches(target, settings.targets, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise SettingsError(f"{where}.targets.{target}: there is no such target{hint}")
            if "@" not in address:
                raise SettingsError(f"{where}: {address!r} is no SMTP address")
        first = taken.setdefault(mailbox.source.lower(), number)
        if first != number:
            raise SettingsError(f"{where}: source address is used by mailboxes[{first}] already")


def _topic_name(path: str, value: str) -> None:
    if not _TOPIC_NAME.fullmatch(value):
        raise SettingsError(f"{path}: letters, digits, - and _ only, 1 to 60 of them, because topics are named by it")


def _limit(path: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise SettingsError(f"{path}: must be {low:g} to {high:g} (got {value:g})")


def _one_of(path: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        near = difflib.get_close_matches(value, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise SettingsError(f"{path}: must be one of {', '.join(known)} (got {value!r}){hint}")
