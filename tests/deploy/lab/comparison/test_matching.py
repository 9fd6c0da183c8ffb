from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.comparison.matching import Seen, match


def seen(digest: str, identity: str = "", item_id: str = "", *, is_stamped: bool = True) -> Seen:
    return Seen(digest=digest.encode(), identity=(identity or digest).encode(), item_id=item_id, is_stamped=is_stamped)


def test_equal_multisets_are_identical() -> None:
    found = match([seen("a"), seen("a"), seen("b")], [seen("b"), seen("a"), seen("a")])
    assert (found.identical, found.missing, found.extra) == (3, [], [])


def test_a_duplicate_at_the_target_is_extra() -> None:
    found = match([seen("a")], [seen("a"), seen("a")])
    assert (found.identical, len(found.extra)) == (1, 1)


def test_another_state_of_an_item_is_differing_and_not_missing() -> None:
    found = match([seen("a1", "a")], [seen("a2", "a")])
    assert (found.identical, len(found.differing), found.missing, found.extra) == (0, 1, [], [])


def test_an_item_without_our_stamp_is_foreign_even_if_it_looks_like_a_copy() -> None:
    found = match([seen("a")], [seen("a", is_stamped=False), seen("a"), seen("x", is_stamped=False)])
    assert (found.identical, len(found.foreign), found.extra) == (1, 2, [])


ITEMS = st.lists(st.builds(seen, st.sampled_from("abc"), st.sampled_from("xyz"), is_stamped=st.booleans()), max_size=12)


@given(ITEMS, ITEMS)
def test_every_item_of_both_sides_is_counted_exactly_once(source: list[Seen], target: list[Seen]) -> None:
    found = match(source, target)
    assert found.identical + len(found.differing) + len(found.missing) == len(source)
    assert found.identical + len(found.differing) + len(found.extra) + len(found.foreign) == len(target)


@given(ITEMS, ITEMS)
def test_identical_is_the_size_of_the_common_multiset(source: list[Seen], target: list[Seen]) -> None:
    common = Counter(i.digest for i in source) & Counter(i.digest for i in target)
    assert match(source, target).identical == common.total()
