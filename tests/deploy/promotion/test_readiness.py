"""What an operator has to accept, in words."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.promotion import readiness
from deploy.promotion.picture import Picture, Seen
from schemas.change import Checksum
from schemas.state import IndexEntry, MailboxRecord, Owed, TargetFolder, TargetMailbox

M = "0" * 20


@pytest.fixture
def seen() -> Seen:
    """A mailbox that is as it should be."""
    picture = Picture()
    picture.take_source(M, MailboxRecord(mailbox=M, generation=1, next_sequence=5))
    picture.take_target(M, TargetMailbox(mailbox=M, generation=1, applied_sequence=4))
    return picture.of(M)


def owed(attempts: int) -> IndexEntry:
    return IndexEntry(
        item="x", item_id="x", folder_id="f", change_key="", search_key="", fingerprint="", digest="", marks=None,
        owed=Owed(since=1, attempts=attempts, retry_at=1, reason="ErrorServerBusy"),
    )  # fmt: skip


def folder(**values: Any) -> TargetFolder:
    base = TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="", folder_class="", distinguished="", created=False,
        generation=1, sequence=1, checksum=Checksum(folder_id="f", items=0, digest="", form=1, has_flags=True),
        compared_at=1,
    )  # fmt: skip
    return replace(base, **values)


def test_a_mailbox_that_is_well_needs_no_word(seen: Seen) -> None:
    assert readiness.doubts(seen) == []
    assert readiness.never(seen, "standby") == ""
    assert readiness.blocked(seen) == ""


def test_an_item_that_is_merely_late_needs_no_word_and_one_that_is_not_handed_out_does(seen: Seen) -> None:
    seen.owed["x"] = owed(1)
    assert readiness.doubts(seen) == []
    seen.owed["x"] = owed(8)
    assert readiness.doubts(seen) == ["1 items the source does not hand out"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"behind": "ErrorQuotaExceeded"}, "behind at the target: ErrorQuotaExceeded"),
        ({"paused": "by anna"}, "held at the target: by anna"),
        ({"tripped": "deletion-breaker", "tripped_on": "9 of 10"}, "held at the target: 9 of 10"),
        ({"waiting": "lost sequence"}, "waits for a seed: lost sequence"),
    ],
)
def test_what_stands_still_at_the_target_is_said_and_blocks(seen: Seen, values: dict[str, str], words: str) -> None:
    seen.target = replace(seen.target, **values)  # type: ignore[arg-type] # names are the record's own
    assert readiness.doubts(seen) == [words]
    assert readiness.blocked(seen)


def test_verified_means_every_folder(seen: Seen) -> None:
    seen.folders = {"a": folder(), "b": folder(folder_id="b")}
    seen.target = replace(seen.target, confirmed=2)
    assert readiness.verified(seen) == (True, "2 of 2 folders equal, looked at after the last change was applied")
    for confirmed in (-1, 0, 1):
        seen.target = replace(seen.target, confirmed=confirmed)
        is_equal, text = readiness.verified(seen)
        assert not is_equal, "a proof of before the barrier says nothing of what happened since"
        assert text.startswith(f"unverified: {max(confirmed, 0)} of 2")
        assert readiness.is_looked_at(seen) is (confirmed >= 0)
    seen.folders["b"] = folder(folder_id="b", divergence={"missing": 3})
    assert readiness.verified(seen) == (False, "3 items differ")
    assert readiness.doubts(seen) == ["3 items differ from the source's checksums"]


def test_a_mailbox_without_a_folder_is_not_called_verified(seen: Seen) -> None:
    assert not readiness.verified(seen)[0]
