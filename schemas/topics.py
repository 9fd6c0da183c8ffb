"""The catalogue of topics: `<pipeline>.<kind>.<server or pair>` (design §3)."""

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000
CHANGES_RETENTION_MS = 14 * DAY_MS
DEAD_LETTERS_RETENTION_MS = 180 * DAY_MS
TOMBSTONE_RETENTION_MS = DAY_MS
PARTITION_COUNT_DEFAULT = 12


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """A topic as it has to be: name, partitions and configuration."""

    name: str
    partition_count: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of one pipeline's topics, its groups and its transactional ids.

    `is_back`: of the way back, whose orders must not be those of the same servers' owners in the first direction.
    """

    pipeline: str
    source: str
    is_back: bool = False

    @property
    def changes(self) -> str:
        """Change records and body chunks."""
        return f"{self.pipeline}.changes.{self.source}"

    @property
    def mailboxes(self) -> str:
        """The feed's mailbox records."""
        return f"{self.pipeline}.mailboxes.{self.source}"

    @property
    def source_state(self) -> str:
        """Folders with their cursors, and the index."""
        return f"{self.pipeline}.source-state.{self.source}"

    @property
    def control(self) -> str:
        """The registry of mailboxes, and how far a promotion came."""
        return f"{self.pipeline}.control"

    def orders(self, server: str) -> str:
        """Return the topic of what is asked of the owner of a partition at a server."""
        return f"{self.pipeline}.{'orders-back' if self.is_back else 'orders'}.{server}"

    def target_state(self, target: str) -> str:
        """Return the topic of one target's ledger."""
        return f"{self.pipeline}.target-state.{self.source}-{target}"

    def dead_letters(self, target: str) -> str:
        """Return the topic of evidence of what could not be applied at one target."""
        return f"{self.pipeline}.dead-letters.{self.source}-{target}"

    @property
    def feed_group(self) -> str:
        """The consumer group of the feed; also the stem of its transactional ids."""
        return f"{self.pipeline}.feed.{self.source}"

    def replay_group(self, target: str) -> str:
        """Return the consumer group of one target's replay; also the stem of its transactional ids."""
        return f"{self.pipeline}.replay.{self.source}-{target}"

    @property
    def failover_id(self) -> str:
        """The transactional id of whoever drives a promotion: there is one at a time."""
        return f"{self.pipeline}.failover"

    @property
    def migration_id(self) -> str:
        """The transactional id of whoever changes waves: the last to come fences the one before."""
        return f"{self.pipeline}.migration"

    def catalogue(self, targets: tuple[str, ...], partition_count: int) -> list[TopicSettings]:
        """Every topic of the pipeline with the configuration it needs."""
        log = {"cleanup.policy": "delete", "message.timestamp.type": "LogAppendTime"}
        state = {
            "cleanup.policy": "compact",
            "delete.retention.ms": str(TOMBSTONE_RETENTION_MS),
            "min.cleanable.dirty.ratio": "0.3",
        }
        changes = log | {"retention.ms": str(CHANGES_RETENTION_MS)}
        letters = log | {"retention.ms": str(DEAD_LETTERS_RETENTION_MS)}
        wanted = [
            TopicSettings(self.changes, partition_count, changes),
            TopicSettings(self.mailboxes, partition_count, state),
            TopicSettings(self.source_state, partition_count, state),
            TopicSettings(self.orders(self.source), partition_count, changes),
            TopicSettings(self.control, 1, state),
        ]
        for target in targets:
            wanted += [
                TopicSettings(self.target_state(target), partition_count, state),
                TopicSettings(self.dead_letters(target), partition_count, letters),
                TopicSettings(self.orders(target), partition_count, changes),
            ]
        return wanted


def readers_group(topic: str) -> str:
    """Return the group that readers of a topic name, who neither join nor commit: one a pipeline, so one right."""
    return f"{topic.split('.', maxsplit=1)[0]}.readers"


OWNER_KEY = "owner"
"""Key of the tombstone by which an owner proves that the partition is still its own."""


def mailbox_key(mailbox: str) -> str:
    """Key of a mailbox's own record in a state topic."""
    return mailbox


def folder_key(mailbox: str, folder_id: str) -> str:
    """Key of a folder in a state topic."""
    return f"{mailbox}/folder/{folder_id}"


def cursor_key(mailbox: str, folder_id: str, number: int) -> str:
    """Key of a piece of a cursor that does not fit its folder's record; the hierarchy's has no folder."""
    return f"{mailbox}/cursor/{folder_id}/{number:04d}"


def cursors_prefix(mailbox: str) -> str:
    """How the keys of all pieces of a mailbox's cursors begin."""
    return f"{mailbox}/cursor/"


def item_record_key(mailbox: str, item: str) -> str:
    """Key of an item in a state topic."""
    return f"{mailbox}/item/{item}"


def position_key(topic: str) -> str:
    """Key of how far a partition's owners read one of its topics, in their state topic."""
    return f"position/{topic}"


def is_of_mailbox(key: str) -> bool:
    """Tell whether a key of a state topic is one of a mailbox, and not of the partition as a whole."""
    return key != OWNER_KEY and not key.startswith(position_key(""))


def waiting_order_key(mailbox: str, offset: int | None = None, at: int = 0) -> str:
    """Key of an order that waits until its owner knows the mailbox: by its offset and the log's time in milliseconds.

    Without an offset it is what the keys of a mailbox begin with.
    """
    return f"{mailbox}/order/" + ("" if offset is None else f"{offset:020d}-{at}")


def orphan_key(mailbox: str, item: str) -> str:
    """Key of an item whose deletion an operator skipped, in a ledger."""
    return f"{mailbox}/orphan/{item}"


def conflict_key(mailbox: str, item: str) -> str:
    """Key of an item that both servers changed, in a ledger."""
    return f"{mailbox}/conflict/{item}"


FAILOVER_KEY = "failover"
"""Key of the promotion in `control`: the newest one."""


def wave_key(wave: str) -> str:
    """Key of a wave of a migration in `control`."""
    return f"wave/{wave}"


def change_record_key(mailbox: str, subject: str) -> str:
    """Key of a change or a chunk in the log."""
    return f"{mailbox}/{subject}"
