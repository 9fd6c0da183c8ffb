"""Faults of the log itself: retention passes a target that stands, a state topic is lost, a commit goes unanswered."""

import contextlib
from collections.abc import Iterator
from typing import Final

from deploy.lab.chaos.erased import erase_records, erase_topic
from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.world import KAFKA

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
def lost_commit_answer(scene: Scene) -> Iterator[Detail]:
    """Let Kafka commit a feed's transaction and the feed not hear of it, for longer than it waits."""
    link = scene.service.links[KAFKA]
    link.deafen_after_commit()
    yield {}
    link.mend(drops_waiting=True)
