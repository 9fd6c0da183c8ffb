"""Items that are no messages, brought back to an older server: changed in place by their elements, or not made."""

from collections.abc import Callable
from typing import Any

import pytest

from consumers.target import Refused
from schemas.change import Marks
from schemas.codec import decode
from schemas.ews import TYPES
from schemas.faults import ReplicationFault, TransportFault
from schemas.ports import AnswerUnknown, CallRefused
from schemas.state import ItemState
from tests.consumers.at_target.replay.conftest import Adversity
from tests.consumers.at_target.replay.test_taking_over import KINDS, READ, Turned, assert_exact

FLAGGED = Marks(is_read=True, flag_status="Flagged", categories=("red",))


def contact(name: str, inner: str = "") -> bytes:
    return f'<t:Contact xmlns:t="{TYPES}"><t:FileAs>{name}</t:FileAs>{inner}</t:Contact>'.encode()


FIRST, EDITED = contact("first"), contact("edited")
RENDERED = contact("first", "<t:GivenName></t:GivenName>")
"""Says the same in other words."""


class OfElements(Turned):
    """Originals that are contacts, at a server that is older than the one their users work at."""

    first = FIRST

    def __init__(self, world: Any) -> None:
        world.portable_only, world.settings = True, {"edits_in_place": True}
        super().__init__(world)
        self.source.form = "ELEMENTS"

    def change(self, strikes: Any) -> None:
        self.source.hand_over("p9")
        self.source.move("a", "work-s")
        self.source.save("a", EDITED, "work-s", READ)
        self.source.save("b", FIRST, marks=FLAGGED)
        self.source.save("c", EDITED, marks=FLAGGED)
        self.source.delete("d")
        self.source.save("e", FIRST, marks=READ)
        self.world.replay_through(strikes)


@pytest.fixture
def make(new_world: Callable[..., Any]) -> Callable[[], OfElements]:
    return lambda: OfElements(new_world())


def test_originals_are_changed_where_they_are_and_nothing_is_made_anew(
    make: Callable[[], OfElements], adversity: Any
) -> None:
    turned = make()
    turned.take_over(adversity())
    before = {i for i, item in turned.world.target.items.items() if item.content == FIRST}
    turned.world.target.calls.clear()
    turned.change(adversity())
    assert_exact(turned)
    assert len(before & set(turned.world.target.items)) == 3, "b, c and e are the originals; a has moved, d is gone"
    assert not set(turned.world.target.calls) & {"upload", "create"}
    calls = turned.world.target.calls
    assert (calls.count("edit"), calls.count("update"), calls.count("move")) == (1, 1, 1)


def test_what_is_there_already_in_other_words_is_left_alone(make: Callable[[], OfElements], adversity: Any) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.world.target.calls.clear()
    turned.source.save("e", RENDERED, marks=READ)
    turned.world.replay()
    assert not set(turned.world.target.calls) & {"edit", "update", "move", "delete", "upload", "create"}
    turned.source.save("e", EDITED, marks=READ)
    turned.source.save("e", RENDERED, marks=READ)
    turned.world.replay()
    assert not set(turned.world.target.calls) & {"edit", "update", "move", "delete", "upload", "create"}


def test_it_is_compared_in_every_generation_and_edited_again(make: Callable[[], OfElements], adversity: Any) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.change(adversity())
    turned.source.save("c", contact("edited twice"), marks=FLAGGED)
    turned.world.replay()
    assert_exact(turned)
    turned.world.target.calls.clear()
    turned.source.save("c", contact("edited twice"), marks=FLAGGED)
    turned.world.replay()
    assert "edit" not in turned.world.target.calls


@pytest.mark.parametrize("kind", KINDS)
def test_one_adversity_at_any_boundary_leaves_the_result_exact(
    make: Callable[[], OfElements], adversity: Any, kind: str
) -> None:
    turned, undisturbed = make(), adversity()
    turned.take_over(undisturbed)
    turned.change(undisturbed)
    assert ("edit", "after") in undisturbed.boundaries
    for number in undisturbed.places(kind):
        turned, struck = make(), adversity({number: kind})
        turned.take_over(struck)
        turned.change(struck)
        try:
            assert_exact(turned)
        except AssertionError as error:
            error.add_note(f"{kind} at {undisturbed.boundaries[number]}, boundary {number}")
            raise


def test_an_edit_whose_answer_was_lost_is_seen_by_its_stamp_and_not_sent_again(
    make: Callable[[], OfElements], adversity: Any
) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("c", EDITED, marks=READ)

    def lose(name: str, when: str) -> None:
        if (name, when) == ("edit", "after"):
            raise AnswerUnknown(TransportFault.RESET, "struck")

    turned.world.replay_hooked(lose)
    assert_exact(turned)
    assert turned.world.target.calls.count("edit") == 1


def test_what_is_new_is_parked_for_want_of_a_form_and_its_elements_are_kept_as_evidence(
    make: Callable[[], OfElements], adversity: Any
) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("n", EDITED, marks=READ)
    turned.world.replay()
    record = next(r for r in turned.world.item_records() if r.item == turned.making.key("n"))
    assert (record.state, record.reason, record.target_id) == (
        ItemState.PARKED, ReplicationFault.NO_PORTABLE_FORM, ""
    )  # fmt: skip
    (letter,) = [decode(r.value) for r in turned.world.owned.history(turned.world.topics.dead_letters("t"))]
    assert decode(letter.change).operation.contents[0].body == EDITED
    assert not set(turned.world.target.calls) & {"upload", "create"}
    turned.source.delete("n")
    turned.world.replay()
    assert_exact(turned)


@pytest.mark.parametrize("content", [EDITED, FIRST])
def test_a_save_from_elsewhere_without_its_move_is_parked_and_redriven_where_the_item_is(
    make: Callable[[], OfElements], adversity: Any, content: bytes
) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    key = turned.making.key("c")
    folder_id = next(r.folder_id for r in turned.world.item_records() if r.item == key)
    turned.source.save("c", content, "work-s", FLAGGED)
    turned.world.replay()
    record = next(r for r in turned.world.item_records() if r.item == key)
    assert (record.state, record.folder_id) == (ItemState.PARKED, folder_id)
    turned.world.order("REDRIVE_FROM_EVIDENCE", key)
    turned.world.replay()
    record = next(r for r in turned.world.item_records() if r.item == key)
    item = turned.world.target.items[record.target_id]
    assert (record.state, record.folder_id) == (ItemState.PRESENT, folder_id)
    assert (turned.world.target.path(item.folder_id), item.content) == ("inbox", content)
    turned.source.move("c", "work-s")
    turned.world.replay()
    assert_exact(turned)


def test_an_original_that_somebody_deleted_meanwhile_is_asked_for_and_then_parked(
    make: Callable[[], OfElements], adversity: Any
) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    record = next(r for r in turned.world.item_records() if r.item == turned.making.key("c"))
    turned.world.target.recoverable.append(turned.world.target.items.pop(record.target_id))
    turned.source.save("c", EDITED, marks=READ)
    turned.world.replay()
    assert turned.world.orders() == [("WANT", (turned.making.key("c"),))]
    turned.source.name("c", "t")
    turned.world.replay()
    record = next(r for r in turned.world.item_records() if r.item == turned.making.key("c"))
    assert (record.state, record.reason) == (ItemState.PARKED, ReplicationFault.NO_PORTABLE_FORM)


@pytest.mark.parametrize("edited", [b"first", b"edited"])
def test_a_message_that_was_moved_and_marked_stays_the_original(new_world: Callable[..., Any], edited: bytes) -> None:
    turned = Turned(new_world(portable_only=True, settings={"edits_in_place": True}))
    turned.world.replay()
    turned.take_over(Adversity())
    turned.source.hand_over("p9")
    turned.world.target.calls.clear()
    turned.source.move("a", "work-s")
    turned.source.save("a", edited, "work-s", FLAGGED)
    turned.world.replay()
    assert not set(turned.world.target.calls) & {"create", "delete"}
    ((place, content, marks),) = turned.world.target.visible()[turned.making.key("a")]
    assert (place, content, marks) == ("msgfolderroot/Work", edited, FLAGGED)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ErrorSchemaValidation", ReplicationFault.REFUSED_ALONE),
        (TransportFault.HTTP_BAD_REQUEST, ReplicationFault.REFUSED_ALONE),
        (TransportFault.HTTP_TOO_LARGE, TransportFault.HTTP_TOO_LARGE),
    ],
)
def test_an_edit_for_which_the_server_refuses_the_whole_request_is_parked_alone(
    make: Callable[[], OfElements], adversity: Any, code: str, reason: str
) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("c", EDITED, marks=READ)
    turned.source.save("e", contact("fine"), marks=READ)
    edit, target = type(turned.world.target).edit, type(turned.world.target)

    def refusing(self: Any, address: str, edits: list[Any]) -> Any:
        if any(one.elements == EDITED for one in edits):
            raise CallRefused(code, "refused")
        return edit(self, address, edits)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "edit", refusing)
        turned.world.replay()
    records = {r.item: r for r in turned.world.item_records()}
    assert (records[turned.making.key("c")].state, records[turned.making.key("c")].reason) == (ItemState.PARKED, reason)
    assert turned.world.target.visible()[turned.making.key("e")][0][1] == contact("fine")
    assert not turned.world.mailbox_record().behind


def test_what_the_target_can_t_show_is_parked_and_not_written_blindly(
    make: Callable[[], OfElements], adversity: Any
) -> None:
    turned = make()
    turned.take_over(adversity())
    turned.source.hand_over("p9")
    turned.source.save("c", EDITED, marks=READ)
    turned.world.target.calls.clear()
    with pytest.MonkeyPatch.context() as patch:
        refused = Refused("ErrorItemPropertyRequestFailed")
        patch.setattr(type(turned.world.target), "elements", lambda _self, _address, ids: [refused for _ in ids])
        turned.world.replay()
    assert "edit" not in turned.world.target.calls
    record = next(r for r in turned.world.item_records() if r.item == turned.making.key("c"))
    assert (record.state, record.reason) == (ItemState.PARKED, "ErrorItemPropertyRequestFailed")
