"""An order for a mailbox that the feed does not know yet waits, and is obeyed once it does."""

import time
from collections.abc import Iterator

import pytest

from deploy import wiring
from deploy.lab.child import Child
from deploy.partition.reader import read_to_end
from deploy.settings import load
from schemas.change import Change, SeedBegin
from schemas.codec import decode
from schemas.identity import mailbox_id, partition_of
from schemas.ports import Incoming

from .conftest import PARTITIONS, Living

pytestmark = pytest.mark.slow


@pytest.fixture
def early(living: Living) -> Iterator[Child]:
    """A feed whose settings lack the last mailbox, in place of the one that knows all."""
    text = living.world.config.read_text(encoding="utf-8")
    directory, (head, *blocks) = living.world.options.directory, text.split("[[mailboxes]]")
    config = directory / "without the last.toml"
    config.write_text("[[mailboxes]]".join([head, *blocks[:-1]]), encoding="utf-8")
    feed = Child("early feed", ["feed", "--config", str(config)], directory / "early feed.log")
    living.world.feed.stop()
    feed.start()
    yield feed
    feed.stop()


def seeds_of(living: Living, address: str) -> int:
    """How often the log says the whole mailbox."""
    loaded, mailbox = load(living.world.config, {}), mailbox_id(address)
    connection, topic = wiring.kafka_settings(loaded), wiring.topics_of(loaded).changes
    records = read_to_end(connection, topic, partition_of(mailbox, PARTITIONS), None, lambda: True)
    changes = [decode(r.value) for r in records if isinstance(r, Incoming) and r.value]
    mine = [c for c in changes if isinstance(c, Change) and c.mailbox == mailbox]
    return sum(isinstance(c.operation, SeedBegin) for c in mine)


def test_a_resync_of_a_mailbox_that_the_feed_learns_of_later_is_obeyed(living: Living, early: Child) -> None:
    address = living.users[-1].address
    before = seeds_of(living, address)
    living.run("mailboxes", "resync", address)
    log = living.world.options.directory / "early feed.log"
    deadline = time.monotonic() + 60
    while "order waits for its mailbox" not in log.read_text("utf-8", "replace"):
        assert time.monotonic() < deadline, "the order was not heard"
        early.require_running()
        time.sleep(0.2)
    assert seeds_of(living, address) == before
    early.stop()
    living.world.feed.start()
    living.await_true(lambda: seeds_of(living, address) == before + 1)
    living.await_level()
    assert living.compare().is_clean
