"""The faults of the runbook's table and of the dashboards: how each is caused, what is told of it, how it ends.

A cause is a context: the fault lasts while it does. `health` is what `status` says of a mailbox meanwhile, `alerts`
what Alertmanager hears; both end after it.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined] # not in its stubs
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from deploy import settings, wiring
from deploy.kafka import end_offset, reader
from deploy.lab.session import UserSession
from deploy.lab.workload.mail import INBOX
from deploy.lab.workload.mailbox import UserMailbox
from deploy.lab.world import SOURCE, TARGET
from deploy.verification import knowledge
from producers.spool import INLINE_SIZE_BYTES_MAX
from schemas.identity import mailbox_id, partition_of
from schemas.topics import Topics

from .watching import Watched

PAGE_BYTES = 4096
STANDS_STILL_SECONDS = 7.0
"""Less than the session of the lab's broker: one that stands still for longer was seen to lose a mark."""


@dataclass(frozen=True)
class Fault:
    """One row: `alerts` are names with the labels they must have.

    `needs_traffic` measures before it with mail, `needs_calm` without.
    """

    cause: Callable[[Watched], AbstractContextManager[None]]
    health: str = ""
    alerts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    needs_traffic: bool = False
    needs_calm: bool = False
    seconds_max: float = 60.0


def topics() -> Topics:
    """Return the names of the lab's topics."""
    return Topics("lab", SOURCE)


@contextmanager
def user_at_work(w: Watched, interval_seconds: float, count: int = 1) -> Iterator[None]:
    """Put so many messages again and again."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(interval_seconds):
            w.put(count)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(30)


@contextmanager
def mail_arrives(w: Watched) -> Iterator[None]:
    with user_at_work(w, 0.5):
        time.sleep(5.0)  # then folders come to rest, and are compared
    yield


@contextmanager
def poison(w: Watched) -> Iterator[None]:
    w.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
    w.put()
    yield
    w.run("dead-letters", "redrive")


@contextmanager
def not_handed_out(w: Watched) -> Iterator[None]:
    w.world.source.add_fault("ExportItems", "error", code="ErrorCorruptData", count=1000, item=0)
    w.put()
    yield
    w.world.source.clear_faults()


@contextmanager
def unread_folder(w: Watched) -> Iterator[None]:
    """While one folder can't be read, what is gone from another may be there."""
    folder_id = w.user.create_folder(w.user.folder(INBOX), f"observed {w.number}")
    w.settle(1, folder_id)
    w.world.source.add_fault("SyncFolderItems", "error", code="ErrorCorruptData", count=1000)
    w.put()
    w.user.delete_folder(folder_id, how="HardDelete")
    yield
    w.world.source.clear_faults()


@contextmanager
def paused(w: Watched) -> Iterator[None]:
    w.run("mailboxes", "pause", w.user.address)
    yield
    w.run("mailboxes", "resume", w.user.address)


@contextmanager
def hanging_replay(w: Watched) -> Iterator[None]:
    w.world.replay.signal(signal.SIGSTOP)
    try:
        w.put()
        yield
    finally:
        w.world.replay.signal(signal.SIGCONT)


@contextmanager
def silent_source(w: Watched) -> Iterator[None]:
    w.world.source.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        w.world.source.signal(signal.SIGCONT)


@contextmanager
def patient_feed(w: Watched) -> Iterator[None]:
    """The source hangs, and the feed waits for its answer as long as by default: two minutes."""
    w.restart(w.world.feed, MAILSHADOW_SOURCE__TIMEOUT_SECONDS="120")
    w.settle()
    with silent_source(w):
        yield
    w.restart(w.world.feed)


@contextmanager
def blind_monitor(w: Watched) -> Iterator[None]:
    """Kafka answers everybody but the monitor; when it answers again the monitor goes on by itself."""
    started = 'mailshadow_worker_started_timestamp_seconds{role="monitor"}'
    before = w.total(started)
    w.lead_aside(w.monitor)
    w.await_true(lambda: w.total(started) > before and w.total("mailshadow_monitor_restored") == 1, 30, "it reads on")
    w.await_well()
    w.aside.cut()
    try:
        yield
    finally:
        w.aside.mend()


@contextmanager
def slow_source(w: Watched) -> Iterator[None]:
    w.world.source.add_fault("*", "delay_before", seconds=1.5, count=60)
    w.put()
    yield
    w.world.source.clear_faults()


@contextmanager
def slow_target(w: Watched) -> Iterator[None]:
    """Changes are applied, and slower than they come."""
    w.world.target.add_fault("*", "delay_before", seconds=2.0, count=1000)
    try:
        with user_at_work(w, 2.0):
            yield
    finally:
        w.world.target.clear_faults()


@contextmanager
def throttled_target(w: Watched) -> Iterator[None]:
    w.world.target.add_fault("*", "busy_fault", count=40, back_off_milliseconds=300)
    w.put()
    yield
    w.world.target.clear_faults()


@contextmanager
def throttled(w: Watched) -> Iterator[None]:
    """Busy for as long as a mailbox needs to be called not captured; let in for a moment, so that it asks on."""
    is_over = threading.Event()

    def press() -> None:
        while not is_over.is_set():
            w.world.source.add_fault("*", "busy_fault", count=2000, back_off_milliseconds=400)
            is_over.wait(18.0)
            w.world.source.clear_faults()
            is_over.wait(2.0)

    pressing = threading.Thread(target=press, daemon=True)
    pressing.start()
    try:
        yield
    finally:
        is_over.set()
        pressing.join(30)


@contextmanager
def full_mailbox(w: Watched) -> Iterator[None]:
    w.world.target.add_fault("UploadItems", "error", code="ErrorQuotaExceeded", count=1000)
    w.put()
    yield
    w.world.target.clear_faults()
    w.run("mailboxes", "resume", w.user.address, "--target", TARGET)


@contextmanager
def burst(w: Watched, end: str = "release") -> Iterator[None]:
    item_ids = w.settle(8)
    for item_id in item_ids:
        w.user.delete(item_id, how="HardDelete")
    w.await_true(lambda: w.healthy("held") == 1, 40, "held")
    if end == "skip":
        w.run("mailboxes", "skip", w.user.address, "--target", TARGET)
    yield
    if end == "release":
        w.run("mailboxes", "release", w.user.address, "--target", TARGET)


@contextmanager
def skipped_burst(w: Watched) -> Iterator[None]:
    with burst(w, "skip"):
        yield


@contextmanager
def rot(w: Watched) -> Iterator[None]:
    (item_id,) = w.settle()
    loaded = settings.load(w.world.config, {})
    name = mailbox_id(w.user.address)
    known = knowledge.read(wiring.kafka_settings(loaded), wiring.topics_of(loaded), TARGET, [name])[name]
    standby = UserMailbox(UserSession(w.world.target_address), w.world.mailboxes[0][1])
    standby.create_mail(standby.folder(INBOX), [w.mail()])
    standby.delete(known.ledger[known.by_item_id[item_id]].target_id, how="HardDelete")
    yield
    w.run("verify", "--repair", codes=(0, 1))


@contextmanager
def lost_answer(w: Watched, operation: str = "MoveItem") -> Iterator[None]:
    w.world.target.add_fault(operation, "drop_after", count=1)
    w.put()
    yield


@contextmanager
def lost_upload(w: Watched) -> Iterator[None]:
    with lost_answer(w, "UploadItems"):
        yield


@contextmanager
def erased_log(w: Watched) -> Iterator[None]:
    w.world.replay.stop()
    w.put()
    w.await_true(lambda: w.total("mailshadow_fleet_changes_not_applied") > 0, 30, "captured")
    time.sleep(1.0)  # the mark of its transaction stands in every partition then
    loaded = wiring.kafka_settings(settings.load(w.world.config, {}))
    consumer = reader(loaded, "observed")
    changes = topics().changes
    ends = [TopicPartition(changes, n, end_offset(consumer, changes, n)[1]) for n in range(loaded.partition_count)]
    consumer.close()
    admin = AdminClient({"bootstrap.servers": w.world.broker.bootstrap_servers})
    for done in admin.delete_records(ends).values():
        done.result(20)
    w.world.source.add_fault("*", "delay_before", seconds=1.0, count=40)
    w.put()  # only what comes after shows that something is missing
    w.world.replay.start()
    yield
    w.world.source.clear_faults()


@contextmanager
def lagged(w: Watched) -> Iterator[None]:
    w.restart(w.world.replay, MAILSHADOW_TARGETS__STANDBY__HOLD_SECONDS="20")
    w.put()
    yield
    w.restart(w.world.replay)


@contextmanager
def ended_replay(w: Watched) -> Iterator[None]:
    w.world.replay.stop()
    yield
    w.world.replay.start()


@contextmanager
def crash_loop(w: Watched) -> Iterator[None]:
    started = 'mailshadow_worker_started_timestamp_seconds{role="feed"}'
    for _ in range(5):
        before = w.total(started)
        w.world.feed.signal(signal.SIGKILL)
        w.restart(w.world.feed)
        w.await_true(lambda before=before: w.total(started) > before, 20, "seen")  # type: ignore[misc]
    yield


@contextmanager
def other_owner(w: Watched) -> Iterator[None]:
    count = wiring.kafka_settings(settings.load(w.world.config, {})).partition_count
    number = partition_of(mailbox_id(w.user.address), count)
    name = f"{topics().feed_group}.{number}"
    other = Producer({"bootstrap.servers": w.world.broker.bootstrap_servers, "transactional.id": name})
    other.init_transactions(20)
    w.put()
    yield


@contextmanager
def still_kafka(w: Watched) -> Iterator[None]:
    pid = w.world.broker.pid
    w.put()
    os.kill(pid, signal.SIGSTOP)
    goes_on = threading.Timer(STANDS_STILL_SECONDS, os.kill, (pid, signal.SIGCONT))
    goes_on.start()
    try:
        yield
    finally:
        goes_on.join()


@contextmanager
def hanging_transaction(w: Watched) -> Iterator[None]:
    count = wiring.kafka_settings(settings.load(w.world.config, {})).partition_count
    taken = {partition_of(mailbox_id(source), count) for source, _ in w.world.mailboxes}
    free = min(set(range(count)) - taken)
    stranger = Producer(
        {
            "bootstrap.servers": w.world.broker.bootstrap_servers,
            "transactional.id": "stranger",
            "transaction.timeout.ms": 600_000,
        }
    )
    stranger.init_transactions(20)
    stranger.begin_transaction()
    stranger.produce(topics().changes, b"", partition=free)
    stranger.flush(10)
    yield
    stranger.abort_transaction(20)


@contextmanager
def partition_without_an_end(w: Watched) -> Iterator[None]:
    """The ledger of one partition can't be read to its end by the next owner, who therefore loses it each time."""
    count = wiring.kafka_settings(settings.load(w.world.config, {})).partition_count
    taken = {partition_of(mailbox_id(source), count) for source, _ in w.world.mailboxes}
    stranger = Producer(
        {
            "bootstrap.servers": w.world.broker.bootstrap_servers,
            "transactional.id": "stranger to the ledger",
            "transaction.timeout.ms": 600_000,
        }
    )
    stranger.init_transactions(20)
    stranger.begin_transaction()
    stranger.produce(topics().target_state(TARGET), b"", key=b"owner", partition=min(set(range(count)) - taken))
    stranger.flush(10)
    w.restart(w.world.replay)
    yield
    stranger.abort_transaction(20)


@contextmanager
def unsafe_settings(w: Watched) -> Iterator[None]:
    _set_unclean(w, "true")
    yield
    _set_unclean(w, "false")


def _set_unclean(w: Watched, value: str) -> None:
    entry = ConfigEntry("unclean.leader.election.enable", value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topics().changes, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": w.world.broker.bootstrap_servers})
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(20)


@contextmanager
def full_disk(w: Watched) -> Iterator[None]:
    """No byte is left for what waits on disk: a message too large for a record can't be captured.

    Small messages alone would not do: a cache whose log of writes has room, or that is kept in memory because an
    earlier owner still holds its file, goes on.
    """
    directory = Path(os.environ["MAILSHADOW_PIPELINE__DATA_DIRECTORY"])
    filler = directory / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * PAGE_BYTES):
            pass
    w.user.create_mail(w.user.folder(INBOX), [w.mail(INLINE_SIZE_BYTES_MAX)])
    with user_at_work(w, 1.0, 15):
        yield
    filler.unlink()
    w.restart(w.world.feed)
    w.restart(w.world.replay)


@contextmanager
def expiring_password(w: Watched) -> Iterator[None]:
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 5 * 86400))
    w.restart(w.monitor, MAILSHADOW_SOURCE__PASSWORD_EXPIRES_ON=soon)
    yield
    w.restart(w.monitor)


@contextmanager
def expiring_certificate(w: Watched) -> Iterator[None]:
    """The monitor asks the responder for the source's certificate: it is good for a week."""
    responder = settings.load(w.world.config, {}).front_door.autodiscover
    assert responder
    url = f"https://localhost:{w.ports['autodiscover']}/EWS/Exchange.asmx"
    w.restart(w.monitor, MAILSHADOW_SOURCE__URL=url, MAILSHADOW_SOURCE__CA_FILE=str(responder.ca_file))
    yield
    w.restart(w.monitor)


@contextmanager
def asked_autodiscover(w: Watched) -> Iterator[None]:
    responder = settings.load(w.world.config, {}).front_door.autodiscover
    assert responder
    for _ in range(8):
        time.sleep(0.5)  # the first answer makes the series, and a rate begins after it
        requests.get(
            f"https://localhost:{w.ports['autodiscover']}/autodiscover/autodiscover.json/v1.0/{w.user.address}"
            "?Protocol=EWS",
            verify=str(responder.ca_file),
            timeout=5,
            allow_redirects=False,
        )
    yield


@contextmanager
def expired_password(w: Watched) -> Iterator[None]:
    source = w.world.source
    password = source._password
    source.stop()
    source._password = "another"
    source.start()
    yield
    source.stop()
    source._password = password
    source.start()
    w.restart(w.world.feed)


FAULTS: Mapping[str, Fault] = {
    "mail arrives": Fault(mail_arrives, needs_calm=True),
    "a poison item": Fault(poison, "incomplete", {"Parked": {}}),
    "an item the source does not hand out": Fault(not_handed_out, "incomplete"),
    "a deletion that may be a move": Fault(unread_folder),
    "a paused mailbox": Fault(paused, "paused"),
    "a worker that hangs": Fault(
        hanging_replay, "stalled", {"WorkerDown": {"job": "mailshadow-replay"}, "Stalled": {}}
    ),
    "a source that stops answering": Fault(silent_source, "not-captured", {"NotCaptured": {}}),
    "a feed that waits for one answer": Fault(
        patient_feed, "not-captured", {"WorkerStill": {"role": "feed"}, "NotCaptured": {}}, seconds_max=90
    ),
    "a monitor without Kafka": Fault(blind_monitor, "", {"MonitorBlind": {}}, seconds_max=120),
    "a slow source": Fault(slow_source, needs_traffic=True),
    "a slow target": Fault(slow_target, "late", {"Late": {}}, needs_traffic=True),
    "a throttled target": Fault(throttled_target),
    "a throttled server": Fault(  # in calm: the rates are summed over servers, and the target's stand until they end
        throttled, "not-captured", {"ThrottledLong": {"server": "source"}}, seconds_max=120, needs_calm=True
    ),
    "a target mailbox that is full": Fault(full_mailbox, "behind", {"TargetMailboxShut": {}}),
    "a burst that is skipped": Fault(skipped_burst),
    "a burst of deletions": Fault(burst, "held", {"Held": {}}),
    "rot at the target": Fault(rot, "divergent", {"Divergent": {}}, seconds_max=150),
    "a write whose answer is lost": Fault(lost_answer),
    "an upload whose answer is lost": Fault(lost_upload),
    "a log erased before it was read": Fault(erased_log, "waiting"),
    "a target that lags on purpose": Fault(lagged),
    "a replay that ends": Fault(ended_replay, "", {"NobodyWorks": {}, "WorkerDown": {"job": "mailshadow-replay"}}),
    "a feed that dies again and again": Fault(crash_loop, "", {"WorkerCrashLoop": {}}, seconds_max=90),
    "another owner of a partition": Fault(other_owner),
    "a Kafka that stands still": Fault(still_kafka),
    "a transaction nobody ends": Fault(hanging_transaction, "", {"HangingTransaction": {}}),
    "a partition that is lost again and again": Fault(
        partition_without_an_end, "", {"WorkerLosing": {"role": "replay"}}, seconds_max=150
    ),
    "settings that can lose data": Fault(
        unsafe_settings, "", {"UnsafeKafka": {"setting": "unclean.leader.election.enable"}}
    ),
    "a full disk": Fault(full_disk, "not-captured", {"DiskNearlyFull": {}, "WorkerDown": {"job": "mailshadow-feed"}}),
    "a password about to expire": Fault(expiring_password, "", {"SecretExpires": {"server": "source"}}),
    "a certificate about to expire": Fault(expiring_certificate, "", {"CertificateExpires": {"server": "source"}}),
    "clients that ask Autodiscover": Fault(asked_autodiscover),
    "an expired password": Fault(expired_password, "not-captured", {"WorkerDown": {"job": "mailshadow-feed"}}),
}
