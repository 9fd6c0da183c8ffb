"""Writes orders of operators to the topic of the server whose partition owner shall obey."""

from confluent_kafka import KafkaException, Producer

from deploy.kafka import CALL_TIMEOUT_SECONDS, KafkaSettings, KafkaUnreachableError
from schemas.codec import encode
from schemas.identity import partition_of
from schemas.state import Order
from schemas.topics import Topics


def write_order(settings: KafkaSettings, topics: Topics, order: Order, server: str = "") -> None:
    """Write one order to the source's owners, or those of the target `server`; KafkaUnreachableError on doubt."""
    failures: list[object] = []
    producer = Producer(settings.options() | {"acks": "all"})
    try:
        producer.produce(
            topics.orders(server or topics.source),
            key=order.mailbox,
            value=encode(order),
            partition=partition_of(order.mailbox, settings.partition_count),
            on_delivery=lambda error, _message: failures.append(error) if error else None,
        )
        left = producer.flush(CALL_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise KafkaUnreachableError(f"the order was not written: {error}") from error
    if left or failures:
        raise KafkaUnreachableError(f"the order was not confirmed by {settings.bootstrap_servers}; give it again")
