"""One run of one mailbox, half by half; what deaths between the halves do is in replay/test_replayer.py."""

from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from consumers.dead_letters import DeadLetterLimit, DeadLetters
from consumers.folder_map import FolderMap
from consumers.gate import Gate
from consumers.ledger import Ledger
from consumers.likeness import Likeness
from consumers.mailbox_run import STAGED_AGAIN_MAX, MailboxWorker
from consumers.merging import Merging
from consumers.plan import Action, Do
from consumers.preparation import ALONE_SECONDS_MIN, ITEM_RETRY_SECONDS_MAX
from consumers.recovery import Recovery
from consumers.run import Run, Tools
from consumers.staging import Staging
from consumers.step import Step
from schemas.change import FolderSaved, ItemDeleted, ItemMarked, ItemMoved, ItemUnreadable, Marks
from schemas.faults import ReplicationFault
from schemas.metrics import ReplayMetrics
from schemas.ports import CallRefused
from schemas.state import ItemRecord, ItemState

READ = Marks(is_read=True)


class Desk:
    """A worker at a mailbox with an inbox and a folder."""

    def __init__(self, target: Any, ledger: Ledger, making: Any, metrics: ReplayMetrics) -> None:
        self.target, self.ledger, self.making = target, ledger, making
        self.now_ms, self.sequence, self.commits = 0, 0, 0
        self.wanted: list[str] = []
        folders = FolderMap(target, ledger, lambda: None)
        self.letters = DeadLetters("letters", "t", DeadLetterLimit(), lambda: self.now_ms, metrics)
        tools = Tools(
            target=target,
            ledger=ledger,
            folders=folders,
            staging=Staging(target, ledger, folders, "abc", portable_only=False),
            recovery=Recovery(target, ledger, folders, "abc", self._commit),
            dead_letters=self.letters,
            gate=Gate(ledger, BreakerLimit(), lambda: self.now_ms, metrics),
            merging=Merging(target, ledger, "abc", lambda: self.now_ms),
            likeness=Likeness(target, is_in_place=False),
            want=lambda _, item: self.wanted.append(item),
        )
        self.worker = MailboxWorker(tools, "abc", self._mint, lambda: self.now_ms, metrics)
        for folder_id, name in (("inbox-s", "inbox"), ("work-s", "")):
            saved = FolderSaved(
                folder_id=folder_id, parent_id="", name="Work", folder_class="IPF.Note", distinguished=name
            )
            folders.save(making.address, making.change(saved), saved)

    def _commit(self) -> None:
        self.commits += 1

    def _mint(self) -> str:
        self.sequence += 1
        return f"{self.sequence:08x}"

    def prepared(self, *operations: Any) -> Run:
        run = Run(self.making.mailbox, self.making.address)
        for operation in operations:
            self.sequence += 1
            change = self.making.change(operation, self.sequence)
            run.steps.append(Step(self.making.received(change, self.sequence), operation, Action(Do.SKIP), None))
        self.worker.prepare(run, "t")
        self.worker.open_items(run)
        return run

    def done(self, *operations: Any) -> Run:
        run = self.prepared(*operations)
        self.worker.perform(run)
        return run

    def record(self, name: str) -> ItemRecord | None:
        return self.ledger.item(self.making.mailbox, self.making.key(name))

    def saved(self, name: str, body: bytes, folder_id: str = "inbox-s") -> Any:
        return self.making.saved(self.making.ref(name, folder_id), body)


@pytest.fixture
def desk(target: Any, ledger: Ledger, making: Any, metrics: ReplayMetrics) -> Desk:
    return Desk(target, ledger, making, metrics)


def test_nothing_is_visible_before_the_commit_and_the_staged_id_is_the_intent(desk: Desk) -> None:
    run = desk.prepared(desk.saved("a", b"one"))
    assert desk.target.visible() == {}
    record = desk.record("a")
    assert record is not None
    assert record.intent is not None
    assert [record.intent.target_id] == [i for i, item in desk.target.items.items() if item.content == b"one"]
    assert run.open_items == [desk.making.key("a")]


def test_what_is_sent_takes_one_call_for_each_kind_and_destination(desk: Desk) -> None:
    desk.done(*[desk.saved(name, name.encode()) for name in "abcdef"])
    desk.target.calls.clear()
    desk.done(
        desk.saved("g", b"g"),
        desk.saved("h", b"h", "work-s"),
        ItemMarked(ref=desk.making.ref("a"), marks=READ),
        ItemMarked(ref=desk.making.ref("b"), marks=READ),
        ItemMoved(ref=desk.making.ref("c", "work-s"), from_folder_id="inbox-s"),
        ItemMoved(ref=desk.making.ref("d", "work-s"), from_folder_id="inbox-s"),
        ItemDeleted(ref=desk.making.ref("e")),
        ItemDeleted(ref=desk.making.ref("f")),
    )
    assert sorted(desk.target.calls) == [
        "delete", "folder_ids", "look", "move", "move", "move", "update", "update", "upload",
    ]  # fmt: skip


def test_an_item_nobody_knows_is_wanted_in_the_half_before_the_commit(desk: Desk) -> None:
    desk.prepared(ItemMarked(ref=desk.making.ref("a"), marks=READ))
    record = desk.record("a")
    assert record is not None
    assert (record.state, desk.wanted) == (ItemState.WANTED, [desk.making.key("a")])


def test_refused_content_is_parked_and_the_others_of_its_run_are_placed(desk: Desk) -> None:
    desk.target.refuse_content[b"bad"] = "ErrorCorruptData"
    desk.done(desk.saved("a", b"bad"), desk.saved("b", b"good"))
    parked, present = desk.record("a"), desk.record("b")
    assert parked is not None
    assert present is not None
    assert (parked.state, parked.reason) == (ItemState.PARKED, "ErrorCorruptData")
    assert present.state is ItemState.PRESENT
    assert len(desk.letters.drain()) == 1


def test_a_refusal_that_heals_is_raised_for_a_while_and_parks_its_item_then(desk: Desk) -> None:
    desk.target.refuse_content[b"bad"] = "ErrorInternalServerTransientError"
    with pytest.raises(CallRefused):
        desk.prepared(desk.saved("a", b"bad"))
    assert desk.record("a") is None
    desk.now_ms = 1000 * ITEM_RETRY_SECONDS_MAX
    desk.prepared(desk.saved("a", b"bad"))
    record = desk.record("a")
    assert record is not None
    assert record.state is ItemState.PARKED


def test_a_refusal_that_is_wider_than_the_item_is_raised(desk: Desk) -> None:
    desk.target.refuse_content[b"full"] = "ErrorQuotaExceeded"
    with pytest.raises(CallRefused):
        desk.prepared(desk.saved("a", b"full"))


def test_a_staged_item_that_vanished_is_put_back_and_after_several_times_parked(desk: Desk) -> None:
    for _ in range(STAGED_AGAIN_MAX):
        run = desk.prepared(desk.saved("a", b"one"))
        desk.target.items.clear()
        desk.worker.perform(run)
        assert [r.change.operation for r in run.again] == [run.steps[0].operation]
        assert desk.record("a") is None
    run = desk.prepared(desk.saved("a", b"one"))
    desk.target.items.clear()
    desk.worker.perform(run)
    record = desk.record("a")
    assert record is not None
    assert (record.state, record.reason, run.again) == (ItemState.PARKED, "never-placed", [])


def test_new_content_takes_the_place_of_the_old_which_is_gone_for_good(desk: Desk) -> None:
    desk.done(desk.saved("a", b"old"))
    desk.done(desk.saved("a", b"new", "work-s"))
    assert [i.content for i in desk.target.items.values()] == [b"new"]
    assert desk.target.recoverable == []


def test_an_item_deleted_at_the_target_is_wanted_when_it_is_marked(desk: Desk) -> None:
    desk.done(desk.saved("a", b"one"))
    desk.target.items.clear()
    desk.done(ItemMarked(ref=desk.making.ref("a"), marks=READ))
    record = desk.record("a")
    assert record is not None
    assert (record.state, record.target_id, desk.wanted) == (ItemState.WANTED, "", [desk.making.key("a")])


def test_settling_what_was_sent_in_vain_finishes_it(desk: Desk) -> None:
    run = desk.prepared(desk.saved("a", b"one"), desk.saved("b", b"two", "work-s"))
    desk.worker.settle_open(run)
    assert {c for states in desk.target.visible().values() for _, c, _ in states} == {b"one", b"two"}
    assert all((r := desk.record(n)) is not None and r.intent is None for n in "ab")


def test_a_mark_that_changes_nothing_keeps_the_content_current_under_the_new_change_key(desk: Desk) -> None:
    making = desk.making
    desk.done(making.saved(making.ref("a", change_key="ck-1"), b"body"))
    desk.done(ItemMarked(ref=making.ref("a", change_key="ck-2"), marks=making.unread))
    writes = len(desk.target.calls)
    desk.done(making.saved(making.ref("a", change_key="ck-2"), b"body"))
    assert not {"upload", "move", "update"} & set(desk.target.calls[writes:])
    desk.done(ItemUnreadable(ref=making.ref("a", change_key="ck-3"), reason="ErrorCorruptData"))
    record = desk.record("a")
    assert record is not None
    assert (record.state, record.source_change_key) == (ItemState.PARKED, "ck-2")


def test_an_item_that_seems_refused_alone_is_parked_only_after_a_while_because_it_may_be_the_network(
    desk: Desk,
) -> None:
    desk.target.refuse_content[b"large"] = ReplicationFault.REFUSED_ALONE
    saved = desk.saved("a", b"large")
    with pytest.raises(CallRefused):
        desk.prepared(saved)
    desk.now_ms += 1000 * ALONE_SECONDS_MIN - 1
    with pytest.raises(CallRefused):
        desk.prepared(saved)
    desk.now_ms += 1
    desk.prepared(saved)
    record = desk.record("a")
    assert record is not None
    assert (record.state, record.reason) == (ItemState.PARKED, ReplicationFault.REFUSED_ALONE)
