"""`config show`: every value with its origin, and no secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deploy.settings import load
from deploy.settings_origins import HIDDEN, shown

if TYPE_CHECKING:
    from .conftest import Configuration


def test_every_value_has_its_origin_and_secrets_are_hidden(configuration: Configuration) -> None:
    (configuration.path.parent / "kafka.password").write_text("hidden one\n")
    configuration.sections["kafka.sasl"] = {"mechanism": "PLAIN", "user": "me", "password_file": "kafka.password"}
    configuration.sections["kafka.client"] = {"sasl.jaas.config": "hidden two", "client.id": "us"}
    del configuration.sections["kafka.client"]["sasl.jaas.config"]
    configuration.sections["source"] |= {"password": "", "password_env": "SOURCE_SECRET"}
    environment = {
        "SOURCE_SECRET": "hidden three",
        "MAILSHADOW_KAFKA__REPLICATION_FACTOR": "3",
        "MAILSHADOW_TARGETS__STANDBY__PASSWORD": "hidden four",
    }
    configuration.write()
    rows = {r.path: r for r in shown(load(configuration.path, environment), configuration.path, environment)}
    assert (rows["kafka.partition_count"].value, rows["kafka.partition_count"].origin) == ("2", "file")
    assert rows["kafka.replication_factor"].origin == "environment MAILSHADOW_KAFKA__REPLICATION_FACTOR"
    assert rows["feed.streaming"].origin == "default"
    assert rows["kafka.sasl.password"].value == HIDDEN
    assert rows["kafka.sasl.password"].origin == f"file {configuration.path.parent / 'kafka.password'}"
    assert rows["source.password"].origin == "environment SOURCE_SECRET"
    assert rows["targets.standby.password"].origin == "environment MAILSHADOW_TARGETS__STANDBY__PASSWORD"
    assert rows["kafka.client.client.id"].value == "us"
    assert rows["mailboxes[0].source"].origin == "file"
    assert "hidden " not in repr(rows)


def test_secrets_among_librdkafkas_own_settings_are_hidden_too(configuration: Configuration) -> None:
    configuration.sections["kafka.client"] = {
        "sasl.password": "hidden",
        "ssl.key.pem": "hidden",
        "sasl.oauthbearer.client.secret": "hidden",
        "socket.keepalive.enable": "true",
    }
    configuration.write()
    rows = shown(load(configuration.path, {}), configuration.path, {})
    found = {r.path.removeprefix("kafka.client."): r.value for r in rows if r.path.startswith("kafka.client.")}
    assert [v for v in found.values() if v != HIDDEN] == ["true"]
