"""A lagged target applies what is old enough, lets an operator run a mailbox ahead, and never loses what it holds."""

from collections.abc import Callable
from typing import Any

import pytest

from consumers.breaker import BreakerLimit
from schemas.change import Marks
from schemas.ports import CallRefused
from schemas.state import ItemState

OTHER, OTHER_ADDRESS = "ffffffffffffffffffff", "second@target.test"
READ = Marks(is_read=True)
HOUR_MS = 3_600_000
QUOTA = "ErrorQuotaExceeded"


def lagged(new_world: Callable[..., Any]) -> tuple[Any, Any, Any]:
    world = new_world(settings={"hold_seconds": 3600}, rounds=30)
    world.addresses[OTHER] = OTHER_ADDRESS
    first, second = world.source(), world.source(OTHER)
    first.save("old", b"old")
    world.now_ms += HOUR_MS
    world.replay()
    assert world.target.visible()[world.making.key("old")]
    return world, first, second


def wait(world: Any, milliseconds: int) -> None:
    world.now_ms += milliseconds
    world.replay()


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)


def test_a_change_is_applied_when_its_time_has_come_and_not_before(new_world: Callable[..., Any]) -> None:
    world, first, second = lagged(new_world)
    began_ms = world.now_ms
    first.save("new", b"new")
    position = world.owned.positions[world.topics.changes]
    wait(world, HOUR_MS // 2)
    assert world.making.key("new") not in world.target.visible()
    assert world.owned.positions[world.topics.changes] == position
    wait(world, began_ms + HOUR_MS - world.now_ms)
    world.assert_exact(first, second)


def test_a_release_runs_one_mailbox_ahead_to_its_time_and_no_other(new_world: Callable[..., Any]) -> None:
    world, first, second = lagged(new_world)
    first.save("held", b"held")
    second.save("other", b"held too")
    world.now_ms += 60_000
    until_ms = world.now_ms
    world.now_ms += 60_000
    first.save("later", b"after the release's time")
    world.order("RELEASE", until=until_ms)
    world.replay()
    seen = world.target.visible()
    assert world.making.key("held") in seen
    assert not {world.making.key("later"), world.making.key("other")} & set(seen)
    wait(world, HOUR_MS)
    world.assert_exact(first, second)


def test_a_release_without_a_time_means_all_up_to_the_order(new_world: Callable[..., Any]) -> None:
    world, first, second = lagged(new_world)
    for number in range(120):
        first.save(f"held-{number}", b"%d" % number)
        second.save(f"other-{number}", b"other %d" % number)
    world.order("RELEASE")
    world.replay()
    assert first.expected().items() <= world.target.visible().items()
    assert not second.expected().items() & world.target.visible().items()
    wait(world, HOUR_MS)
    world.assert_exact(first, second)


def test_a_release_survives_the_death_of_its_owner(new_world: Callable[..., Any], adversity: Any) -> None:
    def play(strikes: dict[int, str]) -> Any:
        world, first, second = lagged(new_world)
        for number in range(4):
            first.save(f"held-{number}", b"%d" % number)
            second.save(f"other-{number}", b"other %d" % number)
        world.order("RELEASE")
        struck = adversity(strikes)
        world.replay_through(struck)
        assert first.expected().items() <= world.target.visible().items()
        assert not second.expected().items() & world.target.visible().items()
        wait(world, HOUR_MS)
        world.assert_exact(first, second)
        return struck

    for number in play({}).places("death"):
        play({number: "death"})


def test_a_mailbox_that_is_full_while_it_runs_ahead_loses_nothing_of_any(new_world: Callable[..., Any]) -> None:
    world, first, second = lagged(new_world)
    for number in range(4):
        second.save(f"other-{number}", b"other %d" % number)
        first.save(f"held-{number}", b"%d" % number)
    world.target.refuse_content[b"2"] = QUOTA
    world.order("RELEASE")
    world.replay()
    assert world.mailbox_record().behind == QUOTA
    world.target.refuse_content.clear()
    world.now_ms += 70_000
    world.replay()
    assert first.expected().items() <= world.target.visible().items()
    assert not second.expected().items() & world.target.visible().items()
    wait(world, HOUR_MS)
    world.assert_exact(first, second)


def test_one_that_tries_again_beyond_what_is_held_takes_nobody_with_it(
    new_world: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, first, second = lagged(new_world)
    for number in range(4):
        second.save(f"other-{number}", b"other %d" % number)
        first.save(f"held-{number}", b"%d" % number)
    healed_ms = world.now_ms + 40_000

    class Healing(dict[bytes, str]):
        def __contains__(self, body: object) -> bool:
            return world.now_ms < healed_ms and body == b"2"

        def __getitem__(self, body: bytes) -> str:
            return QUOTA

    def pass_time(_seconds: float) -> None:
        world.now_ms += 1000

    monkeypatch.setattr("time.sleep", pass_time)
    world.target.refuse_content = Healing()
    world.order("RELEASE")
    world.rounds = 150
    world.replay()
    assert (world.mailbox_record().behind, world.mailbox_record().own_offset) == ("", -1)
    assert first.expected().items() <= world.target.visible().items()
    wait(world, HOUR_MS)
    world.assert_exact(first, second)


def test_a_skip_keeps_what_was_deleted_and_parks_what_was_overwritten_meanwhile(new_world: Callable[..., Any]) -> None:
    world, first, _ = lagged(new_world)
    first.save("kept", b"good")
    wait(world, HOUR_MS)
    first.delete("old")
    first.save("kept", b"encrypted by a stranger")
    world.now_ms += 1000
    world.order("SKIP")
    world.replay()
    world.now_ms += 1000
    first.save("after", b"goes on")
    wait(world, 2 * HOUR_MS)
    seen = world.target.visible()
    keys = {name: world.making.key(name) for name in ("old", "kept", "after")}
    assert [body for name in keys for _, body, _ in seen[keys[name]]] == [b"old", b"good", b"goes on"]
    assert [o.item for o in world.orphans()] == [keys["old"]]
    assert [(r.item, r.reason) for r in world.item_records() if r.state is ItemState.PARKED] == [
        (keys["kept"], "skipped-by-operator")
    ]


def test_the_answer_to_an_order_is_waited_for_as_long_as_it_is_held(new_world: Callable[..., Any]) -> None:
    day_ms = 24 * HOUR_MS
    world = new_world(settings={"hold_seconds": day_ms // 1000}, rounds=30)
    source = world.source()
    source.save("a", b"a")
    wait(world, day_ms)
    source.lose()
    source.save("b", b"b")
    wait(world, day_ms)
    assert world.orders() == [("SEED", ())]
    source.seed()

    def tick() -> dict[str, str]:
        world.now_ms += 60_000
        return dict(world.addresses)

    world.registered = tick
    world.rounds = 23 * 60
    world.replay()
    assert world.orders() == [("SEED", ())]
    world.rounds = 2 * 60
    world.replay()
    world.assert_exact(source, orders=True)


def test_a_skip_that_is_given_twice_is_obeyed_once_and_parks_no_mail(new_world: Callable[..., Any]) -> None:
    limit = BreakerLimit(deletions_max=3, share_max=0.2)
    world = new_world(settings={"hold_seconds": 3600, "breaker_limit": limit}, rounds=30)
    source = world.source()
    for number in range(8):
        source.save(f"item-{number}", b"%d" % number)
    wait(world, HOUR_MS)
    for number in range(6):
        source.delete(f"item-{number}")
    wait(world, HOUR_MS)
    assert world.mailbox_record().tripped
    source.save("new", b"new mail of the last hour")
    world.order("SKIP")
    world.order("SKIP")
    world.replay()
    assert not world.mailbox_record().skips_content
    wait(world, 2 * HOUR_MS)
    assert world.making.key("new") in world.target.visible()
    assert [r for r in world.item_records() if r.state is ItemState.PARKED] == []


def test_a_release_runs_to_its_end_though_each_batch_takes_longer_than_an_idle_log_is_kept_open(
    new_world: Callable[..., Any],
) -> None:
    world, first, _ = lagged(new_world)
    for number in range(60):
        first.save(f"held-{number}", b"%d" % number)
    world.order("RELEASE")
    world.ahead_cut, world.ahead_looks = 10, 2
    world.rounds = 60

    def take_time(name: str, when: str) -> None:
        if (name, when) == ("upload", "after"):
            world.now_ms += 4000

    world.replay_hooked(take_time)
    assert first.expected().items() <= world.target.visible().items()


def test_a_mailbox_that_is_retried_by_its_owner_goes_on_however_much_is_held(new_world: Callable[..., Any]) -> None:
    world, first, second = lagged(new_world)
    first.save("full", b"full")
    world.now_ms += HOUR_MS
    for number in range(600):
        second.save(f"held-{number}", b"%d" % number)
    healed_ms = world.now_ms + 30_000

    def be_full(name: str, when: str) -> None:
        if (name, when) == ("upload", "before") and world.now_ms < healed_ms:
            raise CallRefused(QUOTA, "full")

    world.registered = lambda: _ticking(world)
    world.rounds = 200
    world.replay_hooked(be_full)
    assert world.mailbox_record().behind == ""
    assert first.expected().items() <= world.target.visible().items()


def _ticking(world: Any) -> dict[str, str]:
    world.now_ms += 1000
    return dict(world.addresses)
