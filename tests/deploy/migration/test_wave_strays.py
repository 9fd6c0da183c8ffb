"""What came to the old source of a wave: when it may be called clean, and whose merge is gone on with."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.migration import strays
from deploy.migration.book import Contents
from deploy.promotion.office import DrivenError
from deploy.promotion.picture import Picture
from deploy.promotion.tail import Left
from schemas.state import (
    IndexEntry,
    ItemRecord,
    ItemState,
    MailboxRecord,
    Owed,
    Promoted,
    Promotion,
    Registration,
    TargetMailbox,
    TargetRole,
)

M, OTHER = "0" * 20, "1" * 20


@pytest.fixture
def picture() -> Picture:
    """A mailbox that is open, and lacks nothing."""
    found = Picture()
    found.take_source(M, MailboxRecord(mailbox=M, generation=1, next_sequence=5, certain_up_to=9))
    found.take_target(M, TargetMailbox(mailbox=M, generation=1, applied_sequence=4, role=TargetRole.OPEN))
    return found


def record(state: ItemState, **values: Any) -> ItemRecord:
    base = ItemRecord(
        item="a", state=state, generation=1, sequence=1, source_change_key="", folder_id="f", marks=None,
        target_id="", target_change_key="", nonce="",
    )  # fmt: skip
    return replace(base, **values)


def entry(**values: Any) -> IndexEntry:
    base = IndexEntry(
        item="a", item_id="a", folder_id="f", change_key="", search_key="", fingerprint="", digest="", marks=None
    )
    return replace(base, **values)


def test_a_mailbox_to_which_nothing_came_and_that_lacks_nothing_is_clean(picture: Picture) -> None:
    assert strays.is_clean(strays.row(M, [], picture.of(M)))
    assert strays.line(strays.row(M, [], picture.of(M))) == f"{M}  nothing came"


def test_what_nobody_captured_or_can_be_read_is_not_clean(picture: Picture) -> None:
    assert not strays.is_clean(strays.row(M, None, picture.of(M)))
    assert not strays.is_clean(strays.row(M, [Left(kind="ItemSaved", item="a")], picture.of(M)))


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        ("target", {"role": TargetRole.MERGING}, "its strays are being merged, or that stopped"),
        ("target", {"applied_sequence": 2}, "2 captured changes are not applied"),
        ("target", {"unsettled": ("a",)}, "1 writes are not settled"),
        ("ledger", {"state": ItemState.PARKED}, "1 items are parked"),
        ("ledger", {"state": ItemState.WANTED}, "1 items are wanted of the source"),
        (
            "index",
            {"owed": Owed(since=1, attempts=1, retry_at=1, reason="x")},
            "1 items were not handed out by the source",
        ),
        ("index", {"pending": True}, "1 items were deleted or moved there, unclear which"),
    ],
)
def test_a_stray_that_was_captured_and_is_not_at_the_target_is_not_clean(
    picture: Picture, kind: str, values: dict[str, Any], words: str
) -> None:
    seen = picture.of(M)
    if kind == "target":
        picture.take_target(M, replace(seen.target, **values))
    elif kind == "ledger":
        picture.take_target(f"{M}/item/a", record(**values))
    else:
        picture.take_source(f"{M}/item/a", entry(**values))
    found = strays.row(M, [], seen)
    assert (found["not_at_target"], strays.is_clean(found)) == ([words], False)
    assert f"{M}  nothing came  not at the target: {words}" in strays.line(found)


def test_what_an_operator_gave_up_does_not_keep_it_from_being_clean(picture: Picture) -> None:
    picture.take_target(f"{M}/item/a", record(ItemState.PARKED, dropped_at=4))
    assert strays.is_clean(strays.row(M, [], picture.of(M)))


def in_hand(stage: str, *mailboxes: str) -> Contents:
    promotion = Promotion(
        promotion="s1", target="mail", planned=True, reason="strays of wave one", stage=stage, failure="",
        operator="anna@host", since=1, began_at=1, beat=0,
        mailboxes=tuple(Promoted(mailbox=m, state="MIRRORING") for m in mailboxes),
    )  # fmt: skip
    return Contents(promotion=promotion)


PROMOTED = [Registration(mailbox=M, source="a@b.test", targets={"standby": "a@c.test"})]


def test_only_a_merge_of_this_waves_own_strays_is_gone_on_with() -> None:
    assert strays.is_to_be_resumed(in_hand("STRAYS", M), PROMOTED)
    assert not strays.is_to_be_resumed(in_hand("DONE", OTHER), PROMOTED)
    assert not strays.is_to_be_resumed(in_hand("RETURN", OTHER), PROMOTED), "the office refuses that by itself"
    assert not strays.is_to_be_resumed(Contents(), PROMOTED)
    for mailboxes in ((OTHER,), (M, OTHER)):
        with pytest.raises(DrivenError, match=r"promotion s1 to mail at STRAYS .strays of wave one; 1 mailboxes"):
            strays.is_to_be_resumed(in_hand("STRAYS", *mailboxes), PROMOTED)
