"""What the embedded Kafka is told: server properties and logging, as text (Kafka 4.4, KRaft, one node)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.broker.ports import HOST

SESSION_TIMEOUT_MS = 6_000  # a killed member's partitions move after this; Kafka's default is 45 s
HEARTBEAT_INTERVAL_MS = 1_000
LOG_SIZE_MAX = "10 MB"
LOG_FILES_MAX = 3
# After a crash the controller refuses the broker's new life until the old session is over. A broker that stands still
# for longer than its session was seen to lose the mark of a committed transaction (Kafka 4.4, one node), so a session
# has to be longer than any pause of the machine; the lab's is Kafka's default, because its broker is killed all day.
BROKER_SESSION_TIMEOUT_MS = 9_000
BROKER_SESSION_TIMEOUT_FLUSHED_MS = 30_000
BROKER_HEARTBEAT_INTERVAL_MS = 500
PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPorts:
    """The two ports of one node; both stay the same for as long as its data live."""

    broker: int
    controller: int

    @property
    def bootstrap_servers(self) -> str:
        """The address clients connect to."""
        return f"{HOST}:{self.broker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One more listener, whose clients are told to come back through another port: a proxy's in front of it.

    The name is letters and digits, in capitals; the protocol is one of Kafka's, such as SASL_SSL.
    """

    name: str
    port: int
    advertised_port: int
    protocol: str = "PLAINTEXT"
    host: str = HOST
    advertised_host: str = HOST


def server_properties(
    *,
    ports: BrokerPorts,
    log_directory: Path,
    flush_every_append: bool,
    doors: Sequence[Door] = (),
    further: Mapping[str, str] | None = None,
) -> str:
    """Write the `server.properties` of a single node that is its own controller; `further` settings win."""
    listened = "".join(f",{door.name}://{door.host}:{door.port}" for door in doors)
    advertised = "".join(f",{door.name}://{door.advertised_host}:{door.advertised_port}" for door in doors)
    protocols = "".join(f",{door.name}:{door.protocol}" for door in doors)
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.bootstrap.servers": f"{HOST}:{ports.controller}",
        "listeners": f"PLAINTEXT://{HOST}:{ports.broker},CONTROLLER://{HOST}:{ports.controller}{listened}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{ports.broker}{advertised}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT{protocols}",
        "log.dirs": str(log_directory),
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "broker.session.timeout.ms": str(BROKER_SESSION_TIMEOUT_MS),
        "broker.heartbeat.interval.ms": str(BROKER_HEARTBEAT_INTERVAL_MS),
        "group.initial.rebalance.delay.ms": "0",
        "group.consumer.min.session.timeout.ms": str(SESSION_TIMEOUT_MS),
        "group.consumer.session.timeout.ms": str(SESSION_TIMEOUT_MS),
        "group.consumer.min.heartbeat.interval.ms": str(HEARTBEAT_INTERVAL_MS),
        "group.consumer.heartbeat.interval.ms": str(HEARTBEAT_INTERVAL_MS),
    }
    if flush_every_append:
        settings["log.flush.interval.messages"] = "1"
        settings["broker.session.timeout.ms"] = str(BROKER_SESSION_TIMEOUT_FLUSHED_MS)
    settings |= further or {}
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def logging_properties(*, log_file: Path, logs_access: bool = False) -> str:
    """Write the log4j2 properties: everything to one file, rolled by size and bounded in number.

    With `logs_access` it says of every request which right allowed or refused it, if an authorizer is set.
    """
    settings = {
        "status": "error",
        "appender.file.type": "RollingFile",
        "appender.file.name": "file",
        "appender.file.fileName": str(log_file),
        "appender.file.filePattern": f"{log_file}.%i",
        "appender.file.layout.type": "PatternLayout",
        "appender.file.layout.pattern": "%d{ISO8601} %p %c{1}: %m%n",
        "appender.file.policies.type": "Policies",
        "appender.file.policies.size.type": "SizeBasedTriggeringPolicy",
        "appender.file.policies.size.size": LOG_SIZE_MAX,
        "appender.file.strategy.type": "DefaultRolloverStrategy",
        "appender.file.strategy.max": str(LOG_FILES_MAX),
        "rootLogger.level": "info",
        "rootLogger.appenderRef.file.ref": "file",
    }
    if logs_access:
        settings |= {"logger.access.name": "kafka.authorizer.logger", "logger.access.level": "debug"}
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    """Escape for a Java properties file, where a backslash starts an escape and only Latin-1 is safe."""
    plain = value.replace("\\", "\\\\")
    units = plain.encode("utf-16-be")
    codes = (int.from_bytes(units[place : place + 2], "big") for place in range(0, len(units), 2))
    return "".join(chr(code) if code in PRINTABLE else f"\\u{code:04x}" for code in codes)
