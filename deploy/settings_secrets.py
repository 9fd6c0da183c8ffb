"""Secrets of the settings: each is given in exactly one way, and every file stands beside the settings file.

What comes from a file is read now, so that a wrong path is told at once, and again whenever it was replaced.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from deploy.secret import read_secret
from deploy.sections import KafkaSection, ServerSection, Settings, SettingsError

Section = TypeVar("Section")
Server = TypeVar("Server", bound=ServerSection)


@dataclasses.dataclass(frozen=True, slots=True)
class _Place:
    """Where secrets are looked for: the settings file's directory and the environment."""

    directory: Path
    environment: Mapping[str, str]


def with_secrets(settings: Settings, directory: Path, environment: Mapping[str, str]) -> Settings:
    """Return the settings with every secret read and every file's path whole; SettingsError names what is missing."""
    place = _Place(directory.absolute(), environment)
    metrics = _with_paths(settings.metrics, place)
    return dataclasses.replace(
        settings,
        source=_server(settings.source, "source", place),
        targets={n: _server(t, f"targets.{n}", place) for n, t in settings.targets.items()},
        rehearsal=_server(settings.rehearsal, "rehearsal", place) if settings.rehearsal else None,
        kafka=_kafka(settings.kafka, place),
        metrics=_with_secret(metrics, "metrics", "password", place, is_needed=bool(metrics.user)),
    )


def _server(server: Server, path: str, place: _Place) -> Server:
    found = _with_secret(_with_paths(server, place), path, "password", place)
    return dataclasses.replace(found, name=found.name or path.rsplit(".", 1)[-1])


def _kafka(section: KafkaSection, place: _Place) -> KafkaSection:
    tls, sasl, registry = section.tls, section.sasl, section.schema_registry
    if tls:
        tls = _with_secret(_with_paths(tls, place), "kafka.tls", "key_password", place, is_needed=False)
    if sasl:
        sasl = _with_secret(_with_paths(sasl, place), "kafka.sasl", "password", place)
    if registry:
        path = "kafka.schema_registry"
        registry = _with_secret(_with_paths(registry, place), path, "password", place, is_needed=bool(registry.user))
    return dataclasses.replace(section, tls=tls, sasl=sasl, schema_registry=registry)


def _with_paths(section: Section, place: _Place) -> Section:
    """Return the section with its files' paths whole: a relative one stands beside the settings file."""
    whole: Any = section
    for one in dataclasses.fields(whole):
        value = getattr(whole, one.name)
        if one.name.endswith("_file") and isinstance(value, Path):
            whole = dataclasses.replace(whole, **{one.name: place.directory / value})
    found: Section = whole
    return found


def _with_secret(section: Section, path: str, name: str, place: _Place, *, is_needed: bool = True) -> Section:
    whole: Any = section
    ways = (name, f"{name}_file", f"{name}_env")
    given = [way for way in ways if getattr(whole, way)]
    if not given and not is_needed:
        return section
    if len(given) != 1:
        raise SettingsError(f"{path}: give exactly one of {', '.join(ways)} (got {given or 'none'})")
    if file := getattr(whole, f"{name}_file"):
        try:
            secret = read_secret(file)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}.{name}_file: {file} can't be read; check it and its rights") from error
    elif variable := getattr(whole, f"{name}_env"):
        secret = place.environment.get(variable, "")
        if not secret:
            raise SettingsError(f"{path}.{name}_env: the variable {variable} is not set")
    else:
        secret = getattr(whole, name)
    found: Section = dataclasses.replace(whole, **{name: secret})
    return found
