"""A feed and a replay in memory with one log between them: one mailbox, one target, two clocks that go together.

What the feed commits is what the replay reads, what the replay orders is what the feed reads; nothing else is shared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumers.scope import Scope
from producers.index import MailboxIndex
from schemas.codec import decode
from schemas.ports import Incoming, PartitionLost
from schemas.state import ItemState, Order, SourceRole, TargetRole
from tests.consumers.at_target.replay.conftest import Adversity, Died, World
from tests.producers.conftest import Rig

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from schemas.change import Marks
    from schemas.metrics import ReplayMetrics

TARGET = "t"
RESTS_MAX = 60
MERGE_MS = 600_000
BEHIND_MS = 2_000_000
"""Longer than a mailbox that fell behind waits before it tries again."""


def _unharmed(_name: str, _when: str) -> None:
    pass


class Pair:
    """A source, a feed, a log, a replay and a target."""

    def __init__(self, directory: Path, make_target: Any, make_owned: Any, making: Any, metrics: ReplayMetrics) -> None:
        self.rig = Rig(directory)
        self.source = self.rig.source
        self.world = World(make_target, make_owned, making, metrics)
        self.target = self.world.target
        self.world.topics = topics = self.rig.topics
        self.world.addresses = {self.rig.mailbox: making.address}
        self.feed_records: list[Incoming] = []
        self.world.owned.logs = {topics.changes: self.world.log, topics.mailboxes: self.feed_records}
        self.world.rests = 2
        self._ordered = 0
        self._foreign_items = list(self.world.foreign.items())
        self.scope_classes: tuple[str, ...] = ()

    # -- both sides ----------------------------------------------------------------------------------------------

    def feed(self, times: int) -> None:
        """Let the feed go round."""
        self.rig.spin(times)
        self._hand_on()

    def replay(self, strikes: dict[int, str] | None = None) -> None:
        """Let one replay work until it has nothing to do, or until it dies."""
        self._hand_on()
        self.world.now_ms = max(self.world.now_ms, self.rig.now)
        self.world.scope = Scope(classes_left_out=self.scope_classes)
        adversity = Adversity(dict(strikes or {}))
        try:
            self.world.replay(adversity)
        except (Died, PartitionLost):
            pass
        finally:
            self.target.hook = self.world.owned.hook = _unharmed
            self.rig.now = max(self.rig.now, self.world.now_ms)
            self._hand_on()

    def rest(self) -> None:
        """Heal everything, and let both sides work until nothing is left to do."""
        self.source.hooks.clear()
        self.rig.owned.failing.clear()
        self.target.deliver_late()
        for _ in range(RESTS_MAX):
            self.rig.rest(30)
            self.feed(8)
            self.replay()
            if self._is_level():
                break
            self.rig.now += BEHIND_MS if self.world.mailbox_record(self.rig.mailbox).behind else 0
        self.rig.rest(30)
        self.feed(8)
        self.replay()
        assert self._is_level(), "never comes to rest"

    def _hand_on(self) -> None:
        owned, topics = self.rig.owned, self.rig.topics
        for topic, records in ((topics.changes, self.world.log), (topics.mailboxes, self.feed_records)):
            committed = owned.log[topic]
            records += [
                Incoming(n, self.rig.now, committed[n].key, committed[n].value)
                for n in range(len(records), len(committed))
            ]
        orders = [r for r in self.world.owned.written if r.topic == self.rig.orders_topic]
        for record in orders[self._ordered :]:
            self.rig.order(decode(record.value or b""))
        self._ordered = len(orders)

    def _is_level(self) -> bool:
        source, target = self.index().record, self.world.mailbox_record(self.rig.mailbox)
        is_read = target.applied.generation == source.generation and target.applied_sequence == source.next_sequence - 1
        is_quiet = not (target.waiting or target.behind or target.unsettled or source.seed_begun)
        return is_read and is_quiet and not self.index().owed and not self.index().pending

    def index(self) -> MailboxIndex:
        """Return what the feed has committed."""
        return MailboxIndex.restore(self.rig.mailbox, self.rig.topics, self.rig.owned)

    def users_act(self, chance: random.Random) -> None:
        """Let a user of the target do what nobody of ours may touch, in a folder that stays."""
        inbox = self.target.root(self.world.making.address, "inbox")
        folder = chance.choice((inbox, self.world.foreign_folder_id))
        self._foreign_items.append((folder, self.target.add_item(folder, b"mine")))

    # -- operators -----------------------------------------------------------------------------------------------

    def order_feed(self, kind: str, *, promotion: str = "", is_planned: bool = False) -> None:
        """Give the feed an order."""
        self.rig.order(
            Order(
                mailbox=self.rig.mailbox, kind=kind, items=(), target=TARGET, reason="fuzz", issued_at=self.rig.now,
                until=self.rig.now + MERGE_MS, promotion=promotion, planned=is_planned,
            )
        )  # fmt: skip

    def promote(self, *, is_planned: bool) -> None:
        """Close the source, drain and open the target."""
        self.order_feed("CLOSE", promotion="p1", is_planned=is_planned)
        self.feed(40)
        assert self.index().record.role == SourceRole.FENCED
        self.replay()
        self.world.order("OPEN", mailbox=self.rig.mailbox, promotion="p1", accepted=True)
        self.replay()
        assert self.world.mailbox_record(self.rig.mailbox).role == TargetRole.OPEN

    def merge(self) -> None:
        """Read the tail of the old source into the open target."""
        self.world.order("MERGE", mailbox=self.rig.mailbox, promotion="r1")
        self.replay()
        self.order_feed("MERGE", promotion="r1")
        for _ in range(4):
            self.feed(20)
            self.replay()
            self.rig.now += 2_000

    # -- what is compared ----------------------------------------------------------------------------------------

    def path(self, folder_id: str) -> str:
        """Return where a source folder has to stand at the target."""
        if folder_id == self.source.inbox:
            return "inbox"
        seen = self.source.folders[folder_id].seen
        return f"{self.path(seen.parent_id) if seen.parent_id else 'msgfolderroot'}/{seen.name}"

    def expected(self) -> dict[str, list[tuple[str, bytes, Marks]]]:
        """Return what the target has to show, by item key."""
        index = self.index()
        items = list(self.source.items_by_id.values())
        assert {e.item_id for e in index.entries.values()} == {i.item_id for i in items}, "the index is not the source"
        items = [i for i in items if i.item_class not in self.scope_classes]
        shown = {}
        for item in items:
            entry = index.by_item_id(item.item_id)
            assert entry is not None
            shown[entry.item] = [(self.path(item.folder_id), item.content, item.marks)]
        return shown

    def assert_equal(self) -> None:
        """Compare items, marks, placement and folders; nothing staged, open, stray or foreign."""
        seen = self.target.visible()
        assert {c for _, c, _ in seen.pop("foreign")} == {b"mine"}
        expected = self.expected()
        assert seen == expected
        assert self.target.staged() == []
        folders = {self.path(f) for f in self.source.folders} - {"inbox"}
        assert self.target.tree() == folders | {"msgfolderroot/Mine"}
        records = [r for r in self.world.item_records() if r.state is not ItemState.LEFT_OUT]
        assert [r for r in records if r.intent or r.target_id not in self.target.items] == []
        assert all(self.target.items[i].folder_id == folder for folder, i in self._foreign_items)
