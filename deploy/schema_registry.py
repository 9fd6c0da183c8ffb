"""A schema registry: our schemas are registered at the start, their ids stand in the records from then on.

Each record type is a subject of its own (`mailshadow.Change`: the strategy RecordName), because one topic holds
several types. Needs the extra `registry`.
"""

import logging
from functools import cache
from typing import Any

from deploy.secret import current
from deploy.sections import SchemaRegistrySection, Settings
from schemas import framing
from schemas.codec import NAMESPACE, schema_texts

TIMEOUT_SECONDS = 10
logging.getLogger("httpx2").setLevel(logging.WARNING)


class SchemaRegistryError(Exception):
    """The registry can't be used; the text says why and what to do."""


def adopt(settings: Settings) -> None:
    """Use the registry of the settings for every record this process writes, or none."""
    section = settings.kafka.schema_registry
    framing.use_registry(registered(_client(section), section.url) if section else None)


def registered(client: Any, url: str) -> framing.Registered:
    """Register every schema of ours and return the ids; SchemaRegistryError if the registry refuses."""
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - belongs to an optional extra

    ids = {}
    for name, text in schema_texts().items():
        try:
            ids[name] = int(client.register_schema(f"{NAMESPACE}{name}", Schema(text, "AVRO")))
        except Exception as error:
            raise SchemaRegistryError(
                f"schema registry at {url}: {NAMESPACE}{name} can't be registered ({_said(error)}); check "
                "kafka.schema_registry, and that its user may register"
            ) from error

    @cache
    def schema_of(number: int) -> str:
        try:
            return str(client.get_schema(number).schema_str)
        except Exception as error:
            raise framing.UnknownIdError(f"schema {number} of {url}: {_said(error)}") from error

    return framing.Registered(ids, schema_of)


def _client(section: SchemaRegistrySection) -> Any:
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415 - as above
    except ImportError as error:
        raise SchemaRegistryError(
            f"kafka.schema_registry needs what is not installed ({error.name}): pip install 'mailshadow[registry]'"
        ) from error
    options: dict[str, Any] = {"url": section.url, "timeout": TIMEOUT_SECONDS, "max.retries": 1}
    if section.user:
        options["basic.auth.user.info"] = f"{section.user}:{current(section.password_file, section.password)}"
    if section.ca_file:
        options["ssl.ca.location"] = str(section.ca_file)
    return SchemaRegistryClient.new_client(options)


def _said(error: Exception) -> str:
    """Return what went wrong without the request, which may hold a login."""
    code = getattr(error, "http_status_code", None)
    return f"HTTP {code}" if code else type(error).__name__
