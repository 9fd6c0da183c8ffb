import threading
import time

import pytest

from consumers.group_commit import GroupCommit


def test_everybody_is_covered_by_a_transaction_that_began_after_asking_and_those_who_wait_share_one() -> None:
    put: list[int] = []
    written: list[set[int]] = []

    def transact() -> None:
        written.append(set(put))
        time.sleep(0.05)

    commit = GroupCommit(transact)
    uncovered: list[int] = []

    def work(number: int) -> None:
        put.append(number)
        commit()
        if not any(number in transaction for transaction in written):
            uncovered.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert not uncovered
    assert len(written) < len(threads) / 2


def test_a_failed_transaction_covers_nobody() -> None:
    outcomes = iter([False, True])

    def transact() -> None:
        if not next(outcomes):
            raise OSError("lost")

    commit = GroupCommit(transact)
    with pytest.raises(OSError, match="lost"):
        commit()
    commit()
    assert next(outcomes, None) is None
