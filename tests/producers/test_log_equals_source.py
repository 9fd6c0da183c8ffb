"""Whatever users do, whenever the feed dies, the log tells exactly what the source holds (design §11: 1, 2, 4)."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.ports import AnswerUnknown, CallRefused

from .replica import assert_equal, assert_proved

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Rig

EXAMPLES = 60 if not os.environ.get("MAILSHADOW_EXAMPLES") else int(os.environ["MAILSHADOW_EXAMPLES"])
SETTLE_SPINS = 40
METHODS = ("hierarchy", "items", "describe", "export", "portable", "probe", "listing")
CATEGORIES = ((), ("red",), ("red", "blue"))


@dataclass(frozen=True, slots=True)
class Deed:
    """Something a user does; numbers choose among what there is."""

    kind: str
    one: int
    other: int


DEED_KINDS = (
    *("add", "add", "edit", "read", "mark", "move", "move", "copy", "delete"),
    *("new_folder", "rename", "nest", "delete_folder"),
)
DEEDS = st.builds(
    Deed,
    st.sampled_from(DEED_KINDS),
    st.integers(0, 20),
    st.integers(0, 20),
)
SPINS = st.tuples(st.just("spin"), st.integers(1, 3))
TROUBLES = st.one_of(
    st.tuples(st.just("tick"), st.integers(0, 6000)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("fail_transaction"), st.sampled_from(["lost", "applied"])),
    st.tuples(st.just("lose_cursors"), st.just(0)),
    st.tuples(st.just("refuse"), st.sampled_from(METHODS)),
    st.tuples(st.just("unknown"), st.sampled_from(METHODS)),
    st.tuples(st.just("race"), st.tuples(st.sampled_from(METHODS), DEEDS)),
)
STEPS = st.integers(0, 9).flatmap(lambda n: DEEDS if n < 5 else SPINS if n < 7 else TROUBLES)
HISTORIES = st.one_of(st.lists(STEPS, max_size=10), st.lists(STEPS, min_size=20, max_size=60))


def do(rig: Rig, deed: Deed) -> None:
    """Do it where it can be done."""
    source, folders = rig.source, list(rig.source.folders)
    folder = folders[deed.other % len(folders)]
    match deed.kind:
        case "add":
            source.add(folder)
        case "new_folder":
            source.add_folder(f"Folder {deed.one}", folder if deed.one % 2 else "")
        case "rename" if folder != source.inbox:
            source.change_folder(folder, name=f"Renamed {deed.one}")
        case "nest" if folder != source.inbox:
            source.change_folder(folder, parent_id=source.inbox if deed.one % 2 else "")
        case "delete_folder" if folder != source.inbox:
            source.delete_folder(folder)
        case _ if source.items_by_id:
            _do_to_item(rig, deed, folder)


def _do_to_item(rig: Rig, deed: Deed, folder: str) -> None:
    source, ids = rig.source, sorted(rig.source.items_by_id)
    item = source.items_by_id[ids[deed.one % len(ids)]]
    match deed.kind:
        case "edit":
            source.edit(item.item_id)
        case "read":
            source.mark(item.item_id, replace(item.marks, is_read=not item.marks.is_read))
        case "mark":
            source.mark(item.item_id, replace(item.marks, categories=CATEGORIES[deed.other % len(CATEGORIES)]))
        case "move" if folder != item.folder_id:
            source.move(item.item_id, folder)
        case "copy":
            source.copy(item.item_id, folder)
        case "delete":
            source.delete(item.item_id)


def _refuse() -> None:
    raise CallRefused("ErrorServerBusy", "busy", 2.0)


def _leave_unknown() -> None:
    raise AnswerUnknown("reset", "the connection broke")


def trouble(rig: Rig, kind: str, about: object) -> None:
    """Let something go wrong, or time go by."""
    match kind, about:
        case "spin", int(times):
            rig.spin(times)
        case "tick", int(milliseconds):
            rig.now += milliseconds
        case "crash", _:
            rig.crash()
        case "fail_transaction", str(how):
            rig.owned.failing.append(how)
        case "lose_cursors", _:
            rig.source.lose_cursors()
        case "refuse", str(method):
            rig.source.before(method, _refuse)
        case "unknown", str(method):
            rig.source.before(method, _leave_unknown)
        case "race", (str(method), Deed() as deed):
            rig.source.before(method, lambda: do(rig, deed))


def settle(rig: Rig) -> None:
    """Let everything heal and come to rest."""
    rig.source.hooks.clear()
    rig.owned.failing.clear()
    for _ in range(3):
        rig.rest()
        rig.spin(SETTLE_SPINS)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    page_items_max=st.sampled_from([1, 2, 512]),
    moves_touch_time=st.booleans(),
    tells_unseen_deletions=st.booleans(),
    steps=HISTORIES,
)
def test_the_log_tells_exactly_what_the_source_holds(
    new_rig: Callable[[], Rig],
    page_items_max: int,
    moves_touch_time: bool,  # noqa: FBT001 - drawn by name
    tells_unseen_deletions: bool,  # noqa: FBT001 - as above
    steps: list[Deed | tuple[str, object]],
) -> None:
    rig = new_rig()
    rig.source.page_items_max = page_items_max
    rig.source.moves_touch_time = moves_touch_time
    rig.source.tells_unseen_deletions = tells_unseen_deletions
    rig.checksum_interval_seconds = 20.0
    for step in steps:
        if isinstance(step, Deed):
            do(rig, step)
        else:
            trouble(rig, *step)
    settle(rig)
    assert_equal(rig)
    assert_proved(rig)


@pytest.mark.parametrize("how", ["lost", "applied"])
def test_an_item_is_said_once_whether_or_not_the_first_transaction_was_applied(rig: Rig, how: str) -> None:
    rig.source.add(rig.source.inbox)
    rig.owned.failing.append(how)
    settle(rig)
    assert_equal(rig)
