from __future__ import annotations

import re
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from deploy import wiring
from deploy.registry import Registry
from deploy.settings import load
from schemas.topics import Topics

if TYPE_CHECKING:
    from .conftest import Configuration

WAIT_SECONDS = 60.0


def test_times_are_shown_in_utc_and_never_is_a_dash() -> None:
    assert wiring.iso_time(0) == "-"
    assert wiring.iso_time(1_767_225_600_000) == "2026-01-01T00:00:00Z"


def test_nonces_are_16_hex_digits_and_never_the_same() -> None:
    nonces = {wiring.mint_nonce() for _ in range(1000)}
    assert len(nonces) == 1000
    assert all(re.fullmatch("[0-9a-f]{16}", n) for n in nonces)


def test_every_setting_of_a_server_and_of_kafka_reaches_its_connection(configuration: Configuration) -> None:
    for name in ("ca.pem", "own.pem", "kafka.password"):
        (configuration.path.parent / name).write_text("hidden\n")
    files = {"ca_file": "ca.pem", "certificate_file": "own.pem", "key_file": "own.pem"}
    configuration.sections["source"] |= {"timeout_seconds": 7.5, "auth": "ntlm", "tls_version_min": "1.3", **files}
    configuration.sections["kafka"] |= {"replication_factor": 3, "rack": "room-1", "create_topics": False}
    configuration.sections["kafka.client"] = {"client.id": "test"}
    configuration.sections["kafka.tls"] = files
    configuration.sections["kafka.sasl"] = {"mechanism": "PLAIN", "user": "me", "password_file": "kafka.password"}
    configuration.write()
    settings = load(configuration.path, {})
    server, kafka = wiring.server_settings(settings.source), wiring.kafka_settings(settings)
    for name in ("name", "url", "user", "password", "version", "auth", "timeout_seconds"):
        assert getattr(server, name) == getattr(settings.source, name)
    whole = {name: configuration.path.parent / file for name, file in files.items()}
    assert {name: getattr(server.tls, name) for name in files} == whole
    assert server.tls.version_min is ssl.TLSVersion.TLSv1_3
    for name in ("bootstrap_servers", "partition_count", "replication_factor"):
        assert getattr(kafka, name) == getattr(settings.kafka, name)
    assert not kafka.creates_topics
    assert kafka.options() == {
        "bootstrap.servers": settings.kafka.bootstrap_servers,
        "client.id": "test",
        "client.rack": "room-1",
        "security.protocol": "SASL_SSL",
        "ssl.ca.location": str(whole["ca_file"]),
        "ssl.certificate.location": str(whole["certificate_file"]),
        "ssl.key.location": str(whole["key_file"]),
        "sasl.mechanism": "PLAIN",
        "sasl.username": "me",
        "sasl.password": "hidden",
    }
    assert "hidden" not in repr(kafka) + repr(settings)
    assert wiring.topics_of(settings) == Topics(settings.pipeline.name, "mail")


@pytest.mark.slow
def test_a_feed_and_a_replay_become_ready_and_end_when_told_to(connected: Configuration) -> None:
    connected.write()
    settings = load(connected.path, {})
    assert wiring.prepare_topics(settings)
    assert wiring.prepare_topics(settings) == []
    mailboxes = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    for service in (
        wiring.feed_service(settings, mailboxes),
        wiring.replay_service(settings, mailboxes, "standby"),
    ):
        stop = threading.Event()
        thread = threading.Thread(target=service.run, args=(stop,))
        assert not service.is_ready()
        thread.start()
        deadline = time.monotonic() + WAIT_SECONDS
        while not service.is_ready() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert service.is_ready()
        assert service.is_healthy()
        stop.set()
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()
        assert not service.is_ready()
    mailboxes.close()
