"""What the log says of one mailbox of a wave."""

from dataclasses import replace
from typing import Any

import pytest

from deploy.migration.standing import standing_of
from deploy.promotion.picture import Picture, Seen
from schemas.change import Checksum
from schemas.state import MailboxRecord, TargetFolder, TargetMailbox, TargetRole, Wave

M = "0" * 20
WAVE = Wave(wave="w", target="standby", behind_max=2, promotions=("p",))


def folder(**values: Any) -> TargetFolder:
    base = TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="", folder_class="", distinguished="", created=False,
        generation=1, sequence=1, checksum=Checksum(folder_id="f", items=0, digest="", form=1, has_flags=True),
        compared_at=1,
    )  # fmt: skip
    return replace(base, **values)


@pytest.fixture
def seen() -> Seen:
    """A mailbox that is ready."""
    picture = Picture()
    picture.take_source(M, MailboxRecord(mailbox=M, generation=1, next_sequence=5, certain_up_to=9))
    picture.take_target(M, TargetMailbox(mailbox=M, generation=1, applied_sequence=4))
    picture.of(M).folders["f"] = folder()
    return picture.of(M)


def test_a_mailbox_that_is_level_and_verified_is_ready(seen: Seen) -> None:
    found = standing_of(M, seen, WAVE)
    assert (found.is_copied, found.why_not, found.is_promoted) == (True, (), False)


def test_changes_since_the_last_checksum_do_not_make_it_unready(seen: Seen) -> None:
    seen.folders["f"] = folder(checksum=None)
    assert standing_of(M, seen, WAVE).why_not == ()


@pytest.mark.parametrize(
    "values", [{"certain_up_to": 0}, {"seed_begun": 3}, {"generation": 0}, {"generation": 2}], ids=str
)
def test_it_is_copied_once_the_source_was_read_and_the_target_is_of_the_same_life(
    seen: Seen, values: dict[str, int]
) -> None:
    seen.source = replace(seen.source, **values)  # type: ignore[arg-type] # names are the record's own
    assert not standing_of(M, seen, WAVE).is_copied


def test_it_may_be_behind_by_the_waves_limit_and_no_more(seen: Seen) -> None:
    seen.source = replace(seen.source, next_sequence=7)
    assert standing_of(M, seen, WAVE).why_not == ()
    seen.source = replace(seen.source, next_sequence=8)
    assert standing_of(M, seen, WAVE).why_not == ("3 changes are not applied yet; the wave's limit is 2",)


def test_a_folder_that_was_never_compared_or_differs_keeps_it_from_being_ready(seen: Seen) -> None:
    seen.folders["g"] = folder(folder_id="g", compared_at=0)
    assert standing_of(M, seen, WAVE).why_not == ("1 of 2 folders were found equal by checksums",)
    seen.folders["g"] = folder(folder_id="g", divergence={"missing": 1})
    assert len(standing_of(M, seen, WAVE).why_not) == 2
    seen.folders.clear()
    assert standing_of(M, seen, WAVE).why_not == ("0 of 0 folders were found equal by checksums",)


@pytest.mark.parametrize("role", [TargetRole.OPEN, TargetRole.MERGING])
def test_it_is_promoted_where_a_promotion_of_the_wave_opened_it(seen: Seen, role: TargetRole) -> None:
    seen.target = replace(seen.target, role=role, promotion="p")
    assert standing_of(M, seen, WAVE).is_promoted
    seen.target = replace(seen.target, promotion="somebody's")
    found = standing_of(M, seen, WAVE)
    assert not found.is_promoted
    if role == TargetRole.OPEN:
        assert found.why_not[0].startswith("promoted already")
