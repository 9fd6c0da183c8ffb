"""A run as the rules see it: which item of the source is which at a target."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from deploy.lab.chaos.checker.log import Ledger, Log
from deploy.lab.chaos.checker.names import item_key, mailbox_id, stamp_of, target_id
from deploy.lab.chaos.checker.shore import Life, Moment, Shore, shores_of
from deploy.lab.chaos.evidence import Anomaly, Evidence, RunMailbox
from deploy.lab.standing import standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """A mailbox at the source and at one target."""

    target: str
    mailbox: str
    source: Shore
    shore: Shore
    ledger: Ledger
    stamps: str
    """How stamps name this target."""


class Case:
    """Everything a rule may ask; derived once from the evidence."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.run = evidence.run
        self.log = Log(evidence.run, evidence.log)
        self.sources = shores_of(evidence.source)
        self._targets = {name: shores_of(writes) for name, writes in evidence.targets.items()}
        self._lives: dict[str, dict[str, list[Life]]] = {}
        self._kin: dict[str, dict[str, list[Life]]] = {}

    @property
    def is_level(self) -> bool:
        """Whether the run came to rest, so that its end may be judged."""
        return self.run.level_ms is not None

    @cached_property
    def pairings(self) -> list[Pairing]:
        """Every mailbox of every target."""
        return [self._pair(mailbox, target) for mailbox in self.run.mailboxes for target in mailbox.targets]

    @cached_property
    def at_rest(self) -> list[Pairing]:
        """The mailboxes whose end may be judged: all where the run came to rest, else those that did by themselves.

        One that never does must not hide what became of the others: what the last status calls level, with the source
        certain up to a time after everybody's last write, is at rest.
        """
        if self.is_level:
            return self.pairings
        rows = {row["mailbox"]: row for row in self.run.last_status}
        last_ms = max([self.run.healed_ms, *(write.time_ms for write in self.evidence.source)])
        known = [(pairing, rows[pairing.mailbox]) for pairing in self.pairings if pairing.mailbox in rows]
        return [pairing for pairing, row in known if standing([row], pairing.target, last_ms).level]

    def _pair(self, mailbox: RunMailbox, target: str) -> Pairing:
        return Pairing(
            target=target,
            mailbox=mailbox_id(mailbox.source),
            source=self.sources.get(mailbox.source.lower(), Shore()),
            shore=self._targets.get(target, {}).get(mailbox.targets[target].lower(), Shore()),
            ledger=self.log.ledgers[target],
            stamps=target_id(self.run.pipeline, target),
        )

    def source_lives(self, pairing: Pairing, item: str) -> list[Life]:
        """Return the lives at the source that a key stands for: by its formula, and by the ids the log gives it.

        More than one only where the feed took a copy for the moved original, which is the same to its users; they
        share the SearchKey.
        """
        known = self._lives.get(pairing.mailbox)
        if known is None:
            known = self._lives[pairing.mailbox] = self._named_lives(pairing)
        return known.get(item, [])

    def twins(self, pairing: Pairing, item: str) -> list[Life]:
        """Return every life at the source that shares the SearchKey of an item, itself among them.

        Copies made between two readings are the same to the feed, and to users: it may take either for the moved
        original, so which key stands for which of them is not judged.
        """
        lives = self.source_lives(pairing, item)
        return self.kin(pairing).get(search_key_of(lives[0]), []) if lives else []

    def kin(self, pairing: Pairing) -> dict[str, list[Life]]:
        """Return the lives of a mailbox of the source by SearchKey."""
        known = self._kin.get(pairing.mailbox)
        if known is None:
            known = self._kin[pairing.mailbox] = {}
            for life in pairing.source.lives:
                known.setdefault(search_key_of(life), []).append(life)
        return known

    def _named_lives(self, pairing: Pairing) -> dict[str, list[Life]]:
        named: defaultdict[str, list[Life]] = defaultdict(list)
        for life in pairing.source.lives:
            for ident in life.ids:
                named[item_key(pairing.mailbox, ident)].append(life)
        for logged in self.log.changes.get(pairing.mailbox, ()):
            lives = named.get(logged.item)
            twin = pairing.source.by_id.get(logged.change.operation.ref.item_id) if logged.item else None  # type: ignore[union-attr] # an item change has a ref
            if lives and twin and twin not in lives and search_key_of(twin) == search_key_of(lives[0]):
                lives.append(twin)
        return dict(named)


def search_key_of(life: Life) -> str:
    """Return what a copy shares with its original; an item without one is alone."""
    write = life.moments[0].write
    return write.search_key or write.id


def item_of(pairing: Pairing, moment: Moment) -> str:
    """Return the item key of the stamp an item carries, or nothing where it is no stamp of this target."""
    stamp = stamp_of(moment.write.stamp)
    return stamp.item if stamp and stamp.target == pairing.stamps else ""


def traces(pairing: Pairing) -> Iterator[tuple[str, list[Life]]]:
    """Yield every item key with our lives that were visible under it at the target."""
    found: defaultdict[str, list[Life]] = defaultdict(list)
    for life in pairing.shore.lives:
        if life.is_ours and (seen := life.seen) and (item := item_of(pairing, seen[0])):
            found[item].append(life)
    yield from found.items()


def anomaly(rule: str, pairing: Pairing, item: str, detail: str) -> Anomaly:
    """Return an anomaly of an item at a target; its story is told later."""
    return Anomaly(rule=rule, mailbox=pairing.mailbox, item=item, detail=f"{pairing.target}: {detail}")
