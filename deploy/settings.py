"""The settings file: TOML, overridden by MAILSHADOW_… variables, secrets from files or the environment.

Every error names the path of the setting and what to do; unknown keys are refused with the nearest known one.
"""

import dataclasses
import difflib
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from deploy.front_door.sections import beside
from deploy.mapping import addresses_of, shared_address
from deploy.sections import Settings, SettingsError
from deploy.settings_rules import check
from deploy.settings_secrets import with_secrets

ENVIRONMENT_PREFIX = "MAILSHADOW_"


@dataclasses.dataclass(frozen=True, slots=True)
class _Given:
    """A value of the environment: TOML where it is, else plain text; a setting that is text takes `123` as text."""

    text: str

    def value(self, *, is_text: bool) -> Any:
        try:
            found = tomllib.loads(f"value = {self.text}")["value"]
        except tomllib.TOMLDecodeError:
            return self.text
        return self.text if is_text and not isinstance(found, str) else found


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
    settings = with_secrets(settings, path.parent, environment)
    settings = dataclasses.replace(settings, front_door=beside(settings.front_door, path.parent))
    check(settings)
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
        section[path[-1]] = _Given(value)


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
    if isinstance(raw, _Given):
        return _value(hint, raw.value(is_text=hint is str), path)
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


def with_bootstrap_servers(settings: Settings, servers: str) -> Settings:
    """Return the settings with the address of a broker that was started for them."""
    return dataclasses.replace(settings, kafka=dataclasses.replace(settings.kafka, bootstrap_servers=servers))
