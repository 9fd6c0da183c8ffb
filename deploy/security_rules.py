"""What settings of TLS, logins and the schema registry must hold: files that are there, pairs that belong together."""

import difflib
import ssl
from pathlib import Path

from deploy.kafka_security import MECHANISMS, OAUTHBEARER
from deploy.sections import KafkaSection, MetricsSection, ServerSection, Settings, SettingsError

TLS_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_OURS = ("security.protocol", "sasl.", "ssl.")


def check_security(settings: Settings) -> None:
    """Raise SettingsError for the first value that can't be."""
    _check_kafka(settings.kafka)
    _check_server("source", settings.source)
    for name, target in settings.targets.items():
        _check_server(f"targets.{name}", target)
    if settings.rehearsal:
        _check_server("rehearsal", settings.rehearsal)
    _check_metrics(settings.metrics)


def _check_kafka(section: KafkaSection) -> None:
    if not 0 <= section.min_insync_replicas <= section.replication_factor:
        raise SettingsError(
            f"kafka.min_insync_replicas: must be 0 (the brokers' own) to kafka.replication_factor "
            f"({section.replication_factor}) (got {section.min_insync_replicas})"
        )
    twice = [n for n in section.client if n.startswith(_OURS)]
    if twice and (section.tls or section.sasl):
        raise SettingsError(f"kafka.client.{twice[0]}: beside [kafka.tls] or [kafka.sasl]; say it there alone")
    if section.tls:
        _pair("kafka.tls", section.tls.certificate_file, section.tls.key_file)
        _readable("kafka.tls.ca_file", section.tls.ca_file)
    if sasl := section.sasl:
        if sasl.mechanism not in MECHANISMS:
            near = difflib.get_close_matches(sasl.mechanism.upper(), MECHANISMS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise SettingsError(
                f"kafka.sasl.mechanism: must be one of {', '.join(MECHANISMS)} (got {sasl.mechanism!r}){hint}"
            )
        if (sasl.mechanism == OAUTHBEARER) != bool(sasl.token_url):
            raise SettingsError("kafka.sasl.token_url: needed for OAUTHBEARER, and for nothing else")
    registry = section.schema_registry
    if registry and not registry.url.startswith(("http://", "https://")):
        raise SettingsError(f"kafka.schema_registry.url: must be an http or https address (got {registry.url})")


def _check_server(path: str, server: ServerSection) -> None:
    if server.tls_version_min not in TLS_VERSIONS:
        raise SettingsError(
            f"{path}.tls_version_min: must be one of {', '.join(TLS_VERSIONS)} (got {server.tls_version_min!r})"
        )
    _pair(path, server.certificate_file, server.key_file)
    _readable(f"{path}.ca_file", server.ca_file)


def _check_metrics(section: MetricsSection) -> None:
    _pair("metrics", section.certificate_file, section.key_file)


def _pair(path: str, certificate: Path | None, key: Path | None) -> None:
    if (certificate is None) != (key is None):
        raise SettingsError(f"{path}: certificate_file and key_file belong together; give both or none")
    _readable(f"{path}.certificate_file", certificate)
    _readable(f"{path}.key_file", key)


def _readable(path: str, file: Path | None) -> None:
    if file is None:
        return
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{path}: {file} can't be read ({error.strerror}); check it and its rights") from error
