"""A feed that needs only Kafka: it joins the group, acquires like any other, obeys orders and captures nothing.

Started where no feed lives. Acquiring fences whoever was there, so that a feed that comes back writes nothing more.
Its state is restored into memory: a cache on disk may be held by a feed that stands still.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import CollectorRegistry

from deploy import kafka, wiring
from deploy.partition.membership import Membership
from deploy.partition.owned import Owned, Role
from deploy.partition.reader import PartitionReader
from deploy.sections import Settings
from producers.capture import Dirt
from producers.feed import Feed, FeedSettings
from producers.source import Described, Failed, HierarchyPage, ItemPage, Portable
from producers.spool import Spool
from schemas.faults import TransportFault
from schemas.identity import partition_of
from schemas.listing import ListingPage
from schemas.metrics import FeedMetrics, PartitionMetrics
from schemas.ports import CallRefused

STOP_SECONDS = 20.0


class NoSource:
    """`producers.source.Source` that refuses every call: nothing may ask the old source for anything."""

    version = ""

    def hierarchy(self, address: str, cursor: str) -> HierarchyPage:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def items(self, address: str, folder_id: str, cursor: str) -> ItemPage:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def describe(self, address: str, item_ids: list[str]) -> list[Described | Failed]:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def change_keys(self, address: str, item_ids: list[str]) -> list[str | Failed]:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def export(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def portable(self, address: str, item_ids: list[str]) -> list[Portable | Failed]:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def listing(self, address: str, folder_id: str, offset: int) -> ListingPage:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:  # noqa: ARG002 - the port's
        """Refuse."""
        raise _refusal()


class SilentDoorbell:
    """`producers.feed.Doorbell` that listens to nobody."""

    def watch(self, mailboxes: Mapping[str, str]) -> None:
        """Listen to nobody."""

    def rung(self, mailbox: str) -> Dirt | None:  # noqa: ARG002 - the port's
        """Return nothing."""
        return None

    def wait(self, timeout_seconds: float) -> None:
        """Return after the time."""
        time.sleep(timeout_seconds)


def _refusal() -> CallRefused:
    return CallRefused(TransportFault.CONNECTION_REFUSED, "this feed captures nothing")


@contextmanager
def stand_in(settings: Settings, addresses: Mapping[str, str]) -> Iterator[None]:
    """Have the orders of these mailboxes (id to source address) obeyed while the block lasts."""
    stop, failures = threading.Event(), list[Exception]()
    with TemporaryDirectory(prefix="mailshadow-") as directory:
        membership = _membership(settings, addresses, Path(directory))

        def run() -> None:
            try:
                membership.run(stop)
            except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
                failures.append(error)

        thread = threading.Thread(target=run, name="stand-in", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(STOP_SECONDS)
    if failures:
        raise failures[0]


def _membership(settings: Settings, addresses: Mapping[str, str], directory: Path) -> Membership:
    topics, connection = wiring.topics_of(settings), wiring.kafka_settings(settings)
    registry = CollectorRegistry()
    metrics = FeedMetrics(registry)
    feed_settings = FeedSettings(targets=tuple(settings.targets), is_capturing=False)

    def work(owned: Owned) -> None:
        orders_topic = topics.orders(topics.source)
        mine = {m: a for m, a in addresses.items() if partition_of(m, connection.partition_count) == owned.number}
        with closing(PartitionReader(connection, orders_topic, owned.number, owned.position(orders_topic))) as orders:
            spool, doorbell = Spool(directory), SilentDoorbell()
            feed = Feed(owned, NoSource(), topics, feed_settings, spool, doorbell, wiring.now_ms, metrics)
            feed.run(lambda: mine, orders)

    role = Role(
        group=topics.feed_group,
        state_topics=kafka.topic_ids(connection, (topics.mailboxes, topics.source_state)),
        positions_topic=topics.mailboxes,
        cache_directory=None,
    )
    return Membership(connection, role, topics.mailboxes, work, wiring.now_ms, PartitionMetrics(registry))
