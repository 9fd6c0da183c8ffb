from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from consumers.likeness import Likeness
from consumers.plan import Action, Do
from consumers.step import Step
from consumers.subscription import Received
from schemas.change import Change, Form, ItemRef, ItemSaved, Marks, Summary
from schemas.state import ItemRecord, ItemState

if TYPE_CHECKING:
    from consumers.target import Target

SUMMARY = Summary(
    item_class="IPM.Note", subject="s", sender="", message_id="", sent_at="", received_at="", size_bytes=1,
    has_attachments=False, is_draft=False,
)  # fmt: skip
RECORD = ItemRecord(
    item="i", state=ItemState.PRESENT, generation=1, sequence=1, source_change_key="", folder_id="f", marks=None,
    target_id="t", target_change_key="k", nonce="n",
)  # fmt: skip


def replacing(*, is_draft: bool) -> Step:
    """A save that would put a copy in the place of a message."""
    ref = ItemRef(item="i", item_id="s", folder_id="f", change_key="k2", search_key="", fingerprint="")
    saved = ItemSaved(
        ref=ref, summary=replace(SUMMARY, is_draft=is_draft), marks=Marks(is_read=True), contents=(), targets=()
    )
    change = Change(mailbox="m", generation=1, sequence=2, captured_at=0, source_version="15.1.0.0", operation=saved)
    received = Received(change, 0, b"", {Form.PORTABLE: b"Subject: s\r\n\r\nx"})
    return Step(received, saved, Action(Do.PLACE, replaced_id="t"), RECORD)


@pytest.mark.parametrize(("is_draft", "expected"), [(False, Do.EDIT), (True, Do.PLACE)])
def test_a_message_is_edited_in_place_and_a_draft_is_replaced(*, is_draft: bool, expected: Do) -> None:
    likeness = Likeness(cast("Target", None), is_in_place=True)
    assert likeness.in_place(replacing(is_draft=is_draft)).do is expected
