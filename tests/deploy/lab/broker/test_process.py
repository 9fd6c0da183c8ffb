"""The embedded Kafka as a process: what is acknowledged stays, and one directory has one broker."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource

from deploy.lab.broker.directory import BrokerDirectory
from deploy.lab.broker.lock import DirectoryInUseError
from deploy.lab.broker.ports import PortError
from deploy.lab.broker.process import Broker, BrokerError

NewBroker = Callable[..., Broker]


class RecordLog(Protocol):
    """One topic, as conftest makes it."""

    topic: str

    def producer(self, **settings: str | int) -> Producer: ...
    def append(self, *values: bytes) -> None: ...
    def read(self, isolation_level: str = "read_committed") -> list[bytes]: ...


CreateLog = Callable[[str], RecordLog]
RECORDS_BEFORE_KILL = 300
SEEN_SECONDS_MAX = 10.0


def is_alive(process_id: int) -> bool:
    """Whether the process runs; one that ended but was not yet waited for does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process_id}/status").read_text()
    except FileNotFoundError:
        return False


def until(look: Callable[[], bool]) -> bool:
    """Wait until something is so; False if it never was."""
    deadline = time.monotonic() + SEEN_SECONDS_MAX
    while not (is_so := look()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return is_so


def test_a_broker_that_was_never_started_has_neither_address_nor_process(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    assert not broker.is_running
    with pytest.raises(BrokerError, match="never started"):
        _ = broker.bootstrap_servers
    with pytest.raises(BrokerError, match="not running"):
        _ = broker.pid
    broker.stop()


@pytest.mark.slow
def test_committed_readers_see_a_transaction_whole_or_not_at_all(kafka: str, create_log: CreateLog) -> None:
    log = create_log(kafka)
    producer = log.producer(**{"transactional.id": log.topic})
    producer.init_transactions(30)
    for value, is_kept in ((b"kept", True), (b"dropped", False), (b"kept too", True)):
        producer.begin_transaction()
        producer.produce(log.topic, value)
        producer.flush(30)
        if is_kept:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)
    assert log.read() == [b"kept", b"kept too"]
    assert log.read("read_uncommitted") == [b"kept", b"dropped", b"kept too"]


@pytest.mark.slow
def test_the_broker_itself_says_when_it_expels_a_member(kafka: str) -> None:
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": kafka})
    settings = admin.describe_configs([resource])[resource].result(30)
    assert settings["group.consumer.session.timeout.ms"].value == "6000"
    assert settings["group.consumer.heartbeat.interval.ms"].value == "1000"
    assert settings["message.max.bytes"].value == "1048588"


@pytest.mark.slow
def test_data_and_address_survive_a_restart(tmp_path: Path, new_broker: NewBroker, create_log: CreateLog) -> None:
    broker = new_broker(tmp_path, flush_every_append=True)
    broker.start()
    address, first_pid = broker.bootstrap_servers, broker.pid
    log = create_log(address)
    log.append(b"one", b"two")
    broker.restart()
    assert broker.bootstrap_servers == address
    assert broker.pid != first_pid
    assert not is_alive(first_pid)
    assert log.read() == [b"one", b"two"]


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["java", "guard"])
def test_whatever_was_acknowledged_survives_kill_9(
    tmp_path: Path, new_broker: NewBroker, create_log: CreateLog, victim: str
) -> None:
    broker = new_broker(tmp_path)
    broker.start()
    assert broker._guard is not None
    java_pid = broker.pid
    log = create_log(broker.bootstrap_servers)
    acknowledged: list[bytes] = []
    is_enough = threading.Event()

    def remember(error: object, message: Message) -> None:
        if error is None:
            acknowledged.append(message.value() or b"")
        if len(acknowledged) >= RECORDS_BEFORE_KILL:
            is_enough.set()

    producer = log.producer(**{"linger.ms": 1, "message.timeout.ms": 1_000})
    number = 0
    while not is_enough.is_set():
        try:
            producer.produce(log.topic, f"{number}".encode(), on_delivery=remember)
        except BufferError:  # a busy machine acknowledges more slowly than this loop writes
            producer.poll(0.1)
            continue
        producer.poll(0)
        number += 1
    guard = broker._guard
    guard.send_signal(signal.SIGSTOP)  # a busy machine lets the guard look late, here for longer
    os.kill(java_pid if victim == "java" else guard.pid, signal.SIGKILL)  # with records in flight
    producer.flush(10)
    is_seen = until(lambda: not broker.is_running)
    wakes = threading.Timer(1.0, guard.send_signal, [signal.SIGCONT])
    wakes.start()
    broker.start()
    wakes.join()
    assert is_seen
    assert not is_alive(java_pid)
    kept = log.read()
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))


@pytest.mark.slow
def test_a_second_broker_on_the_same_directory_is_refused(tmp_path: Path, new_broker: NewBroker) -> None:
    first, second = new_broker(tmp_path), new_broker(tmp_path)
    first.start()
    with pytest.raises(DirectoryInUseError, match="already runs here"):
        second.start()
    assert first.is_running


@pytest.mark.slow
def test_a_remembered_port_in_use_is_refused_by_number(tmp_path: Path, new_broker: NewBroker) -> None:
    first = new_broker(tmp_path / "first")
    first.start()
    port = int(first.bootstrap_servers.rpartition(":")[2])
    with pytest.raises(PortError, match=f"Port {port} of 127.0.0.1 is in use"):
        new_broker(tmp_path / "second", port=port).start()


@pytest.mark.slow
def test_a_broker_that_cannot_come_up_shows_the_last_lines_of_its_log(tmp_path: Path, new_broker: NewBroker) -> None:
    broker = new_broker(tmp_path)
    broker.start()
    broker.stop()
    (BrokerDirectory(tmp_path).log_directory / "meta.properties").write_text("version=none\n")
    with pytest.raises(BrokerError, match=r"ended while it was starting(?s:.*)meta\.properties"):
        broker.start()
    assert not broker.is_running
