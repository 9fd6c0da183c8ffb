"""Where each setting's value came from, with secrets hidden: what `config show` prints."""

import dataclasses
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.sections import Settings
from deploy.settings import ENVIRONMENT_PREFIX

HIDDEN = "(hidden)"
SECRETS = ("password", "key_password")
_SECRET_WORDS = ("password", "secret", "token", "jaas", ".pem")


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting: its path, its value as text, and where that came from (default, file, environment)."""

    path: str
    value: str
    origin: str


def shown(settings: Settings, file: Path, environment: Mapping[str, str]) -> list[Shown]:
    """Return every setting in the order of the sections; the file must be readable, as it was for `load`."""
    raw = tomllib.loads(file.read_text(encoding="utf-8"))
    return list(_walk(settings, raw, "", environment))


def _walk(section: Any, raw: Any, path: str, environment: Mapping[str, str]) -> Iterator[Shown]:
    given: dict[str, Any] = raw if isinstance(raw, dict) else {}
    if dataclasses.is_dataclass(section):
        entries = {f.name: getattr(section, f.name) for f in dataclasses.fields(section)}
    elif isinstance(section, dict):
        entries = section
    else:
        entries = {str(n): v for n, v in enumerate(section)}
        given = {str(n): v for n, v in enumerate(raw)} if isinstance(raw, list) else {}
    for name, value in entries.items():
        whole = f"{path}[{name}]" if name.isdigit() else f"{path}.{name}" if path else name
        below = given.get(name)
        is_table = dataclasses.is_dataclass(value) or (isinstance(value, dict) and value)
        if is_table or (isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0])):
            yield from _walk(value, below, whole, environment)
        else:
            yield Shown(whole, _text(name, value), _origin(whole, name, name in given, section, environment))


def _origin(path: str, name: str, is_given: bool, section: Any, environment: Mapping[str, str]) -> str:  # noqa: FBT001
    variable = ENVIRONMENT_PREFIX + path.upper().replace(".", "__")
    if variable in environment:
        return f"environment {variable}"
    if name in SECRETS:
        if getattr(section, f"{name}_env", ""):
            return f"environment {getattr(section, f'{name}_env')}"
        if found := getattr(section, f"{name}_file", None):
            return f"file {found}"
    return "file" if is_given else "default"


def _text(name: str, value: Any) -> str:
    if value is None:
        return "-"
    if name in SECRETS or any(word in name for word in _SECRET_WORDS if "." in name):
        return HIDDEN if value else "-"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
