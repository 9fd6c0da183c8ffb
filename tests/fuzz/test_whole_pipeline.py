"""Random worlds: whatever users do and whatever fails at the feed and the replay, the target ends as the source.

A world is its seed: `history(seed)` is the same on every machine. The short form tries 100, `make fuzz` 2,000;
MAILSHADOW_WORLD=SEED tries one, and its failure shows the steps.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers import ledger, patience
from producers import feed, item_look
from schemas.change import Marks
from schemas.ports import AnswerUnknown, CallRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fuzz.pair import Pair


WORLDS = 2_000 if "MAILSHADOW_FUZZ" in os.environ else 100
CHUNK = 25
NAMES = ("A", "B", "C")
FLAGGED = Marks(is_read=True, flag_status="Flagged", categories=("red",))
METHODS = ("hierarchy", "items", "describe", "export", "probe")
STRIKES = ("death", "partition lost", "answer unknown", "busy", "late", "very late")
ACTS = (
    *("add",) * 5, *("move",) * 4, *("edit", "mark", "read", "copy", "delete", "delete") * 2,
    *("new_folder",) * 3, *("rename",) * 3, *("nest",) * 3, *("delete_folder",) * 2, "empty",
)  # fmt: skip
TROUBLES = (
    *("both",) * 8, *("feed",) * 4, *("replay",) * 4, *("strike",) * 6, "tick", "crash", "lost", "applied", "cursors",
    "refuse", "unknown", "race", "race", "seed", "seed", "state", "user", "user",
)  # fmt: skip
Step = tuple[str, int, int]


def history(seed: int) -> list[Step]:
    """Return the steps of a world."""
    chance = random.Random(seed)
    steps: list[Step] = [("add", n, n) if n % 3 else ("new_folder", n, n) for n in range(chance.randrange(24))]
    steps += [("both", 9, 0)] * chance.randrange(3)
    for _ in range(chance.randint(8, 50)):
        kind = chance.choice(ACTS if chance.random() < 0.6 else TROUBLES)
        steps.append((kind, chance.randrange(1_000), chance.randrange(1_000)))
    return steps


class Play:
    """Carries out steps at a pair, each only where it can be done."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.source = pair, pair.source

    def step(self, kind: str, first: int, second: int) -> None:
        if kind in ACTS:
            self.act(kind, first, second)
        else:
            self.trouble(kind, first, second)

    def act(self, kind: str, first: int, second: int) -> None:
        source = self.source
        folders, items = list(source.folders), sorted(source.items_by_id)
        folder, name = folders[second % len(folders)], NAMES[first % len(NAMES)]
        match kind:
            case "add":
                source.add(folder, item_class="IPM.Task" if first % 5 == 0 else "IPM.Note")
            case "new_folder":
                parent = folder if first % 2 else ""
                if self._is_free(name, parent):
                    source.add_folder(name, parent)
            case "empty":
                for item_id in [i for i, item in source.items_by_id.items() if item.folder_id == folder]:
                    source.delete(item_id)
            case "rename" | "nest" | "delete_folder" if folder != source.inbox:
                self._act_on_folder(kind, folder, first)
            case _ if items:
                self._act_on_item(kind, items[first % len(items)], folder, first)

    def _act_on_folder(self, kind: str, folder: str, first: int) -> None:
        source, folders, name = self.source, list(self.source.folders), NAMES[first % len(NAMES)]
        match kind:
            case "rename":
                if self._is_free(name, source.folders[folder].seen.parent_id):
                    source.change_folder(folder, name=name)
            case "nest":
                self._nest(folder, folders[first % len(folders)] if first % 3 else "")
            case "delete_folder":
                source.delete_folder(folder)

    def _act_on_item(self, kind: str, item_id: str, folder: str, number: int) -> None:
        source, item = self.source, self.source.items_by_id[item_id]
        match kind:
            case "edit":
                source.edit(item_id)
            case "read":
                source.mark(item_id, replace(item.marks, is_read=not item.marks.is_read))
            case "mark":
                source.mark(item_id, FLAGGED if number % 2 else Marks(is_read=False))
            case "move" if folder != item.folder_id:
                source.move(item_id, folder)
            case "copy":
                source.copy(item_id, folder)
            case "delete":
                source.delete(item_id)

    def _is_free(self, name: str, parent: str, other_than: str = "") -> bool:
        among = [s.seen for f, s in self.source.folders.items() if f != other_than]
        return not any(s.parent_id == parent and s.name.casefold() == name.casefold() for s in among)

    def _nest(self, folder: str, parent: str) -> None:
        above = parent
        while above:
            if above == folder:
                return
            above = self.source.folders[above].seen.parent_id
        if self._is_free(self.source.folders[folder].seen.name, parent, folder):
            self.source.change_folder(folder, parent_id=parent)

    def trouble(self, kind: str, first: int, second: int) -> None:
        pair, rig = self.pair, self.pair.rig
        chance = random.Random(first * 1_000 + second)
        match kind:
            case "both":
                pair.feed(1 + first % 10)
                rig.rest()
                pair.replay()
            case "feed":
                pair.feed(1 + first % 3)
            case "replay":
                pair.replay()
            case "strike":
                pair.feed(first % 4)
                pair.replay({chance.randrange(60): chance.choice(STRIKES) for _ in range(1 + second % 3)})
            case "seed":
                pair.order_feed("SEED")
            case "user":
                pair.users_act(chance)
            case _:
                self._break(kind, first, second)

    def _break(self, kind: str, first: int, second: int) -> None:
        rig, method = self.pair.rig, METHODS[first % len(METHODS)]
        match kind:
            case "tick":
                rig.now += first * 10
            case "crash":
                rig.crash()
            case "lost" | "applied":
                rig.owned.failing += [""] * (first % 3) + [kind]
            case "cursors":
                self.source.lose_cursors()
            case "refuse":
                self.source.before(method, _refuse)
            case "unknown":
                self.source.before(method, _leave_unknown)
            case "race":
                act = ACTS[second % len(ACTS)]
                self.source.before(method, lambda: self.act(act, first, second))
            case "state":
                rig.crash()
                rig.owned.state.clear()


def _refuse() -> None:
    raise CallRefused("ErrorServerBusy", "busy", 2.0)


def _leave_unknown() -> None:
    raise AnswerUnknown("reset", "the connection broke")


@pytest.fixture(scope="module", autouse=True)
def _no_waiting() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(patience, "WAIT_SECONDS_FIRST", 0.0)
        yield


def live(pair: Pair, seed: int, patched: pytest.MonkeyPatch) -> None:
    """Let a world happen, settle it and compare; some end with a promotion and the merge of what came after it."""
    chance = random.Random(-seed - 1)
    pair.source.page_items_max = chance.choice((1, 2, 512))
    pair.source.moves_touch_time = chance.random() < 0.5
    pair.source.tells_unseen_deletions = chance.random() < 0.5
    pair.world.cut = chance.choice((1, 3, 1000))
    records_max = chance.choice((3, 2_000, 2_000))
    patched.setattr(item_look, "PART_RECORDS_MAX", records_max)
    patched.setattr(feed, "TRANSACTION_RECORDS_MAX", records_max)
    patched.setattr(ledger, "TRANSACTION_RECORDS_MAX", records_max)
    pair.scope_classes = ("IPM.Task",) if chance.random() < 0.2 else ()
    play = Play(pair)
    for kind, first, second in history(seed):
        play.step(kind, first, second)
    pair.rest()
    pair.assert_equal()
    if seed % 3:
        return
    tail = [(k, a, b) for k, a, b in history(seed + 1_000_000) if k in ACTS]
    for kind, first, second in tail[:3]:
        play.step(kind, first, second)
    pair.promote(is_planned=bool(seed % 2))
    for kind, first, second in tail[3:]:
        play.step(kind, first, second)
        if second % 5 == 0:
            pair.users_act(chance)
    pair.merge()
    pair.assert_equal()


@pytest.mark.parametrize("first", range(0, WORLDS, CHUNK))
def test_the_target_ends_as_the_source_whatever_happens(
    new_pair: Callable[[], Pair], monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    for seed in range(first, first + CHUNK):
        try:
            with monkeypatch.context() as patched:
                live(new_pair(), seed, patched)
        except Exception as failure:
            failure.add_note(f"world {seed}: {history(seed)}")
            raise
