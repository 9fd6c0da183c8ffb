"""Releases are upgraded under live mail, old and new side by side; the wrong way round is refused; nothing twice.

Two feeds and two replays, and one world for all tests, in this order: first to a release that changes no record of the
log, then to one that changes all of them.
"""

import base64
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import exit_codes
from deploy.lab.chaos.checker.names import PRODUCT_AGENT
from deploy.lab.chaos.evidence import history_file
from deploy.lab.next_release import NEXT_VERSION, make_next_release
from deploy.lab.world import SOURCE, TARGET

from .side_by_side import MAILBOXES, THIS, AtWork, Release, SideBySide, require_nothing, version_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def same_records(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_next_release(tmp_path_factory.mktemp("same-records"), changes_schemas=False)


@pytest.fixture(scope="module")
def other_records(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_next_release(tmp_path_factory.mktemp("other-records"))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    both = SideBySide(tmp_path_factory.mktemp("side-by-side"))
    try:
        both.start()
        yield both
    finally:
        both.stop()


@pytest.fixture(scope="module")
def users(pair: SideBySide) -> Iterator[AtWork]:
    working = AtWork(pair.world)
    working.start()
    try:
        yield working
    finally:
        working.rest()


@pytest.mark.usefixtures("users")
def test_a_release_with_the_same_records_works_beside_the_one_before_for_as_long_as_one_likes(
    pair: SideBySide, same_records: Release
) -> None:
    assert NEXT_VERSION in version_of(same_records)
    assert NEXT_VERSION not in version_of(THIS)
    pair.replace(same_records, "replay-1", "feed-1")
    pair.await_both_work("replay", "feed")
    pair.replace(same_records, "replay-2", "feed-2")


@pytest.mark.usefixtures("users")
def test_readers_of_a_release_with_other_records_take_over_first_then_one_feed_after_the_other(
    pair: SideBySide, other_records: Release
) -> None:
    pair.end("replay-1", "replay-2")
    pair.reading = other_records
    pair.begin(other_records, "replay-1", "replay-2")
    pair.replace(other_records, "feed-1")
    pair.await_both_work("feed", "replay")
    pair.replace(other_records, "feed-2")


@pytest.mark.usefixtures("users")
def test_services_of_the_release_before_say_so_and_leave_and_lose_nothing(
    pair: SideBySide, other_records: Release
) -> None:
    names = ("replay-2", "feed-2")
    pair.end(*names)
    pair.begin(THIS, *names)
    for service in (pair.services[name] for name in names):
        pair.await_true(lambda service=service: service.has_ended, "it leaves")  # type: ignore[misc]
        said, code = service.last_words(), service.stop()
        assert "Upgrade the readers first" in said
        assert "Traceback" not in said
        assert code == exit_codes.HALTED
    pair.begin(other_records, *names)


def test_everything_arrived_once_and_no_work_was_done_twice(pair: SideBySide, users: AtWork) -> None:
    users.rest()
    kept = pair.collect()
    require_nothing(pair.judge(kept))
    done = works(kept, "create")
    assert len(done) == users.received
    assert set(done.values()) == {1}
    # what a feed has read and not said yet when it is told to end, its successor may read again: one a mailbox at most
    assert users.received <= pair.handed_out <= users.received + MAILBOXES
    assert releases_are_mixed(kept)


def works(kept: Path, kind: str) -> Counter[str]:
    """Return how often the product did a kind of write to each item of the target."""
    writes = map(json.loads, history_file(kept, TARGET).read_text().splitlines())
    return Counter(
        w["message_id"] for w in writes if (w["agent"], w["object"], w["kind"]) == (PRODUCT_AGENT, "item", kind)
    )


def releases_are_mixed(kept: Path) -> bool:
    """Tell whether changes were written in two schemas, and the newer one's first before the older one's last."""
    lines = [json.loads(line) for line in (kept / "topics.jsonl").read_text().splitlines()]
    changes = [line for line in lines if line["topic"].endswith(f"changes.{SOURCE}") and line["value"]]
    times: dict[bytes, list[int]] = {}
    for line in changes:
        times.setdefault(base64.b64decode(line["value"])[:10], []).append(line["timestamp_ms"])
    old, new = sorted(times.values(), key=min)
    return min(new) < max(old)
