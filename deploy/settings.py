"""The settings file: TOML, overridden by MAILSHADOW_… variables, secrets from files or the environment.

Every error names the path of the setting and what to do; unknown keys are refused with the nearest known one.
"""

import dataclasses
import difflib
import os
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from deploy.mapping import addresses_of, shared_address
from schemas.change import Form
from schemas.topics import CHANGES_RETENTION_MS

ENVIRONMENT_PREFIX = "MAILSHADOW_"
VERSIONS = ("2010_SP1", "2013", "2016", "2019")
AUTHENTICATIONS = ("basic", "ntlm", "digest", "gssapi")
PARTITIONS_MAX = 1_000
HOLD_SECONDS_MAX = CHANGES_RETENTION_MS / 2000
_TOPIC_NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")


Server = TypeVar("Server", bound="ServerSection")


class SettingsError(Exception):
    """A setting is missing or wrong; the text names its path and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSection:
    """The pipeline's name, which begins every topic, and where caches and the spool live."""

    name: str
    data_directory: Path = Path("mailshadow-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSection:
    """Empty bootstrap servers mean the embedded broker of `mailshadow run`."""

    bootstrap_servers: str = ""
    partition_count: int = 12
    replication_factor: int = 1
    client: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSection:
    """One Exchange server and the account that may impersonate its mailboxes; a target may hold the log back."""

    name: str = ""
    url: str
    user: str
    password: str = field(default="", repr=False)
    password_file: Path | None = None
    password_env: str = ""
    version: str = "2016"
    auth: str = "basic"
    ca_file: str = ""
    timeout_seconds: float = 120.0
    calls_at_once_max: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSection(ServerSection):
    """A server that is written to: which mailboxes it mirrors and where, what of them it leaves out, in which form.

    `mailboxes` are patterns of source addresses, mirrored at the same address or below `domain`; `metrics_port` 0 means
    that of [replay].
    """

    mailboxes: tuple[str, ...] = ()
    domain: str = ""
    folders_left_out: tuple[str, ...] = ()
    classes_left_out: tuple[str, ...] = ()
    age_days_max: int = 0
    portable_only: bool = False
    hold_seconds: float = 0.0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSection:
    """Content forms, intervals in seconds (no checksums at 0), the port of /metrics (0: none)."""

    forms: tuple[str, ...] = ("STREAM",)
    poll_interval_seconds: float = 30.0
    heartbeat_seconds: float = 30.0
    checksum_interval_seconds: float = 600.0
    streaming: bool = True
    spool_directory: Path | None = None
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySection:
    """Mailboxes at once, when a mailbox is held, how often a folder is compared (0: never), the port of /metrics."""

    mailboxes_at_once: int = 4
    dead_letters_consecutive_max: int = 100
    dead_letters_share_max: float = 0.5
    dead_letters_window_changes: int = 200
    dead_letters_mailboxes_max: int = 3
    breaker_deletions_max: int = 100
    breaker_share_max: float = 0.3
    breaker_window_seconds: float = 3600.0
    checksum_interval_seconds: float = 3600.0
    metrics_port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSection:
    """A mailbox: its address at the source, and at each target that does not map it by itself."""

    source: str
    targets: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole file."""

    pipeline: PipelineSection
    source: ServerSection
    targets: dict[str, TargetSection]
    kafka: KafkaSection = KafkaSection()
    feed: FeedSection = FeedSection()
    replay: ReplaySection = ReplaySection()
    mailboxes: tuple[MailboxSection, ...] = ()


def load(path: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read and check a settings file; SettingsError says what is wrong, where, and what to do."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file; `mailshadow config example` prints one") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; check its rights") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: not TOML: {error}") from error
    _override(raw, environment)
    settings: Settings = _build(Settings, raw, "")
    settings = dataclasses.replace(
        settings,
        source=_with_secret(settings.source, "source", path, environment),
        targets={n: _with_secret(t, f"targets.{n}", path, environment) for n, t in settings.targets.items()},
    )
    _check(settings)
    return _with_mapped_addresses(settings)


def _override(raw: dict[str, Any], environment: Mapping[str, str]) -> None:
    """MAILSHADOW_KAFKA__BOOTSTRAP_SERVERS=… sets kafka.bootstrap_servers; values are TOML or plain text."""
    for name, value in environment.items():
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        if not name.startswith(ENVIRONMENT_PREFIX) or len(path) == 1:
            continue
        section = raw
        for part in path[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise SettingsError(f"{name}: {'.'.join(path[:-1])} is a value, nothing can stand below it")
        try:
            section[path[-1]] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            section[path[-1]] = value


def _build(kind: Any, raw: Any, path: str) -> Any:
    if not isinstance(raw, dict):
        raise SettingsError(f"{path}: a table of settings is needed here (got {type(raw).__name__})")
    hints = typing.get_type_hints(kind)
    known = {f.name: f for f in dataclasses.fields(kind)}
    for key in raw:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known here: {', '.join(known)}"
            raise SettingsError(f"{_join(path, key)}: unknown setting{hint}")
    values = {key: _value(hints[key], value, _join(path, key)) for key, value in raw.items()}
    for name, one in known.items():
        is_needed = one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING
        if name not in values and is_needed:
            raise SettingsError(f"{_join(path, name)}: missing; see `mailshadow config example`")
    return kind(**values)


def _value(hint: Any, raw: Any, path: str) -> Any:  # noqa: PLR0911 - one return for each kind of setting
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _value(next(a for a in args if a is not type(None)), raw, path)
    if dataclasses.is_dataclass(hint):
        return _build(hint, raw, path)
    if origin is tuple and isinstance(raw, list):
        return tuple(_value(args[0], v, f"{path}[{n}]") for n, v in enumerate(raw))
    if origin is dict and isinstance(raw, dict):
        return {k: _value(args[1], v, _join(path, k)) for k, v in raw.items()}
    if hint is Path and isinstance(raw, str):
        return Path(raw).expanduser()
    if hint is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if isinstance(hint, type) and isinstance(raw, hint) and (hint is bool or not isinstance(raw, bool)):
        return raw
    wanted = {tuple: "a list", dict: "a table", str: "text", int: "a whole number", float: "a number"}
    name = wanted.get(origin or hint, getattr(hint, "__name__", str(hint)))
    raise SettingsError(f"{path}: {name} is needed (got {raw!r})" if path else "a table is needed")


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _with_mapped_addresses(settings: Settings) -> Settings:
    """Return the settings with every mailbox's address at every target that mirrors it; each address once."""
    mailboxes = tuple(
        dataclasses.replace(m, targets=addresses_of(m.source, m.targets, settings.targets)) for m in settings.mailboxes
    )
    if shared := shared_address([(m.source, m.targets) for m in mailboxes]):
        target, address, one, other = shared
        raise SettingsError(f"targets.{target}: {one} and {other} would both be mirrored into {address}; name another")
    for number, mailbox in enumerate(mailboxes):
        if not mailbox.targets:
            raise SettingsError(f"mailboxes[{number}].targets: missing, and no target's mailboxes match its address")
    return dataclasses.replace(settings, mailboxes=mailboxes)


def _with_secret(server: Server, path: str, file: Path, environment: Mapping[str, str]) -> Server:
    given = [n for n in ("password", "password_file", "password_env") if getattr(server, n)]
    if len(given) != 1:
        raise SettingsError(
            f"{path}: give exactly one of password, password_file, password_env (got {given or 'none'})"
        )
    password = server.password
    if server.password_file:
        secret = file.parent / server.password_file
        try:
            password = secret.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}.password_file: {secret} can't be read; check it and its rights") from error
    elif server.password_env:
        password = environment.get(server.password_env, "")
        if not password:
            raise SettingsError(f"{path}.password_env: the variable {server.password_env} is not set")
    return dataclasses.replace(server, password=password, name=server.name or path.rsplit(".", 1)[-1])


def _check(settings: Settings) -> None:
    _topic_name("pipeline.name", settings.pipeline.name)
    _limit("kafka.partition_count", settings.kafka.partition_count, 1, PARTITIONS_MAX)
    _limit("kafka.replication_factor", settings.kafka.replication_factor, 1, 9)
    _limit("feed.poll_interval_seconds", settings.feed.poll_interval_seconds, 0.1, 3600)
    _limit("feed.heartbeat_seconds", settings.feed.heartbeat_seconds, 0.1, 600)
    for name, section in (("feed", settings.feed), ("replay", settings.replay)):
        _limit(f"{name}.checksum_interval_seconds", section.checksum_interval_seconds, 0, 7 * 86400)
    for name in ("feed", "replay"):
        _limit(f"{name}.metrics_port", getattr(settings, name).metrics_port, 0, 65535)
    _limit("replay.mailboxes_at_once", settings.replay.mailboxes_at_once, 1, 32)
    _check_replay(settings.replay)
    if not settings.targets:
        raise SettingsError("targets: at least one target is needed, such as [targets.standby]")
    for path, server in {
        "source": settings.source,
        **{f"targets.{n}": t for n, t in settings.targets.items()},
    }.items():
        _topic_name(f"{path}.name", server.name)
        _limit(f"{path}.timeout_seconds", server.timeout_seconds, 1, 3600)
        _limit(f"{path}.calls_at_once_max", server.calls_at_once_max, 1, 100)
        _one_of(f"{path}.version", server.version, VERSIONS)
        _one_of(f"{path}.auth", server.auth, AUTHENTICATIONS)
        if not server.url.startswith(("http://", "https://")):
            raise SettingsError(f"{path}.url: must be an http or https address (got {server.url})")
    _check_targets(settings)
    for number, form in enumerate(settings.feed.forms):
        _one_of(f"feed.forms[{number}]", form, tuple(Form))
    if not settings.feed.forms:
        raise SettingsError("feed.forms: at least one of STREAM, PORTABLE is needed")
    _check_mailboxes(settings)


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


def with_bootstrap_servers(settings: Settings, servers: str) -> Settings:
    """Return the settings with the address of a broker that was started for them."""
    return dataclasses.replace(settings, kafka=dataclasses.replace(settings.kafka, bootstrap_servers=servers))
