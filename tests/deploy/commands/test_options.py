from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy.commands.options import settings_of
from deploy.lab.broker.process import Broker
from deploy.sections import SettingsError

if TYPE_CHECKING:
    from tests.deploy.conftest import Configuration


def test_a_named_broker_is_used_as_it_is(configuration: Configuration) -> None:
    configuration.write()
    assert settings_of(configuration.path, needs_kafka=True).kafka.bootstrap_servers == "127.0.0.1:9"


def test_without_brokers_and_before_the_first_run_a_person_is_told_both_ways_on(configuration: Configuration) -> None:
    del configuration.sections["kafka"]["bootstrap_servers"]
    configuration.write()
    assert settings_of(configuration.path).kafka.bootstrap_servers == ""
    with pytest.raises(SettingsError, match=r"kafka\.bootstrap_servers: .*name your brokers, or use `mailshadow run`"):
        settings_of(configuration.path, needs_kafka=True)


def test_a_directory_whose_broker_never_started_is_no_broker(configuration: Configuration) -> None:
    del configuration.sections["kafka"]["bootstrap_servers"]
    configuration.write()
    directory = settings_of(configuration.path).pipeline.data_directory / "kafka"
    directory.mkdir(parents=True)
    with pytest.raises(SettingsError, match="mailshadow run"):
        settings_of(configuration.path, needs_kafka=True)


@pytest.mark.slow
def test_the_embedded_broker_is_found_where_run_started_it(configuration: Configuration) -> None:
    del configuration.sections["kafka"]["bootstrap_servers"]
    configuration.write()
    with Broker(settings_of(configuration.path).pipeline.data_directory / "kafka") as broker:
        found = settings_of(configuration.path, needs_kafka=True)
        assert found.kafka.bootstrap_servers == broker.bootstrap_servers
