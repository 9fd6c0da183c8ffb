from dataclasses import replace
from typing import Any

import pytest

from schemas.change import FolderDeleted, SeedBegin, SeedEnd, Version

FOLDER = FolderDeleted(folder_id="f")


def test_a_sequence_left_out_is_a_gap(story: Any) -> None:
    story.copied()
    story.sequence += 1
    story.say(FOLDER)
    assert "sequence-gap" in story.rules()


def test_a_sequence_said_again_is_a_repetition(story: Any) -> None:
    story.copied()
    story.sequence -= 1
    story.say(FOLDER)
    assert "sequence-twice" in story.rules()


@pytest.mark.parametrize(
    ("previous", "is_right"), [(None, True), ("last", True), (Version(generation=1, sequence=1), False)]
)
def test_a_new_generation_names_the_version_before_it_or_unknown(story: Any, previous: Any, is_right: bool) -> None:  # noqa: FBT001 - a column
    story.copied()
    last = Version(generation=1, sequence=story.sequence)
    story.sequence = 0
    story.say(SeedBegin(previous=last if previous == "last" else previous, reason="r"), generation=2)
    assert ("sequence-gap" not in story.rules()) is is_right


def test_a_generation_that_begins_without_saying_so_is_a_gap(story: Any) -> None:
    story.copied()
    story.sequence = 0
    story.say(FOLDER, generation=2)
    assert "sequence-gap" in story.rules()


def test_what_the_source_has_is_not_called_deleted(story: Any) -> None:
    story.copied()
    story.deleted_at_source()
    assert "deleted-alive" not in story.rules()
    del story.source[-1]
    assert "deleted-alive" in story.rules()


def test_a_move_is_not_published_as_a_deletion(story: Any) -> None:
    story.copied()
    story.moved_at_source()
    story.unindex()
    story.deleted_at_source()
    del story.source[-1]
    assert "deleted-alive" in story.rules()


def test_every_change_has_its_index_entry(story: Any) -> None:
    story.copied()
    story.unindex()
    assert "index-behind" in story.rules()


def test_what_a_whole_seed_does_not_name_is_indexed_no_more(story: Any) -> None:
    story.copied()
    begun = story.sequence + 1
    story.say(SeedBegin(previous=Version(generation=1, sequence=story.sequence), reason="r"))
    story.say(SeedEnd(begun=begun, items=0))
    assert "index-behind" in story.rules()
    story.unindex()
    assert "index-behind" not in story.rules()


def test_an_index_entry_of_another_id_is_behind(story: Any) -> None:
    story.copied()
    story.index("s9")
    assert "index-behind" in story.rules()


def test_every_index_entry_has_a_change(story: Any) -> None:
    story.copied()
    story.index("s9", key="another")
    assert "change-missing" in story.rules()


def test_what_cannot_be_decoded_is_told(story: Any) -> None:
    story.copied()
    story.log.append(replace(story.log[-1], value=b"nonsense"))
    assert "undecodable" in story.rules()
