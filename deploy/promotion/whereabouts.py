"""Where each mailbox's users work now, by the roles in the log (design §8): the source, a target, or nowhere yet."""

from collections.abc import Collection
from dataclasses import dataclass

from deploy.kafka import KafkaSettings
from deploy.pipeline_state import TargetStanding, read_mailboxes, read_target
from schemas.roles import users_work_at
from schemas.state import MailboxRecord, SourceRole
from schemas.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Mailboxes (ids) that do not live at the source: promoted ones with their target, and those in between."""

    promoted: dict[str, str]
    between: frozenset[str]

    @property
    def elsewhere(self) -> frozenset[str]:
        """Those whom a promotion from the source can't begin with."""
        return self.between | self.promoted.keys()


EVERYBODY_AT_HOME = Whereabouts(promoted={}, between=frozenset())


def whereabouts(settings: KafkaSettings, topics: Topics, targets: Collection[str]) -> Whereabouts:
    """Read where everybody lives; PartitionLost if Kafka does not answer. A ledger is read only where one may be."""
    records = read_mailboxes(settings, topics.mailboxes)
    opened = {r.opening for r in records.values() if r.role != SourceRole.MIRRORING} & set(targets)
    return judged(records, {t: read_target(settings, topics.target_state(t)) for t in sorted(opened)})


def judged(records: dict[str, MailboxRecord], standings: dict[str, dict[str, TargetStanding]]) -> Whereabouts:
    """Return where everybody lives, by the records of the source and the standings at targets. Pure."""
    promoted, between = {}, set()
    for mailbox, record in records.items():
        if record.role == SourceRole.MIRRORING:
            continue
        standing = standings.get(record.opening, {}).get(mailbox)
        if standing and users_work_at(standing.record):
            promoted[mailbox] = record.opening
        else:
            between.add(mailbox)
    return Whereabouts(promoted=promoted, between=frozenset(between))
