"""Does an item of the target already say what a save says? Asked once after the roles were turned (design §8).

A feed that took a mailbox over knows ids and ChangeKeys and no content: an item that was only read or moved meanwhile
comes with its whole content. Its counterpart, which may be an original that no copy can stand for, is compared: a
message in the canonical form of messages, anything else by the elements that EWS lets a client set. Equal, it is left
alone but for marks and place. Reading calls only.
"""

from collections.abc import Sequence

from consumers.element_updates import are_alike
from consumers.plan import Action, Do
from consumers.step import Step
from consumers.target import Refused, Target
from schemas.canonical import ShownItem
from schemas.canonical_message import from_message
from schemas.change import Form, ItemSaved
from schemas.element_values import unpacked
from schemas.faults import GONE, Disposition, disposition_of
from schemas.ports import CallRefused
from schemas.state import ItemRecord

CALL_ITEMS_MAX = 20
MESSAGES = ("IPM.NOTE", "IPM.POST", "REPORT.")


class Likeness:
    """Compares at one target; `is_in_place`: what differs is changed where it is, because a copy would lose something.

    That is so at a target older than the source, which takes no export stream of it.
    """

    def __init__(self, target: Target, *, is_in_place: bool) -> None:
        self._target = target
        self._is_in_place = is_in_place

    def alike(self, address: str, steps: Sequence[Step]) -> set[str]:
        """Return the items, by key, that say already what their saves say; CallFailed if the target can't tell.

        What is to be changed by its elements is told what the target shows of it now, and parked if it shows nothing.
        """
        messages = [s for s in steps if s.record and self._may_be_alike(s.record) and replaces_message(s)]
        others = [s for s in steps if self._is_in_place and replaces_elements(s)]
        return self._alike_messages(address, messages) | self._alike_elements(address, others)

    def _may_be_alike(self, record: ItemRecord) -> bool:
        """Tell whether comparing is worth a call: what was moved first is not as it was taken over any more."""
        return self._is_in_place or record.generation == 0

    def _alike_messages(self, address: str, asked: list[Step]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(asked), CALL_ITEMS_MAX):
            batch = asked[start : start + CALL_ITEMS_MAX]
            mimes = self._target.mimes(address, [s.action.replaced_id for s in batch])
            pairs = zip(batch, mimes, strict=True)
            found |= {s.operation.ref.item for s, m in pairs if not isinstance(m, Refused) and _is_alike(s, m)}
        return found

    def _alike_elements(self, address: str, asked: list[Step]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(asked), CALL_ITEMS_MAX):
            batch = asked[start : start + CALL_ITEMS_MAX]
            shown = self._target.elements(address, [s.action.replaced_id for s in batch])
            for step, present in zip(batch, shown, strict=True):
                if isinstance(present, bytes):
                    step.present = present
                    if are_alike(unpacked(elements_of(step)), unpacked(present)):
                        found.add(step.operation.ref.item)
                elif present.code not in GONE:
                    # without what is there now, what has to go could not be told
                    if disposition_of(present.code) is not Disposition.PARK:
                        raise CallRefused(present.code, present.text)
                    step.action, step.reason = Action(Do.PARK), present.code
        return found

    def in_place(self, step: Step) -> Action:
        """Return a step's action, or that of changing the item where it is.

        A draft is replaced: a server that rebuilds an item from MIME makes it a sent message, and PidTagMessageFlags
        can only be set at creation.
        """
        if isinstance(step.operation, ItemSaved) and step.operation.summary.is_draft and replaces_message(step):
            return step.action
        is_there = step.record is not None and step.record.folder_id == step.operation.ref.folder_id
        is_replacing = replaces_message(step) or replaces_elements(step)
        return Action(Do.EDIT) if self._is_in_place and is_there and is_replacing else step.action


def replaces_message(step: Step) -> bool:
    """Tell whether a step would put a copy in the place of a message whose MIME the log holds."""
    if not isinstance(step.operation, ItemSaved) or step.action.do is not Do.PLACE or not step.action.replaced_id:
        return False
    return step.operation.summary.item_class.upper().startswith(MESSAGES) and bool(mime_of(step))


def replaces_elements(step: Step) -> bool:
    """Tell whether a step would put something in the place of an item of which the log holds the elements alone."""
    return step.action.do is Do.PLACE and bool(step.action.replaced_id) and has_elements_alone(step)


def has_elements_alone(step: Step) -> bool:
    """Tell whether a step came with elements and nothing from which an item could be made."""
    return step.received.bodies.keys() == {Form.ELEMENTS}


def mime_of(step: Step) -> bytes:
    """Return the MIME that came with a step; nothing where none did."""
    return step.received.bodies.get(Form.PORTABLE, b"")


def elements_of(step: Step) -> bytes:
    """Return the elements that came with a step; nothing where none did."""
    return step.received.bodies.get(Form.ELEMENTS, b"")


def _is_alike(step: Step, mime: bytes) -> bool:
    is_draft = isinstance(step.operation, ItemSaved) and step.operation.summary.is_draft
    shown = ShownItem(item_class="", is_draft=is_draft)
    return from_message(mime, shown) == from_message(mime_of(step), shown)
