from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.partition.cache import CachedPosition, StateCache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POSITION = CachedPosition("id", 5, 1000)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[StateCache]:
    cache = StateCache(tmp_path / "new" / "state.sqlite")
    yield cache
    cache.close()


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    first = StateCache(path)
    first.write([("t", "k", b"v")], {"t": POSITION})
    first.close()
    again = StateCache(path)
    assert (again.get("t", "k"), again.position("t")) == (b"v", POSITION)
    again.close()


def test_entries_and_position_are_written_as_one(cache: StateCache) -> None:
    def broken() -> Iterator[tuple[str, str, bytes | None]]:
        yield "t", "k", b"v"
        raise RuntimeError("the disk")

    with pytest.raises(RuntimeError):
        cache.write(broken(), {"t": POSITION})
    cache._database.execute("ROLLBACK")
    assert cache.get("t", "k") is None
    assert cache.position("t") is None


def test_a_tombstone_removes_and_the_newest_value_counts(cache: StateCache) -> None:
    cache.write([("t", "a", b"1"), ("t", "b", b"1"), ("t", "a", b"2"), ("t", "b", None)], {})
    assert (cache.get("t", "a"), cache.get("t", "b")) == (b"2", None)


def test_topics_are_forgotten_one_by_one(cache: StateCache) -> None:
    cache.write([("one", "k", b"1"), ("two", "k", b"2")], {"one": POSITION, "two": POSITION})
    cache.forget("one")
    assert (cache.get("one", "k"), cache.position("one")) == (None, None)
    assert (cache.get("two", "k"), cache.position("two")) == (b"2", POSITION)


@given(st.lists(st.text(alphabet="a/bä\U0001f600", max_size=4)), st.text(alphabet="a/bä\U0001f600", max_size=2))
def test_a_scan_finds_exactly_the_keys_with_the_prefix_in_order(keys: list[str], prefix: str) -> None:
    cache = StateCache(None)
    cache.write([("t", k, k.encode()) for k in keys] + [("other", prefix, b"x")], {})
    wanted = sorted((k for k in set(keys) if k.startswith(prefix)), key=str.encode)
    assert [k for k, _ in cache.scan("t", prefix)] == wanted
    cache.close()


def test_a_second_holder_of_a_file_gets_memory_and_the_file_stays_the_first_ones(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    first, second = StateCache(path), StateCache(path)
    first.write([("t", "k", b"first")], {})
    assert second.get("t", "k") is None
    second.write([("t", "k", b"second")], {})
    assert first.get("t", "k") == b"first"
    first.close()
    second.close()
    third = StateCache(path)
    assert third.get("t", "k") == b"first"
    third.close()


def test_a_file_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    path.write_bytes(b"this is no database, whatever its name says" * 100)
    cache = StateCache(path)
    assert cache.position("t") is None
    cache.write([("t", "k", b"v")], {})
    assert cache.get("t", "k") == b"v"
    cache.close()
