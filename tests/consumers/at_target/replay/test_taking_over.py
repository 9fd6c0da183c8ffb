"""A replay takes over what the other direction left: originals are found again like our own, and nothing is copied."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.change import Marks
from schemas.faults import TransportFault
from schemas.identity import Stamp, target_id
from schemas.ports import AnswerUnknown
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    SourceFolder,
    TargetFolder,
    TargetMailbox,
    TargetRole,
)
from schemas.turning import Known

KINDS = ("death", "partition lost", "answer unknown", "busy", "late", "very late")
READ, FLAGGED = Marks(is_read=True), Marks(is_read=True, flag_status="Flagged")
NAMES = "abcde"


class Turned:
    """A server that was the source, its items as originals, and the other direction's state of them."""

    first = b"first"

    def __init__(self, world: Any) -> None:
        self.world, self.making = world, world.making
        world.now_ms = 1000
        target, address = world.target, self.making.address
        inbox_id = target.root(address, "inbox")
        work_id = target.add_folder(target.root(address, "msgfolderroot"), "Work")
        self.source = source = world.source()
        source.folder("work-s", "Work")
        self.known = Known(source=MailboxRecord(mailbox="m"), target=TargetMailbox(mailbox="m"))
        for folder_id, target_id_, name, distinguished in (
            (inbox_id, "inbox-s", "Inbox", "inbox"),
            (work_id, "work-s", "Work", ""),
        ):
            self.known.folders[folder_id] = SourceFolder(
                folder_id=folder_id, parent_id="", name=name, folder_class="IPF.Note", distinguished=distinguished
            )
            self.known.target_folders[folder_id] = TargetFolder(
                folder_id=folder_id, target_id=target_id_, parent_id="", name=name, folder_class="IPF.Note",
                distinguished=distinguished, created=False, generation=1, sequence=1,
            )  # fmt: skip
        for name in NAMES:
            self.put(name, inbox_id)
        world.log.clear()
        source.generation, source.sequence = 0, 0
        source.story.clear()

    def put(self, name: str, folder_id: str) -> None:
        """An original here, its copy there, known to the other direction by both ids."""
        item_id, key = self.world.target.add_item(folder_id, self.first), self.making.key(name)
        self.source.save(name, self.first, marks=READ)
        self.known.entries[key] = IndexEntry(
            item=key, item_id=item_id, folder_id=folder_id, change_key=self.world.target.items[item_id].change_key,
            search_key="", fingerprint="", digest="", marks=READ,
        )  # fmt: skip
        self.known.records[key] = ItemRecord(
            item=key, state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="", folder_id=folder_id,
            marks=READ, target_id=name, target_change_key=self.source.items[name][3], nonce="n",
        )  # fmt: skip

    def take_over(self, strikes: Any) -> None:
        self.world.opposite = lambda _order: self.known
        self.world.order("TAKE_OVER", promotion="p9")
        self.world.replay_through(strikes)

    def change(self, strikes: Any) -> None:
        self.source.hand_over("p9")
        self.source.move("a", "work-s")
        self.source.mark("b", FLAGGED)
        self.source.save("c", b"edited", marks=READ)
        self.source.delete("d")
        self.source.save("n", b"new", marks=READ)
        self.world.replay_through(strikes)


@pytest.fixture
def make(new_world: Callable[..., Any]) -> Callable[[], Turned]:
    def made(**settings: Any) -> Turned:
        return Turned(new_world(**settings))

    return made


def assert_exact(turned: Turned) -> None:
    world = turned.world
    assert world.mailbox_record().handed == "p9"
    seen = world.target.visible()
    assert {content for _, content, _ in seen.pop("foreign")} == {b"mine"}
    assert seen == turned.source.expected()
    assert world.target.staged() == []
    assert world.orders() == []


def test_originals_are_stamped_and_nothing_else_of_them_is_written(make: Callable[[], Turned], adversity: Any) -> None:
    turned = make()
    before = {i: (m.folder_id, m.content, m.marks) for i, m in turned.world.target.items.items()}
    turned.take_over(adversity())
    assert {i: (m.folder_id, m.content, m.marks) for i, m in turned.world.target.items.items()} == before
    name = target_id("p", "t")
    for record in turned.world.item_records():
        item = turned.world.target.items[record.target_id]
        assert item.stamp == str(Stamp(name, record.item, record.nonce))
        assert item.change_key == record.target_change_key
    assert len(turned.world.item_records()) == len(NAMES)
    assert set(turned.world.target.calls) & {"upload", "create", "move", "delete"} == set()


def test_changes_reach_the_originals_where_they_are(make: Callable[[], Turned], adversity: Any) -> None:
    turned = make()
    kept = {i for i, m in turned.world.target.items.items() if m.content == b"first"}
    turned.take_over(adversity())
    turned.change(adversity())
    assert_exact(turned)
    unmoved = [i for i in kept if i in turned.world.target.items]
    assert len(unmoved) == 2, "what was only marked, or left alone, is still the original"


@pytest.mark.parametrize("kind", KINDS)
def test_one_adversity_at_any_boundary_leaves_the_result_exact(
    make: Callable[[], Turned], adversity: Any, kind: str
) -> None:
    turned, undisturbed = make(), adversity()
    turned.take_over(undisturbed)
    turned.change(undisturbed)
    for number in undisturbed.places(kind):
        turned, struck = make(), adversity({number: kind})
        turned.take_over(struck)
        turned.change(struck)
        try:
            assert_exact(turned)
        except AssertionError as error:
            error.add_note(f"{kind} at {undisturbed.boundaries[number]}, boundary {number}")
            raise


def test_it_is_taken_over_once_by_a_promotion(make: Callable[[], Turned], adversity: Any) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.change(adversity())
    turned.take_over(adversity())
    turned.source.mark("a", FLAGGED)
    turned.source.move("b", "work-s")
    turned.source.delete("n")
    turned.world.replay()
    assert_exact(turned)


def test_a_stamp_whose_answer_was_lost_is_found_and_not_written_again(make: Callable[[], Turned]) -> None:
    turned = make()

    def lose(name: str, when: str) -> None:
        if (name, when) == ("update", "after") and turned.world.target.calls.count("update") == 1:
            raise AnswerUnknown(TransportFault.RESET, "struck")

    turned.world.opposite = lambda _order: turned.known
    turned.world.order("TAKE_OVER", promotion="p9")
    turned.world.replay_hooked(lose)
    assert turned.world.mailbox_record().handed == "p9"
    assert turned.world.target.calls.count("update") == 1


def test_nothing_is_taken_over_before_the_other_direction_ended(world: Any) -> None:
    world.order("TAKE_OVER", promotion="p9")
    world.replay()
    assert world.mailbox_record().handed == ""


def test_a_generation_of_another_promotion_is_a_gap(make: Callable[[], Turned], adversity: Any) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p8")
    turned.world.replay()
    assert turned.world.mailbox_record().waiting
    assert [kind for kind, _ in turned.world.orders()] == ["SEED"]


def test_a_save_of_what_is_there_already_copies_nothing(make: Callable[..., Turned], adversity: Any) -> None:
    """The listing after a turn names what was only read or moved with its whole content: it is compared."""
    turned = make(portable_only=True)
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("a", b"first", marks=FLAGGED)
    turned.source.save("b", b"first", marks=READ)
    turned.world.target.calls.clear()
    turned.world.replay()
    assert_exact(turned)
    assert set(turned.world.target.calls) & {"upload", "create", "move", "delete", "edit"} == set()


def test_where_a_copy_would_lose_something_content_is_changed_in_place(
    make: Callable[..., Turned], adversity: Any
) -> None:
    turned = make(portable_only=True, settings={"edits_in_place": True})
    turned.take_over(adversity())
    before = set(turned.world.target.items)
    turned.source.hand_over("p9")
    turned.source.save("c", b"edited", marks=READ)
    turned.world.replay()
    assert_exact(turned)
    assert set(turned.world.target.items) == before


def test_an_edit_whose_answer_was_lost_is_seen_by_its_stamp_and_not_sent_again(
    make: Callable[..., Turned], adversity: Any
) -> None:
    turned = make(portable_only=True, settings={"edits_in_place": True})
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("c", b"edited", marks=READ)
    turned.world.replay()
    turned.source.save("c", b"edited twice", marks=READ)

    def lose(name: str, when: str) -> None:
        if (name, when) == ("edit", "after"):
            raise AnswerUnknown(TransportFault.RESET, "struck")

    turned.world.replay_hooked(lose)
    assert_exact(turned)
    assert turned.world.target.calls.count("edit") == 2


def test_an_accepted_open_of_before_the_return_that_is_read_again_opens_nothing(world: Any) -> None:
    """The group's offset is gone after a week, and the orders of the last 14 days are read again."""
    mailbox = world.making.mailbox
    source = world.source()
    source.save("a", b"first")
    source.close()
    world.replay()
    world.order("OPEN", accepted=True)
    world.replay()
    assert world.mailbox_record().role == TargetRole.OPEN
    known = Known(source=MailboxRecord(mailbox=mailbox), target=TargetMailbox(mailbox=mailbox))
    inbox = world.target.root(world.making.address, "inbox")
    known.folders[inbox] = SourceFolder(
        folder_id=inbox, parent_id="", name="Inbox", folder_class="IPF.Note", distinguished="inbox"
    )
    known.target_folders[inbox] = TargetFolder(
        folder_id=inbox, target_id="inbox-s", parent_id="", name="Inbox", folder_class="IPF.Note",
        distinguished="inbox", created=False, generation=1, sequence=1,
    )  # fmt: skip
    world.opposite = lambda _order: known
    world.order("TAKE_OVER", promotion="r1")
    world.replay()
    source.hand_over("r1")
    source.save("b", b"second")
    world.replay()
    assert world.mailbox_record().role == TargetRole.MIRRORING
    world.now_ms += 8 * 86_400_000
    world.owned.positions.pop(world.topics.orders("t"))
    source.save("c", b"third")
    world.replay()
    assert world.mailbox_record().role == TargetRole.MIRRORING
    assert world.mailbox_record().applied == source.last


def test_an_item_that_a_user_filed_right_after_it_was_edited_is_found_and_not_asked_for(
    make: Callable[..., Turned], adversity: Any
) -> None:
    turned = make(portable_only=True, settings={"edits_in_place": True})
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("c", b"edited", marks=READ)
    turned.world.replay()
    turned.source.save("c", b"edited twice", marks=READ)
    target, key, done = turned.world.target, turned.making.key("c"), list[str]()

    def file(name: str, at: str) -> None:
        if (name, at) == ("edit", "after") and not done:
            done.append(name)
            item = target.items.pop(next(i for i, m in target.items.items() if f":{key}:" in m.stamp))
            item.folder_id = turned.world.foreign_folder_id
            target.items["filed by a user"] = item
            raise AnswerUnknown(TransportFault.RESET, "struck")

    turned.world.replay_hooked(file)
    turned.world.replay()
    assert [m.content for m in target.items.values() if f":{key}:" in m.stamp] == [b"edited twice"]
    assert turned.world.orders() == []
