"""Follows the state topics from their beginning, on a thread, and folds what they say.

State: a consumer without a group, the fold, and how far each partition has to be read before the fold counts.
Failure: Kafka away: what is known stays and ages; the reader goes on by itself when it is back.
"""

import logging
import threading
import time

from confluent_kafka import TopicPartition

from deploy.kafka import KafkaSettings, end_offset, reader
from deploy.observation.fold import SOURCE, Fold
from deploy.partition.reader import incoming
from schemas.ports import Clock
from schemas.topics import Topics

log = logging.getLogger(__name__)

BATCH_RECORDS_MAX = 1000
READ_TIMEOUT_SECONDS = 0.5


class Follower:
    """Keeps a fold up to date until closed; hold `turn` while reading it."""

    def __init__(self, settings: KafkaSettings, topics: Topics, fold: Fold, clock: Clock) -> None:
        self.fold = fold
        self.turn = threading.Lock()
        self.is_restored = False
        self._clock = clock
        self._server_of = {topics.mailboxes: SOURCE, topics.source_state: SOURCE}
        self._server_of |= {topics.target_state(target): target for target in fold.targets}
        self._consumer = reader(settings, "monitor")
        numbers = range(settings.partition_count)
        places = [(topic, number) for topic in self._server_of for number in numbers]
        self._ends = {place: end_offset(self._consumer, *place) for place in places}
        self._consumer.assign([TopicPartition(t, n, low) for (t, n), (low, _) in self._ends.items()])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)
        self._thread.start()

    def await_restored(self, seconds_max: float) -> bool:
        """Wait until everything that stood in the topics at the start is folded."""
        deadline = time.monotonic() + seconds_max
        while not self.is_restored and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.is_restored

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        self._thread.join(5.0)

    def _follow(self) -> None:
        while not self._stop.is_set():
            messages = self._consumer.consume(BATCH_RECORDS_MAX, READ_TIMEOUT_SECONDS)
            now = self._clock()
            with self.turn:
                for message in messages:
                    if not message.error():
                        record = incoming(message)
                        server = self._server_of[str(message.topic())]
                        self.fold.take(server, record.key, record.value, now, record.appended_at)
            self.is_restored = self.is_restored or self._is_at_end()
        self._consumer.close()

    def _is_at_end(self) -> bool:
        """Tell whether every partition was read to where it ended at the start (facts: kafka §2)."""
        open_ends = [TopicPartition(t, n) for (t, n), (low, end) in self._ends.items() if low < end]
        positions = self._consumer.position(open_ends) if open_ends else []
        return all(at.offset >= self._ends[at.topic, at.partition][1] for at in positions)
