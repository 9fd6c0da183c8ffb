"""The feed dies at every boundary between two I/O calls, and a new owner finishes: the log tells exactly the source.

The short form strikes some boundaries of some cases, others with another MAILSHADOW_SEED; `make crash-points` all.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from queue import SimpleQueue
from typing import Any

import pytest

from deploy.lab.comparison.folders import folders_of
from deploy.lab.session import UserSession
from schemas.codec import decode
from schemas.state import IndexEntry, SourceFolder
from schemas.topics import Topics

from .feed_life import FeedJob
from .ground import IS_FULL, SEED, Ground, address_of, chosen, chosen_cases, failing_at, server_of, trials_max
from .log_fold import LogFold, folded
from .source_view import Seen, content_of, items_of, named_ahead, seen_marks

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

PARTITIONS = 16
HALF_SAID = ("SyncFolderItems after", "transaction written, not committed", "transaction committed")
CASES: Mapping[str, Mapping[str, Any]] = {
    "first copy": {"counted_from": 0},
    "items changed": {},
    "copies and large items": {},
    "folders made, renamed and moved": {},
    "folders deleted": {},
    "a draft that is sent": {},
    "wanted, paused and resumed": {},
    "seeded": {},
}


@dataclass(frozen=True, slots=True)
class Trial:
    """One mailbox with a partition of its own, and the lives of feeds on it."""

    ground: Ground
    topics: Topics
    job: FeedJob

    def fold(self) -> LogFold:
        self.ground.fence(f"{self.topics.feed_group}.{self.job.partition}")
        return folded(self.ground.records(self.topics.changes, self.job.partition))

    def state(self) -> tuple[dict[str, SourceFolder], dict[str, IndexEntry]]:
        """Return the committed folders by id and index entries by item."""
        latest = {r.key: r.value for r in self.ground.records(self.topics.source_state, self.job.partition)}
        records = [decode(value) for value in latest.values() if value]
        folders = {r.folder_id: r for r in records if isinstance(r, SourceFolder)}
        return folders, {r.item: r for r in records if isinstance(r, IndexEntry)}

    def assert_nothing_skipped(self, session: UserSession) -> None:
        """No cursor before its changes: what the log does not tell is still named by Sync, owed or pending."""
        fold, address = self.fold(), self.job.source_address
        folders, index = self.state()
        assert {e.item for e in index.values() if e.change_key} == fold.items.keys(), "index and log disagree"
        ahead = {f: named_ahead(session, address, f, r.cursor) for f, r in folders.items()}
        told_items = {t.item_id: _seen(t) for t in fold.items.values()}
        source = items_of(session, address)
        open_ids = {e.item_id for e in index.values() if e.owed or e.pending}
        for item_id in source.keys() | told_items.keys():
            if source.get(item_id) == told_items.get(item_id) or item_id in open_ids:
                continue
            places = {s.folder_id for s in (source.get(item_id), told_items.get(item_id)) if s}
            is_ahead = any(f not in folders or (named := ahead[f]) is None or item_id in named for f in places)
            assert is_ahead, "a cursor is ahead of the log"

    def assert_exact(self, session: UserSession, expected: LogFold) -> None:
        """The log tells what the source holds, and said as much of wants and seeds as without a death."""
        fold, address = self.fold(), self.job.source_address
        assert {t.item_id: _seen(t) for t in fold.items.values()} == items_of(session, address)
        seen = {f.folder_id: f.name for f in folders_of(session, address).values()}
        assert {f: name for f, (_, name) in fold.folders.items()} == seen
        assert (len(fold.wanted), fold.seeds) == (len(expected.wanted), expected.seeds)
        assert [e for e in self.state()[1].values() if e.owed or e.pending] == []


def _seen(told_item: Any) -> Seen:
    return Seen(told_item.folder_id, content_of(told_item.stream), *seen_marks(told_item.marks))


class Trials:
    """Hands out trials of one case; their topics are made for several at once."""

    def __init__(self, ground: Ground, case: str, count: int) -> None:
        self._waiting: SimpleQueue[Trial] = SimpleQueue()
        for start in range(0, count, PARTITIONS):
            partitions = min(PARTITIONS, count - start)
            topics = ground.new_pipeline(partitions)
            for partition in range(partitions):
                job = FeedJob(
                    bootstrap_servers=ground.settings.bootstrap_servers, pipeline=topics.pipeline,
                    partition=partition, partition_count=partitions, source_address=ground.new_mailbox(ground.source),
                    server=asdict(server_of(ground.source)), directory=ground.new_directory(), story=case,
                    **CASES[case],
                )  # fmt: skip
                self._waiting.put(Trial(ground, topics, job))

    def next(self) -> Trial:
        return self._waiting.get_nowait()


@pytest.mark.parametrize(
    ("case", "death"),
    [(case, "exit") for case in chosen_cases(CASES)] + [("items changed", "kill running")] * IS_FULL,
)
def test_a_feed_that_dies_at_any_boundary_is_finished_exactly_by_the_next(
    ground: Ground, case: str, death: str
) -> None:
    first = Trials(ground, case, 1).next()
    met = ground.forkers.finish(first.job).boundaries
    expected = first.fold()
    first.assert_exact(UserSession(address_of(ground.source)), expected)
    numbers = chosen(len(met), sparser=3 if death != "exit" else 1 if IS_FULL else 2)
    trials = Trials(ground, case, trials_max(len(numbers)))

    def strike(number: int) -> str:
        trial, session = trials.next(), UserSession(address_of(ground.source))
        life = ground.forkers.live(replace(trial.job, die_at=number, death=death))
        with closing(session), failing_at(number, life):
            trial.assert_nothing_skipped(session)
            ground.forkers.finish(replace(trial.job, first_stage=life.stage))
            trial.assert_exact(session, expected)
        return life.at

    print(f"{case}, {death}: {ground.strike_all(strike, numbers, len(met))}")


def test_a_second_death_right_after_the_first_leaves_the_log_exact(ground: Ground) -> None:
    lone = Trials(ground, "items changed", 1).next()
    met = ground.forkers.finish(lone.job).boundaries
    expected = lone.fold()
    firsts = [n for n, name in enumerate(met) if name in HALF_SAID]
    for first in firsts[:: len(firsts) // 3] if IS_FULL else [firsts[SEED % len(firsts)]]:
        lone = Trials(ground, "items changed", 1).next()
        life = ground.forkers.live(replace(lone.job, die_at=first))
        taking_over = len(ground.forkers.finish(replace(lone.job, first_stage=life.stage)).boundaries)
        numbers = chosen(taking_over, sparser=1 if IS_FULL else 4)
        trials = Trials(ground, "items changed", trials_max(len(numbers)))

        def strike(number: int, first: int = first, trials: Trials = trials) -> str:
            trial, session = trials.next(), UserSession(address_of(ground.source))
            stage = ground.forkers.live(replace(trial.job, die_at=first)).stage
            life = ground.forkers.live(replace(trial.job, first_stage=stage, die_at=number))
            with closing(session), failing_at(number, life):
                trial.assert_nothing_skipped(session)
                ground.forkers.finish(replace(trial.job, first_stage=life.stage))
                trial.assert_exact(session, expected)
            return life.at

        print(f"after a death at {met[first]}: {ground.strike_all(strike, numbers, taking_over)}")
