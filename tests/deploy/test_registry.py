from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from deploy import wiring
from deploy.migration.book import Book
from deploy.registry import Registry, configured
from deploy.settings import load
from schemas.identity import mailbox_id, partition_of
from schemas.state import Registration, Wave

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.sections import Settings

    from .conftest import Configuration

WAIT_SECONDS = 30.0
PARTITIONS = 2
MAILBOX = mailbox_id("anna@source.test")


def test_the_settings_file_registers_its_mailboxes(configuration: Configuration) -> None:
    configuration.write()
    assert configured(load(configuration.path, {})) == [
        Registration(mailbox=MAILBOX, source="anna@source.test", targets={"standby": "anna@target.test"})
    ]


@pytest.fixture
def settings(connected: Configuration) -> Settings:
    connected.write()
    loaded = load(connected.path, {})
    wiring.prepare_topics(loaded)
    return loaded


@pytest.fixture
def registry(settings: Settings) -> Iterator[Registry]:
    registry = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    yield registry
    registry.close()


@pytest.mark.slow
def test_each_partition_has_its_own_mailboxes_at_the_source_and_at_their_targets(registry: Registry) -> None:
    own = partition_of(MAILBOX, PARTITIONS)
    assert registry.of_source(own) == {MAILBOX: "anna@source.test"}
    assert registry.of_target(own, "standby") == {MAILBOX: "anna@source.test"}
    assert registry.of_target(own, "elsewhere") == {}
    assert registry.of_source(1 - own) == registry.of_target(1 - own, "standby") == {}


@pytest.mark.slow
def test_a_mailbox_added_by_one_process_is_known_to_the_others_and_after_a_restart(
    settings: Settings, registry: Registry
) -> None:
    other = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    added = registry.add("ben@source.test", {"standby": "ben@target.test"})
    deadline = time.monotonic() + WAIT_SECONDS
    while added not in other.all():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    other.close()
    later = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    assert [r.source for r in later.all()] == [
        r.source for r in sorted([added, *configured(settings)], key=lambda r: r.mailbox)
    ]
    later.close()


@pytest.mark.slow
def test_a_mailbox_that_is_added_again_stays_in_its_wave(settings: Settings) -> None:
    planned = Registration(mailbox=MAILBOX, source="anna@source.test", targets={"standby": "a@x.test"}, wave="pilot")
    Book(settings).change(lambda _contents: [Wave(wave="pilot", target="standby"), planned])
    registry = Registry(settings, wiring.kafka_settings(settings), wiring.topics_of(settings))
    try:
        assert registry.add("anna@source.test", {"standby": "b@x.test"}).wave == "pilot"
    finally:
        registry.close()
    found = Book(settings).read()
    assert [m.targets for m in found.members(found.wave("pilot"))] == [{"standby": "b@x.test"}]
