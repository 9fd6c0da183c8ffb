"""What `control` says of a migration, and the one way to change it (design §9: decisions only, progress is derived).

A change is read, decided and written by one transactional producer with an id of the pipeline's own: who comes second
fences who came first, so nobody writes what was decided on an older reading.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException

from deploy import wiring
from deploy.kafka import KafkaUnreachableError, producer
from deploy.partition.reader import read_to_end
from deploy.promotion.office import ENDS, DrivenError
from deploy.registry import configured
from deploy.sections import Settings, SettingsError
from schemas.codec import decode, encode
from schemas.ports import Incoming
from schemas.state import Promotion, Registration, Wave
from schemas.topics import wave_key

INIT_SECONDS = 30.0
COMMIT_SECONDS = 15.0
_FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})  # noqa: SLF001 - librdkafka's name


@dataclass(slots=True)
class Contents:
    """Registrations by mailbox id, waves by name, and the newest promotion."""

    registrations: dict[str, Registration] = field(default_factory=dict)
    waves: dict[str, Wave] = field(default_factory=dict)
    promotion: Promotion | None = None

    @property
    def in_hand(self) -> str:
        """Return the id of the promotion that is not at its end; empty where there is none."""
        return self.promotion.promotion if self.promotion and self.promotion.stage not in ENDS else ""

    def wave(self, name: str) -> Wave:
        """Return a wave; SettingsError where there is none of that name."""
        if name not in self.waves:
            known = ", ".join(sorted(self.waves)) or "none yet; `mailshadow migrate plan` makes them"
            raise SettingsError(f"wave {name}: no such wave; there are: {known}")
        return self.waves[name]

    def members(self, wave: Wave) -> list[Registration]:
        """Return the mailboxes of a wave, in the order in which they are to go."""
        mine = (r for r in self.registrations.values() if r.wave == wave.wave and wave.target in r.targets)
        return sorted(mine, key=lambda r: (r.priority, r.source.casefold()))

    def take(self, record: object) -> None:
        """Take in one record of `control`."""
        match record:
            case Registration():
                self.registrations[record.mailbox] = record
            case Wave():
                self.waves[record.wave] = record
            case Promotion():
                self.promotion = record


Decide = Callable[[Contents], Sequence[Wave | Registration]]


class Book:
    """The waves and registrations of one pipeline."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection = wiring.kafka_settings(settings)
        self._topics = wiring.topics_of(settings)

    def read(self) -> Contents:
        """Return what stands there; PartitionLost if Kafka does not answer."""
        found = Contents({r.mailbox: r for r in configured(self._settings)})
        for record in read_to_end(self._connection, self._topics.control, 0, None, lambda: True):
            if isinstance(record, Incoming) and record.value:
                found.take(decode(record.value))
        return found

    def change(self, decide: Decide) -> Contents:
        """Write what is decided on what stands there, all or nothing, and return it as it stands then."""
        writer = producer(self._connection, self._topics.migration_id)
        try:
            writer.init_transactions(INIT_SECONDS)
            found = self.read()
            records = decide(found)
            if records:
                writer.begin_transaction()
                for key, value in _keyed(records):
                    writer.produce(self._topics.control, key=key, value=value, partition=0)
                    writer.poll(0)  # a mapping file may hold more rows than a producer's queue
                writer.commit_transaction(COMMIT_SECONDS)
        except KafkaException as error:
            look = "`mailshadow migrate status` shows what stands there"
            if error.args[0].code() in _FENCED:
                raise DrivenError(f"somebody else decided about a wave at the same time; {look}") from error
            raise KafkaUnreachableError(f"what was decided may not be written: {error}; {look}") from error
        for record in records:
            found.take(record)
        return found


def _keyed(records: Iterable[Wave | Registration]) -> Iterable[tuple[str, bytes]]:
    for record in records:
        yield (wave_key(record.wave) if isinstance(record, Wave) else record.mailbox), encode(record)
