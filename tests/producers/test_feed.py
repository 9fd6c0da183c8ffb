from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.capture import Dirt
from producers.feed import REFUSED_RETRY_SECONDS, HaltError
from producers.index import MailboxIndex
from producers.source import HierarchyPage, ItemPage
from schemas.change import ItemSaved, SeedBegin, SeedEnd, Version
from schemas.codec import decode, encode
from schemas.faults import ReplicationFault
from schemas.identity import mailbox_id
from schemas.ports import AnswerUnknown, CallRefused, Outgoing
from schemas.refusals import SPAN_MS_MIN
from schemas.state import MailboxRecord, Order, TargetMailbox
from schemas.topics import mailbox_key

from .memory_source import ADDRESS
from .replica import assert_equal

if TYPE_CHECKING:
    from .conftest import Rig


def record_of(rig: Rig, mailbox: str = "") -> MailboxRecord:
    stored = rig.owned.get(rig.topics.mailboxes, mailbox_key(mailbox or rig.mailbox))
    found = decode(stored or b"")
    assert isinstance(found, MailboxRecord)
    return found


def order(rig: Rig, kind: str, reason: str = "") -> Order:
    return Order(mailbox=rig.mailbox, kind=kind, items=(), target="", reason=reason, issued_at=0)


def test_a_first_copy_is_a_seed_of_generation_one(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    operations = [c.operation for c in rig.changes()]
    assert operations[0] == SeedBegin(previous=None, reason="first copy")
    assert operations[-1] == SeedEnd(begun=1, items=1)
    assert {c.generation for c in rig.changes()} == {1}
    assert_equal(rig)


def test_after_lost_state_a_new_generation_names_the_last_version_before_it(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    last = rig.changes()[-1].version
    rig.owned.state.clear()
    rig.crash()
    rig.spin(10)
    begun = rig.changes()[last.sequence]
    assert begun.version == Version(generation=2, sequence=1)
    assert begun.operation == SeedBegin(previous=last, reason="new generation")
    assert_equal(rig)


def test_a_generation_only_a_ledger_remembers_is_followed_and_the_version_before_is_unknown(rig: Rig) -> None:
    ledger = TargetMailbox(mailbox=rig.mailbox, generation=6, applied_sequence=40)
    topic = rig.topics.target_state("one")
    rig.owned.transact([Outgoing(topic, mailbox_key(rig.mailbox), encode(ledger))], {})
    rig.spin(2)
    first = rig.changes()[0]
    assert first.version == Version(generation=7, sequence=1)
    assert first.operation == SeedBegin(previous=None, reason="new generation")


def test_a_restart_goes_on_where_the_last_transaction_ended(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    said = len(rig.changes())
    rig.crash()
    rig.spin(10)
    assert len(rig.changes()) == said
    rig.source.add(rig.source.inbox)
    rig.spin(5)
    assert [type(c.operation) for c in rig.changes()[said:]] == [ItemSaved]


def test_an_order_is_obeyed_in_the_transaction_that_commits_its_position(rig: Rig) -> None:
    rig.spin(5)
    rig.order(order(rig, "PAUSE", "maintenance"))
    rig.owned.failing.append("lost")
    rig.spin(1)
    assert not rig.owned.positions
    assert not record_of(rig).paused
    rig.spin(1)
    assert rig.owned.positions == {rig.orders_topic: 1}
    assert record_of(rig).paused == "maintenance"


def test_a_paused_mailbox_is_not_captured_and_misses_nothing(rig: Rig) -> None:
    rig.spin(5)
    rig.order(order(rig, "PAUSE", "maintenance"))
    rig.spin(2)
    said = len(rig.changes())
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    assert len(rig.changes()) == said
    rig.order(order(rig, "RESUME"))
    rig.spin(10)
    assert_equal(rig)


def test_a_source_that_went_back_pauses_the_mailbox_for_good(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    rig.source.folders[rig.source.inbox].committed_seconds -= 100
    rig.spin(10)
    assert record_of(rig).paused == ReplicationFault.SOURCE_WENT_BACK
    rig.crash()
    said = len(rig.changes())
    rig.spin(10)
    assert len(rig.changes()) == said


def test_a_mailbox_that_fails_does_not_hold_another(rig: Rig) -> None:
    other = mailbox_id("ben@source.test")
    rig.registered = {other: "ben@source.test", rig.mailbox: rig.registered[rig.mailbox]}
    rig.source.add(rig.source.inbox)

    def refuse() -> None:
        raise CallRefused("ErrorMailboxMoveInProgress", "moving", 1000.0)

    rig.source.before("hierarchy", refuse)
    rig.spin(10)
    assert record_of(rig, other).certain_up_to == 0
    assert record_of(rig).certain_up_to > 0
    assert ItemSaved in {type(c.operation) for c in rig.changes() if c.mailbox == rig.mailbox}


ODD_ANSWERS = ["http-unauthorized", "http-redirected", "http-bad-request", "http-forbidden", "ErrorNeverHeardOf"]
OTHER = "ben@source.test"


class TestRefusals:
    """One odd answer makes its mailbox wait and says why; what lasts and is wide ends the process."""

    @staticmethod
    def refuse(rig: Rig, monkeypatch: pytest.MonkeyPatch, code: str, *addresses: str) -> None:
        answer = rig.source.hierarchy

        def hierarchy(address: str, cursor: str) -> HierarchyPage:
            if address in addresses:
                raise CallRefused(code, "refused")
            return answer(address, cursor)

        monkeypatch.setattr(rig.source, "hierarchy", hierarchy)

    @pytest.mark.parametrize("code", ODD_ANSWERS)
    def test_a_single_refusal_is_waited_out_and_told(self, rig: Rig, code: str) -> None:
        rig.spin(10)
        item_id = rig.source.add(rig.source.inbox)

        def refuse() -> None:
            raise CallRefused(code, "one odd answer")

        rig.source.before("hierarchy", refuse)
        rig.spin(2)
        assert (record_of(rig).trouble, record_of(rig).trouble_since > 0) == (code, True)
        rig.spin(20)
        assert (record_of(rig).trouble, record_of(rig).trouble_since) == ("", 0)
        assert [c.operation.ref.item_id for c in rig.changes() if isinstance(c.operation, ItemSaved)] == [item_id]

    def test_a_mailbox_that_is_refused_for_ever_holds_no_other(self, rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
        other = mailbox_id(OTHER)
        rig.registered = {other: OTHER, rig.mailbox: rig.registered[rig.mailbox]}
        self.refuse(rig, monkeypatch, "http-forbidden", OTHER)
        rig.spin(1_000)
        assert record_of(rig, other).trouble == "http-forbidden"
        assert record_of(rig).certain_up_to >= rig.now - 10_000

    def test_refusals_of_every_mailbox_over_minutes_halt_the_feed(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rig.registered = {mailbox_id(OTHER): OTHER, rig.mailbox: rig.registered[rig.mailbox]}
        self.refuse(rig, monkeypatch, "http-unauthorized", *rig.registered.values())
        began_at = rig.now
        with pytest.raises(HaltError, match="http-unauthorized"):
            rig.spin(1_000)
        assert rig.now - began_at >= SPAN_MS_MIN

    def test_a_refusal_that_is_waited_out_is_not_repeated_at_once(
        self, rig: Rig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.refuse(rig, monkeypatch, "http-unauthorized", *rig.registered.values())
        failures = rig.metrics.call_failures.labels(code="http-unauthorized")._value
        rig.spin(int(REFUSED_RETRY_SECONDS))
        assert failures.get() == 1
        rig.spin(300)
        assert failures.get() <= 10


def test_what_passes_at_once_is_not_told_as_trouble_and_what_lasts_is(rig: Rig) -> None:
    rig.spin(10)

    def break_off() -> None:
        raise AnswerUnknown("reset", "the connection broke")

    rig.source.before("hierarchy", break_off)
    rig.spin(3)
    assert not record_of(rig).trouble
    rig.source.hooks["hierarchy"] = [break_off] * 20
    rig.spin(60)
    assert record_of(rig).trouble == "reset"


def test_a_folder_that_is_set_aside_is_told_in_the_mailboxs_record(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, answer = rig.source.add_folder("Bad"), rig.source.items

    def items(address: str, folder_id: str, cursor: str) -> ItemPage:
        return ItemPage((), (), (), "0:0:0", is_last=False) if folder_id == bad else answer(address, folder_id, cursor)

    monkeypatch.setattr(rig.source, "items", items)
    rig.source.add(rig.source.inbox)
    rig.spin(30)
    assert record_of(rig).trouble == "1 folder not read: endless-answer"
    assert ItemSaved in {type(c.operation) for c in rig.changes()}
    monkeypatch.undo()
    rig.now += 300_000
    rig.spin(10)
    assert not record_of(rig).trouble
    assert record_of(rig).certain_up_to


@pytest.mark.parametrize("method", ["describe", "export", "change_keys"])
def test_a_poisoned_item_is_owed_and_all_others_are_captured(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    rig.spin(10)
    other = rig.source.add_folder("Other")
    ids = [rig.source.add(folder) for folder in (rig.source.inbox, other) for _ in range(7)]
    answer = getattr(rig.source, method)

    def poisoned(address: str, item_ids: list[str]) -> list[object]:
        if ids[3] in item_ids:
            raise CallRefused("ErrorInternalServerError", "the whole call")
        answers: list[object] = answer(address, item_ids)
        return answers

    monkeypatch.setattr(rig.source, method, poisoned)
    rig.spin(10)
    said = {c.operation.ref.item_id for c in rig.changes() if isinstance(c.operation, ItemSaved)}
    assert said == set(ids) - {ids[3]}
    index = MailboxIndex.restore(rig.mailbox, rig.topics, rig.owned)
    assert [index.entries[i].item_id for i in index.owed] == [ids[3]]
    assert not index.record.trouble
    monkeypatch.undo()
    rig.now += 600_000
    rig.spin(10)
    assert_equal(rig)


def test_an_idle_mailbox_writes_no_change_and_its_certain_up_to_moves_on(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    said, before = len(rig.changes()), record_of(rig).certain_up_to
    rig.spin(20)
    assert len(rig.changes()) == said
    assert record_of(rig).certain_up_to >= before + 15_000


def test_a_mailbox_registered_later_is_taken_up(rig: Rig) -> None:
    registered, rig.registered = rig.registered, {}
    rig.spin(3)
    assert not rig.changes()
    rig.registered = registered
    rig.spin(5)
    assert rig.changes()


def test_counters_equal_the_log(rig: Rig) -> None:
    rig.source.add(rig.source.inbox)
    rig.spin(10)
    assert rig.metrics.changes._value.get() == len(rig.changes())


# -- orders for a mailbox that is not known yet ------------------------------------------------------------------------


def wanted(rig: Rig, item: str, target: str = "one") -> Order:
    return Order(mailbox=rig.mailbox, kind="WANT", items=(item,), target=target, reason="r", issued_at=rig.now)


def waiting(rig: Rig) -> list[str]:
    return [key for (topic, key) in rig.owned.state if topic == rig.topics.mailboxes and "/order/" in key]


def saved_since(rig: Rig, before: int) -> list[ItemSaved]:
    return [c.operation for c in rig.changes()[before:] if isinstance(c.operation, ItemSaved)]


@pytest.fixture
def unknown(rig: Rig) -> Rig:
    """A captured mailbox that the registry of the process does not name any more, or not yet."""
    rig.source.add(rig.source.inbox)
    rig.spin(20)
    rig.crash()
    rig.registered = {}
    return rig


def test_a_want_for_a_mailbox_that_is_registered_a_moment_later_is_answered(unknown: Rig) -> None:
    item = next(iter(MailboxIndex.restore(unknown.mailbox, unknown.topics, unknown.owned).entries))
    unknown.order(wanted(unknown, item))
    unknown.spin(3)
    assert unknown.owned.positions[unknown.orders_topic] == 1
    before = len(unknown.changes())
    unknown.registered = {unknown.mailbox: ADDRESS}
    unknown.spin(60)
    assert [s.targets for s in saved_since(unknown, before)] == [("one",)]
    assert waiting(unknown) == []


@pytest.mark.parametrize("failure", ["lost", "applied"])
@pytest.mark.parametrize("number", range(3))
def test_an_order_that_waits_survives_a_death_anywhere_and_is_obeyed_once(
    unknown: Rig, failure: str, number: int
) -> None:
    item = next(iter(MailboxIndex.restore(unknown.mailbox, unknown.topics, unknown.owned).entries))
    before = len(unknown.changes())
    unknown.owned.failing = [""] * number + [failure]
    unknown.order(wanted(unknown, item))
    unknown.spin(5)
    unknown.registered = {unknown.mailbox: ADDRESS}
    unknown.spin(60)
    assert len(saved_since(unknown, before)) == 1
    assert waiting(unknown) == []


def test_orders_that_wait_are_obeyed_in_their_order_and_one_asked_twice_waits_once(unknown: Rig) -> None:
    for _ in range(3):
        unknown.order(wanted(unknown, "0" * 32))
        unknown.spin(1)
    for kind in ("PAUSE", "RESUME"):
        unknown.order(order(unknown, kind, kind))
    unknown.spin(1)
    assert len(waiting(unknown)) == 3
    unknown.registered = {unknown.mailbox: ADDRESS}
    unknown.spin(5)
    assert record_of(unknown).paused == ""
    assert waiting(unknown) == []


def test_an_order_that_waited_longer_than_its_topic_keeps_any_is_passed_over(unknown: Rig) -> None:
    unknown.order(order(unknown, "PAUSE", "long ago"))
    unknown.spin(1)
    unknown.now += 15 * 86_400_000
    unknown.registered = {unknown.mailbox: ADDRESS}
    unknown.spin(5)
    assert record_of(unknown).paused == ""
    assert waiting(unknown) == []


def test_rings_that_come_more_often_than_the_timer_put_off_no_reading_of_the_hierarchy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doorbell may lose any of it: here it rings for the inbox for ever, and lost that of a new folder."""
    inbox = rig.source.inbox
    monkeypatch.setattr(rig, "rung", lambda _mailbox: Dirt(frozenset({inbox}), is_hierarchy_dirty=False))
    rig.spin(40, 200)
    item_id = rig.source.add(rig.source.add_folder("New"))
    rig.spin(20, 200)
    assert MailboxIndex.restore(rig.mailbox, rig.topics, rig.owned).by_item_id(item_id) is not None


def test_a_first_copy_that_one_folder_keeps_from_ending_says_so(rig: Rig) -> None:
    folder = rig.source.add_folder("Closed")
    rig.source.add(rig.source.inbox)
    rig.source.closed_folders.add(folder)
    rig.spin(20)
    rig.rest(24 * 3600)
    rig.spin(20)
    record = record_of(rig)
    assert record.seed_begun
    assert "ErrorAccessDenied" in record.trouble
    assert 0 < record.trouble_since < rig.now
