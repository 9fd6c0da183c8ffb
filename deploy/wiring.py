"""Puts the loops together with real connections: who owns what, on which thread, with which settings."""

import secrets
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from consumers.breaker import BreakerLimit
from consumers.dead_letters import DeadLetterLimit
from consumers.exchange_target import ExchangeTarget
from consumers.replay_settings import ReplaySettings
from consumers.replayer import Replayer, Side
from consumers.scope import Scope
from deploy import kafka
from deploy.endpoints import Guard
from deploy.exchange import ServerSettings, Session
from deploy.exchange_tls import TlsSettings
from deploy.kafka_security import Sasl, Security, Tls
from deploy.live_registry import LiveRegistry
from deploy.partition.membership import Membership
from deploy.partition.owned import Owned, Role
from deploy.partition.reader import PartitionReader
from deploy.promotion.opposite import Opposite
from deploy.promotion.turned import TurnedRegistry, TurnedSettings, is_lossy
from deploy.registry import Registry
from deploy.sections import KafkaSection, ReplaySection, ServerSection, Settings
from deploy.security_rules import TLS_VERSIONS
from deploy.session_pool import SessionPool
from deploy.throttle import Throttle
from deploy.worker_report import report_throttle, report_worker
from producers.doorbell import Notifier, StreamingDoorbell
from producers.exchange_notifier import ExchangeNotifier
from producers.exchange_source import ExchangeSource
from producers.feed import Feed, FeedSettings
from producers.spool import Spool
from schemas.change import Form
from schemas.metrics import FeedMetrics, PartitionMetrics, ReplayMetrics, SessionMetrics
from schemas.ports import OwnedPartition
from schemas.state import Order
from schemas.topics import Topics, TopicSettings
from schemas.turning import Known

POLL_STALL_SECONDS = 30.0
WORKER_STALL_SECONDS = 300.0
"""Longer than the slowest call a worker makes with the default time-out of 120 s."""


def now_ms() -> int:
    """Return milliseconds since 1970 (UTC)."""
    return time.time_ns() // 1_000_000


def mint_nonce() -> str:
    """Return 16 hex digits nobody has used."""
    return secrets.token_hex(8)


def server_settings(section: ServerSection) -> ServerSettings:
    """Return how to reach a server."""
    return ServerSettings(
        name=section.name,
        url=section.url,
        user=section.user,
        password=section.password,
        version=section.version,
        auth=section.auth,
        timeout_seconds=section.timeout_seconds,
        password_file=section.password_file,
        tls=TlsSettings(
            ca_file=section.ca_file,
            certificate_file=section.certificate_file,
            key_file=section.key_file,
            version_min=TLS_VERSIONS[section.tls_version_min],
        ),
    )


def kafka_settings(settings: Settings) -> kafka.KafkaSettings:
    """Return how to reach Kafka."""
    section = settings.kafka
    return kafka.KafkaSettings(
        bootstrap_servers=section.bootstrap_servers,
        replication_factor=section.replication_factor,
        partition_count=section.partition_count,
        creates_topics=section.create_topics,
        security=_kafka_security(section),
        client=section.client | ({"client.rack": section.rack} if section.rack else {}),
    )


def _kafka_security(section: KafkaSection) -> Security:
    tls, sasl = None, None
    if given := section.tls:
        tls = Tls(
            ca_file=given.ca_file,
            certificate_file=given.certificate_file,
            key_file=given.key_file,
            key_password=given.key_password,
            key_password_file=given.key_password_file,
        )
    if login := section.sasl:
        sasl = Sasl(
            mechanism=login.mechanism,
            user=login.user,
            password=login.password,
            password_file=login.password_file,
            token_url=login.token_url,
            scope=login.scope,
        )
    return Security(tls=tls, sasl=sasl)


def guard_of(settings: Settings) -> Guard:
    """Return where /metrics listens and who may read it."""
    section = settings.metrics
    return Guard(
        address=section.address,
        user=section.user,
        password=section.password,
        password_file=section.password_file,
        certificate_file=section.certificate_file,
        key_file=section.key_file,
    )


def topics_of(settings: Settings) -> Topics:
    """Return the names of the pipeline's topics."""
    return Topics(settings.pipeline.name, settings.source.name, is_back=isinstance(settings, TurnedSettings))


def catalogue_of(settings: Settings) -> list[TopicSettings]:
    """Return every topic of the pipeline as it has to be in this cluster."""
    found = topics_of(settings).catalogue(tuple(settings.targets), settings.kafka.partition_count)
    replicas = settings.kafka.min_insync_replicas
    further = {"min.insync.replicas": str(replicas)} if replicas else {}
    return [replace(topic, config=topic.config | further) for topic in found]


def opposite_of(settings: Settings, owned: OwnedPartition) -> Callable[[Order], Known | None]:
    """Return what reads, for one partition, what the other direction left; an order names the server at its end."""
    topics, readers = topics_of(settings), dict[str, Opposite]()

    def known(order: Order) -> Known | None:
        if order.target not in readers:
            other = Topics(topics.pipeline, order.target, is_back=not topics.is_back)
            readers[order.target] = Opposite(owned.history, other, topics.source)
        return readers[order.target].known(order)

    return known


def prepare_topics(settings: Settings) -> list[str]:
    """Create what is missing of the pipeline's topics; raises what `kafka.ensure_topics` raises."""
    return kafka.ensure_topics(kafka_settings(settings), catalogue_of(settings))


@dataclass(slots=True)
class Service:
    """One running side: its membership and the metrics it fills."""

    membership: Membership
    registry: CollectorRegistry
    close: Callable[[], None]

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop."""
        try:
            self.membership.run(stop)
        finally:
            self.close()

    def is_healthy(self) -> bool:
        """Tell whether the group is still being polled and every worker stirs, if only to wait for a server."""
        is_polled = time.monotonic() - self.membership.polled_at < POLL_STALL_SECONDS
        return is_polled and self.membership.still_seconds() < WORKER_STALL_SECONDS

    def is_ready(self) -> bool:
        """Tell whether it takes part in the group, and keeps what it is given."""
        return self.is_healthy() and bool(self.membership.assigned) and not self.membership.losing()


def feed_service(settings: Settings, mailboxes: Registry | TurnedRegistry) -> Service:
    """Return the feed of a source, ready to run."""
    topics, connection = topics_of(settings), kafka_settings(settings)
    registry = LiveRegistry()
    session_metrics, feed_metrics = SessionMetrics(registry), FeedMetrics(registry)
    throttle, server = Throttle(settings.source.calls_at_once_max), server_settings(settings.source)
    report_throttle(registry, session_metrics, server.name, throttle)

    def connect() -> Notifier:
        return ExchangeNotifier(Session(server, throttle, session_metrics))

    doorbell = StreamingDoorbell(connect, is_streaming=settings.feed.streaming)
    spool_root = settings.feed.spool_directory or settings.pipeline.data_directory / "spool"
    feed_settings = FeedSettings(
        poll_interval_seconds=settings.feed.poll_interval_seconds,
        heartbeat_seconds=settings.feed.heartbeat_seconds,
        checksum_interval_seconds=settings.feed.checksum_interval_seconds,
        forms=tuple(Form(f) for f in settings.feed.forms),
        targets=tuple(settings.targets),
        is_back=topics.is_back,
        refusals=throttle.refusals,
    )

    def work(owned: Owned) -> None:
        spool, mine = Spool(spool_root), replace(feed_settings, opposite=opposite_of(settings, owned))
        orders_topic = topics.orders(topics.source)
        with (
            closing(Session(server, throttle, session_metrics)) as session,
            closing(PartitionReader(connection, orders_topic, owned.number, owned.position(orders_topic))) as orders,
        ):
            feed = Feed(owned, ExchangeSource(session), topics, mine, spool, doorbell, now_ms, feed_metrics)
            try:
                feed.run(lambda: mailboxes.of_source(owned.number), orders)
            finally:
                feed_metrics.forget(mailboxes.of_source(owned.number))

    role = Role(
        group=topics.feed_group,
        state_topics=kafka.topic_ids(connection, (topics.mailboxes, topics.source_state)),
        positions_topic=topics.mailboxes,
        cache_directory=settings.pipeline.data_directory / "state",
    )
    membership = Membership(connection, role, topics.mailboxes, work, now_ms, PartitionMetrics(registry))
    directories = (settings.pipeline.data_directory, spool_root)
    report_worker(registry, "feed", "", _standing(membership), throttle, directories, membership.losing)
    return Service(membership, registry, doorbell.close)


def _standing(membership: Membership) -> Callable[[], tuple[bool, float]]:
    return lambda: (bool(membership.assigned), membership.still_seconds())


def dead_letter_limit(section: ReplaySection) -> DeadLetterLimit:
    """Return when a mailbox is held for what could not be applied."""
    return DeadLetterLimit(
        consecutive_max=section.dead_letters_consecutive_max,
        share_max=section.dead_letters_share_max,
        window_changes=section.dead_letters_window_changes,
        mailboxes_max=section.dead_letters_mailboxes_max,
    )


def replay_settings_of(settings: Settings, target: str) -> ReplaySettings:
    """Return how changes are replayed into one target."""
    section = settings.targets[target]
    # the way back to an older server spares its originals: their properties are edited where they lie
    is_older = isinstance(settings, TurnedSettings) and is_lossy(settings)
    return ReplaySettings(
        target=target,
        portable_only=section.portable_only or is_older,
        edits_in_place=is_older,
        mailboxes_at_once=settings.replay.mailboxes_at_once,
        scope=Scope(
            folders_left_out=section.folders_left_out,
            classes_left_out=section.classes_left_out,
            age_days_max=section.age_days_max,
        ),
        hold_seconds=section.hold_seconds,
        dead_letter_limit=dead_letter_limit(settings.replay),
        breaker_limit=BreakerLimit(
            deletions_max=settings.replay.breaker_deletions_max,
            share_max=settings.replay.breaker_share_max,
            window_seconds=settings.replay.breaker_window_seconds,
        ),
        checksum_interval_seconds=settings.replay.checksum_interval_seconds,
        probe_interval_seconds=settings.replay.probe_interval_seconds,
    )


def replay_service(settings: Settings, mailboxes: Registry | TurnedRegistry, target: str) -> Service:
    """Return the replay into one target, ready to run."""
    topics, connection = topics_of(settings), kafka_settings(settings)
    registry = LiveRegistry()
    session_metrics, replay_metrics = SessionMetrics(registry), ReplayMetrics(registry)
    section = settings.targets[target]
    throttle, server = Throttle(section.calls_at_once_max), server_settings(section)
    report_throttle(registry, session_metrics, server.name, throttle)
    replay_settings = replace(replay_settings_of(settings, target), refusals=throttle.refusals)

    def work(owned: Owned) -> None:
        with ExitStack() as stack:

            def opened(topic: str, offset: int | None) -> PartitionReader:
                return stack.enter_context(closing(PartitionReader(connection, topic, owned.number, offset)))

            pool = SessionPool(lambda: Session(server, throttle, session_metrics))
            session = stack.enter_context(closing(pool))
            replayer = Replayer(
                owned,
                ExchangeTarget(session),
                topics,
                replay_settings,
                now_ms,
                mint_nonce,
                replay_metrics,
                opposite_of(settings, owned),
            )
            committed = owned.position(topics.changes)
            reader = opened(topics.changes, replayer.start_offset(committed))
            orders_topic = topics.orders(target)
            orders = opened(orders_topic, owned.position(orders_topic))
            side = Side(
                orders=orders, open_log=lambda offset: PartitionReader(connection, topics.changes, owned.number, offset)
            )
            try:
                replayer.run(lambda: mailboxes.of_target(owned.number, target), reader, committed, side)
            finally:
                replay_metrics.forget(owned.number, mailboxes.of_target(owned.number, target))

    role = Role(
        group=topics.replay_group(target),
        state_topics=kafka.topic_ids(connection, (topics.target_state(target),)),
        positions_topic=topics.target_state(target),
        cache_directory=settings.pipeline.data_directory / "state",
    )
    membership = Membership(connection, role, topics.changes, work, now_ms, PartitionMetrics(registry))
    directories = (settings.pipeline.data_directory,)
    standing = _standing(membership)
    report_worker(registry, "replay", target, standing, throttle, directories, membership.losing)
    return Service(membership, registry, lambda: None)


def iso_time(milliseconds: int) -> str:
    """Return a time as ISO 8601 in UTC, or a dash for never."""
    if not milliseconds:
        return "-"
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))
