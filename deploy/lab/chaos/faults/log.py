"""Faults of the log itself: retention passes a target that stands, a state topic is lost, a commit goes unanswered."""

import contextlib
import threading
from collections.abc import Iterator
from signal import SIGCONT, SIGSTOP
from typing import Final

from deploy.lab.chaos.erased import erase_records, erase_topic
from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.weather import ADD_PARTITIONS, INIT_PRODUCER, Direction
from deploy.lab.chaos.world import KAFKA

BEGIN_SECONDS_MAX: Final = 3.0
RESTORED_SECONDS: Final = 1.0
"""What a successor needs to restore all it takes over, and then the woken one to commit."""
STOPPED_SECONDS: Final = 11.0
"""Longer than the group's session and a successor's first round, shorter than a commit may take (12 s)."""
MISSED_SHARE: Final = 0.6
"""How much of its time a target misses changes that are erased; in the rest some stay for it to read."""


@contextlib.contextmanager
def _all_replays_down(scene: Scene) -> Iterator[None]:
    replays = [service for service in scene.world.members if service.target == scene.subject]
    for service in replays:
        service.kill()
    try:
        yield
    finally:
        for service in replays:
            service.start()


@contextlib.contextmanager
def retention(scene: Scene) -> Iterator[Detail]:
    """Kill every replay of a target and, some time later, erase the log up to its end."""
    world = scene.world
    with _all_replays_down(scene):
        scene.wait(scene.seconds * MISSED_SHARE)
        ends = erase_records(world.running_broker().bootstrap_servers, world.topics.changes, world.config.parent)
        yield {"target": scene.subject, "starts": {str(partition): offset for partition, offset in ends.items()}}


@contextlib.contextmanager
def target_state_lost(scene: Scene) -> Iterator[Detail]:
    """Kill every replay of a target, delete its state topic, and start them: what is at the target is all that tells.

    The rest of the time is theirs to begin anew before the next may strike.
    """
    world = scene.world
    with _all_replays_down(scene):
        topic = world.topics.target_state(scene.subject)
        count = erase_topic(world.running_broker().bootstrap_servers, topic, world.config.parent)
    yield {"target": scene.subject, "records": count}


@contextlib.contextmanager
def source_state_lost(scene: Scene) -> Iterator[Detail]:
    """Kill every feed, delete their state topic, and start them: the source is all that tells."""
    world = scene.world
    feeds = [service for service in world.members if not service.target]
    for service in feeds:
        service.kill()
    count = erase_topic(world.running_broker().bootstrap_servers, world.topics.source_state, world.config.parent)
    for service in feeds:
        service.start()
    yield {"records": count}


@contextlib.contextmanager
def lost_commit_answer(scene: Scene) -> Iterator[Detail]:
    """Let Kafka commit a feed's transaction and the feed not hear of it, for longer than it waits."""
    with _shut_at_commit(scene, Direction.TO_CLIENT):
        yield {}


@contextlib.contextmanager
def lost_commit(scene: Scene) -> Iterator[Detail]:
    """Lose what ends a service's transaction on its way to Kafka, for longer than the service waits."""
    with _shut_at_commit(scene, Direction.TO_SERVER):
        yield {}


@contextlib.contextmanager
def stop_in_transaction(scene: Scene) -> Iterator[Detail]:
    """Stop a feed (SIGSTOP) with a transaction begun and nothing of it written: it wakes up as an owner of nothing."""
    with _asleep_in_transaction(scene) as is_stopped:
        scene.wait(STOPPED_SECONDS)
    yield {"stopped": is_stopped}


@contextlib.contextmanager
def wake_before_fence(scene: Scene) -> Iterator[Detail]:
    """Stop a feed in the same place; wake it while its successors' fences are on their way."""
    others = [s for s in scene.world.members if not s.target and s.name != scene.subject]
    fenced = threading.Event()
    with _asleep_in_transaction(scene) as is_stopped:
        for other in others:
            other.links[KAFKA].watch(INIT_PRODUCER, fenced.set, holds=True)
        is_met = fenced.wait(STOPPED_SECONDS)
        scene.wait(RESTORED_SECONDS if is_met else 0.0)
    scene.wait(RESTORED_SECONDS)
    for other in others:
        other.links[KAFKA].mend()
    yield {"stopped": is_stopped, "met": is_met}


@contextlib.contextmanager
def _asleep_in_transaction(scene: Scene) -> Iterator[bool]:
    service, link = scene.service, scene.service.links[KAFKA]
    stopped = threading.Event()

    def stop() -> None:
        service.signal(SIGSTOP)
        stopped.set()

    link.watch(ADD_PARTITIONS, stop)
    yield stopped.wait(BEGIN_SECONDS_MAX)
    service.signal(SIGCONT)
    link.mend()


@contextlib.contextmanager
def _shut_at_commit(scene: Scene, direction: Direction) -> Iterator[None]:
    link = scene.service.links[KAFKA]
    link.shut_at_commit(direction)
    yield
    link.mend(drops_waiting=True)
