"""The text Kafka is configured with."""

from pathlib import Path

from deploy.lab.broker.properties import BrokerPorts, Door, logging_properties, server_properties

PORTS = BrokerPorts(broker=20_001, controller=20_002)


def settings_of(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def properties(*, flush_every_append: bool = False, log_directory: str = "/data/log") -> dict[str, str]:
    text = server_properties(ports=PORTS, log_directory=Path(log_directory), flush_every_append=flush_every_append)
    return settings_of(text)


def test_the_broker_listens_on_this_machine_only() -> None:
    listeners = properties()["listeners"].split(",")
    assert listeners == ["PLAINTEXT://127.0.0.1:20001", "CONTROLLER://127.0.0.1:20002"]
    assert properties()["advertised.listeners"] == f"PLAINTEXT://{PORTS.bootstrap_servers}"


def test_clients_that_come_through_a_door_are_told_to_come_back_through_the_proxy_before_it() -> None:
    doors = [Door(name="DOOR1", port=20_003, advertised_port=40_001)]
    text = server_properties(ports=PORTS, log_directory=Path("/data"), flush_every_append=False, doors=doors)
    found = settings_of(text)
    assert found["listeners"].split(",")[-1] == "DOOR1://127.0.0.1:20003"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:20001,DOOR1://127.0.0.1:40001"
    assert found["listener.security.protocol.map"].split(",")[-1] == "DOOR1:PLAINTEXT"


def test_a_killed_member_is_expelled_after_six_seconds() -> None:
    assert properties()["group.consumer.session.timeout.ms"] == "6000"
    assert properties()["group.consumer.heartbeat.interval.ms"] == "1000"


def test_every_append_is_flushed_only_when_asked_for() -> None:
    assert properties(flush_every_append=True)["log.flush.interval.messages"] == "1"
    assert "log.flush.interval.messages" not in properties()


def test_the_limit_of_a_batch_stays_kafkas_own() -> None:
    assert "message.max.bytes" not in properties()


def test_a_path_is_escaped_for_java() -> None:
    assert properties(log_directory="/data/a\\b é😀")["log.dirs"] == r"/data/a\\b \u00e9\ud83d\ude00"


def test_kafkas_log_is_bounded_in_size_and_number() -> None:
    settings = settings_of(logging_properties(log_file=Path("/data/server.log")))
    assert settings["appender.file.fileName"] == "/data/server.log"
    assert settings["appender.file.policies.size.size"] == "10 MB"
    assert settings["appender.file.strategy.max"] == "3"
