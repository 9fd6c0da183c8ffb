"""What a cluster has to be for a log nobody loses, as findings: pure decisions over what the cluster said.

Names and defaults are Kafka's (kafka.apache.org, Configuration); what each is for stands in the runbook, Kafka.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.topics import TopicSettings

RECORD_BATCH_BYTES_MIN = 1_000_012
"""A record of ours has up to 1,000,000 bytes; Kafka's default of message.max.bytes has room for one."""
TRANSACTION_TIMEOUT_MS_MIN = 15_000
SESSION_TIMEOUT_MS_MAX = 60_000
REPLICAS_MIN = 3
INSYNC_MIN = 2
_FIXED = ("cleanup.policy", "message.timestamp.type")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicFacts:
    """What the cluster says of a topic: its settings and, of its poorest partition, replicas and those in sync."""

    config: Mapping[str, str]
    partition_count: int
    replicas_min: int
    insync_min: int
    operations: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One line about the cluster and what to do; `is_good` where it is only to be known."""

    text: str
    is_good: bool = False


def judge_topic(wanted: TopicSettings, found: TopicFacts, broker_count: int) -> list[Judgement]:
    """Return what is wrong with a topic, or to be known of it; nothing where all is well."""
    told = [*_judge_settings(wanted, found.config), *_judge_replicas(found, broker_count)]
    if found.partition_count != wanted.partition_count:
        text = f"has {found.partition_count} partitions, kafka.partition_count says {wanted.partition_count}"
        told.insert(0, Judgement(text))
    return [Judgement(f"{wanted.name} {j.text.replace('TOPIC', wanted.name)}", j.is_good) for j in told]


def _judge_settings(wanted: TopicSettings, config: Mapping[str, str]) -> Iterator[Judgement]:
    for name in _FIXED:
        needed = wanted.config.get(name, "")
        if needed and config.get(name, needed) != needed:
            yield Judgement(f"has {name} {config[name]} and needs {needed}: {_alter(name, needed)}")
    needed, kept = wanted.config.get("retention.ms", "0"), config.get("retention.ms", "-1")
    if 0 <= int(kept) < int(needed):
        yield Judgement(f"is kept {int(kept) // 1000} s, less than {needed} ms: {_alter('retention.ms', needed)}")
    unclean = "unclean.leader.election.enable"
    if config.get(unclean) == "true":
        yield Judgement(f"may lose what was acknowledged (unclean leaders): {_alter(unclean, 'false')}")
    size = "max.message.bytes"
    if int(config.get(size, RECORD_BATCH_BYTES_MIN)) < RECORD_BATCH_BYTES_MIN:
        yield Judgement(f"takes no records as large as ours: {_alter(size, str(RECORD_BATCH_BYTES_MIN))}")


def _judge_replicas(found: TopicFacts, broker_count: int) -> Iterator[Judgement]:
    needed = int(found.config.get("min.insync.replicas", "1"))
    if found.insync_min < needed:
        yield Judgement(f"can't be written: {found.insync_min} replicas in sync, {needed} needed; are brokers down?")
    elif found.insync_min < found.replicas_min:
        text = f"has {found.insync_min} of {found.replicas_min} replicas in sync; are brokers down?"
        yield Judgement(text, is_good=True)
    if broker_count < REPLICAS_MIN:
        return
    if found.replicas_min < REPLICAS_MIN:
        yield Judgement(f"has {found.replicas_min} replicas: kafka-reassign-partitions.sh makes it {REPLICAS_MIN}")
    elif needed < INSYNC_MIN:
        advice = _alter("min.insync.replicas", str(INSYNC_MIN))
        yield Judgement(f"may lose what only one broker acknowledged (min.insync.replicas {needed}): {advice}")
    elif needed >= found.replicas_min:
        yield Judgement("stops when one broker is away: min.insync.replicas equals the replicas", is_good=True)


def judge_brokers(config: Mapping[str, str], broker_count: int) -> list[Judgement]:
    """Return what is wrong with the brokers' own settings, or to be known; nothing of one that was not told."""
    told: list[Judgement] = []
    if broker_count < REPLICAS_MIN:
        told.append(Judgement(f"{broker_count} broker(s): the log is as safe as its disk; three keep it", is_good=True))
    if int(config.get("transaction.max.timeout.ms", TRANSACTION_TIMEOUT_MS_MIN)) < TRANSACTION_TIMEOUT_MS_MIN:
        told.append(
            Judgement(f"transaction.max.timeout.ms of the brokers must be {TRANSACTION_TIMEOUT_MS_MIN} or more")
        )
    session_ms = int(config.get("group.consumer.session.timeout.ms", 0))
    if session_ms > SESSION_TIMEOUT_MS_MAX:
        text = f"group.consumer.session.timeout.ms is {session_ms}: so long after a crash nobody does its share"
        told.append(Judgement(text, is_good=True))
    inner = int(config.get("transaction.state.log.replication.factor", REPLICAS_MIN))
    if broker_count >= REPLICAS_MIN and inner < REPLICAS_MIN:
        told.append(Judgement(f"transaction.state.log.replication.factor is {inner}: a lost disk loses commits"))
    return told


def judge_rights(needed: Mapping[str, Iterable[str]], topics: Mapping[str, TopicFacts], role: str) -> list[Judgement]:
    """Return the rights on topics that a role needs and we, whoever we are, do not have."""
    told = []
    for name, operations in needed.items():
        # a cluster without an authorizer says nothing of rights
        allowed = topics[name].operations if name in topics else frozenset()
        missing = [o for o in operations if allowed and o not in allowed]
        if missing:
            text = f"{name}: the {role} may not {', '.join(missing)}; `mailshadow topics acls` prints what it needs"
            told.append(Judgement(text))
    return told


def _alter(name: str, value: str) -> str:
    return f"kafka-configs.sh --alter --topic TOPIC --add-config {name}={value}"
