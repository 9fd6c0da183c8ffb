from pathlib import Path

import pytest

from deploy.lab.exchange.store import Store
from deploy.lab.exchange.tables import DataError


def open_store(directory: Path) -> Store:
    return Store(directory, lambda: 1.0)


def test_counters_go_on_where_they_were(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing("Test"):
        numbers = [store.next_number(), store.next_sequence(), store.next_change()]
    identity = store.identity
    store.close()
    again = open_store(tmp_path)
    assert again.identity == identity
    assert [again.number, again.sequence, again.change] == numbers
    again.close()


def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    undone: list[str] = []
    store.on_rollback.append(lambda: undone.append("yes"))

    def fail() -> None:
        with store.writing("Test"):
            store.next_number()
            store.journal(1, 1, 1, "create", b"", "")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (store.number, undone) == (0, ["yes"])
    assert store.database.execute("SELECT count(*) FROM history").fetchone() == (0,)
    with store.writing("Test"):
        assert store.next_number() == 1
    store.close()


def test_an_inner_transaction_joins_the_outer_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with store.writing("Outer"), store.writing("Inner"):
        store.journal(1, 2, 3, "create", b"k", "m")
    assert store.database.execute("SELECT operation FROM history").fetchall() == [("Outer",)]
    store.close()


def test_a_directory_in_use_is_refused_and_free_after_closing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(DataError, match="in use"):
        open_store(tmp_path)
    store.close()
    open_store(tmp_path).close()
