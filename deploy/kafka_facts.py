"""What a cluster says of itself: topics with their settings, replicas and our rights, and the brokers' settings.

What we may not ask is left out: the settings of brokers need a right of their own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined] # not in their __all__

from deploy.kafka import CALL_TIMEOUT_SECONDS, KafkaSettings, KafkaUnreachableError, admin, answer_of
from deploy.kafka_findings import TopicFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFacts:
    """The topics that are there of those asked for, how many brokers there are, and the settings of one of them."""

    topics: dict[str, TopicFacts]
    broker_count: int
    broker_config: dict[str, str]


def cluster_facts(settings: KafkaSettings, names: Iterable[str]) -> ClusterFacts:
    """Ask the cluster; KafkaUnreachableError if no broker answers or lets us in."""
    client = admin(settings)
    try:
        listed = client.list_topics(timeout=CALL_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise KafkaUnreachableError(
            f"Kafka at {settings.bootstrap_servers} does not answer ({error.args[0].name()}); check "
            "kafka.bootstrap_servers, [kafka.tls] and [kafka.sasl], and that the broker runs"
        ) from error
    there = [name for name in names if name in listed.topics]
    configs = _configs(client, [ConfigResource(ResourceType.TOPIC, name) for name in there])
    brokers = _configs(client, [ConfigResource(ResourceType.BROKER, str(n)) for n in list(listed.brokers)[:1]])
    return ClusterFacts(
        topics=_topics(client, there, configs),
        broker_count=len(listed.brokers),
        broker_config=next(iter(brokers.values()), {}),
    )


def _topics(client: AdminClient, names: list[str], configs: dict[str, dict[str, str]]) -> dict[str, TopicFacts]:
    futures = client.describe_topics(TopicCollection(names), include_authorized_operations=True) if names else {}
    found = {}
    for name, future in futures.items():
        told = answer_of(future)
        found[name] = TopicFacts(
            config=configs.get(name, {}),
            partition_count=len(told.partitions),
            replicas_min=min(len(p.replicas) for p in told.partitions),
            insync_min=min(len(p.isr) for p in told.partitions),
            operations=frozenset(o.name for o in told.authorized_operations or ()),
        )
    return found


def _configs(client: AdminClient, resources: list[ConfigResource]) -> dict[str, dict[str, str]]:
    found = {}
    for resource, future in (client.describe_configs(resources) if resources else {}).items():
        try:
            told = answer_of(future)
        except KafkaException:
            continue  # not allowed to ask
        found[resource.name] = {name: entry.value for name, entry in told.items() if entry.value is not None}
    return found
