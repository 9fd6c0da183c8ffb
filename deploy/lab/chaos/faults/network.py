"""Faults of the network between a service and a server: links that are cut, silent, slow, or deliver late."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Final

from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.weather import Direction, HeldRequest

LATE_OPERATIONS: Final = frozenset({"CreateItem", "UploadItems", "UpdateItem", "MoveItem", "DeleteItem"})
"""Folder operations are idempotent by value only: a late one is mended by the next checksum (design §6)."""
CAPTURE_SECONDS_MAX: Final = 15.0
CAPTURE_SHARE: Final = 0.6
"""How much of its time a fault may wait for a request to hold: the rest is for being late."""


@contextlib.contextmanager
def cut(scene: Scene) -> Iterator[Detail]:
    """Reset the connections of a link, and refuse new ones."""
    scene.link.cut()
    yield {}
    scene.link.mend()


@contextlib.contextmanager
def blackhole(scene: Scene) -> Iterator[Detail]:
    """Let nothing arrive on a link, in one direction or both; what waited arrives afterwards, or never."""
    directions = scene.chance.choice(((Direction.TO_SERVER,), (Direction.TO_CLIENT,), tuple(Direction)))
    drops = scene.chance.random() < 0.5  # noqa: PLR2004 - half of them
    scene.link.freeze(*directions)
    yield {"direction": "both" if len(directions) > 1 else directions[0].value, "drops": drops}
    scene.link.mend(drops_waiting=drops)


@contextlib.contextmanager
def isolate(scene: Scene) -> Iterator[Detail]:
    """Let nothing pass on any link of a service; what waited arrives afterwards, or never."""
    drops = scene.chance.random() < 0.5  # noqa: PLR2004 - half of them
    links = list(scene.service.links.values())
    for link in links:
        link.freeze(*Direction)
    yield {"drops": drops}
    for link in links:
        link.mend(drops_waiting=drops)


@contextlib.contextmanager
def latency(scene: Scene) -> Iterator[Detail]:
    """Delay every piece on a link."""
    seconds = scene.chance.uniform(0.05, 0.8)
    scene.link.slow(seconds)
    yield {"seconds": seconds}
    scene.link.mend()


@contextlib.contextmanager
def drop_after_bytes(scene: Scene) -> Iterator[Detail]:
    """Break the connections of a link in the middle of a message."""
    count = scene.chance.choice((100, 1_000, 5_000, 30_000))
    scene.link.break_after(count)
    yield {"bytes": count}
    scene.link.mend(drops_waiting=True)


@contextlib.contextmanager
def half_close(scene: Scene) -> Iterator[Detail]:
    """Close the open connections of a link in one direction."""
    direction = scene.chance.choice(tuple(Direction))
    scene.link.half_close(direction)
    yield {"direction": direction.value}
    scene.link.mend(drops_waiting=True)


@contextlib.contextmanager
def half_open(scene: Scene) -> Iterator[Detail]:
    """Kill a service behind links that don't tell the servers."""
    links = list(scene.service.links.values())
    for link in links:
        link.hide_closing()
    scene.service.kill()
    scene.service.start()
    yield {}
    for link in links:
        link.mend(drops_waiting=True)


@contextlib.contextmanager
def late_request(scene: Scene) -> Iterator[Detail]:
    """Take requests off the wire; deliver them when the fault heals, after their sender was killed or gave up."""
    only = scene.chance.choice(("", "", "MoveItem", "UpdateItem", "UploadItems"))
    operations = frozenset({only}) if only else LATE_OPERATIONS
    yield from _late(scene, operations, wanted=scene.chance.choice((1, 2, 3)), may_kill=True)


@contextlib.contextmanager
def late_update(scene: Scene) -> Iterator[Detail]:
    """Take one UpdateItem off the wire and break its connection; deliver it long after its sender asked again."""
    yield from _late(scene, frozenset({"UpdateItem"}), wanted=1, may_kill=False)


def _late(scene: Scene, operations: frozenset[str], *, wanted: int, may_kill: bool) -> Iterator[Detail]:
    held: list[HeldRequest] = []
    taken = threading.Event()

    def on_held(request: HeldRequest) -> None:
        held.append(request)
        taken.set()

    scene.link.hold(operations, wanted, on_held)
    taken.wait(min(CAPTURE_SECONDS_MAX, scene.seconds * CAPTURE_SHARE))
    is_killed = may_kill and taken.is_set() and scene.chance.random() < 0.5  # noqa: PLR2004 - half of them
    began = time.monotonic()
    if is_killed:
        scene.service.kill()
        scene.service.start()
    elif taken.is_set():
        scene.link.reset()
    yield {"operations": sorted(operations), "held": len(held), "sender_killed": is_killed}
    scene.link.mend()
    for request in scene.chance.sample(held, len(held)):
        status = scene.link.deliver(request)
        held_ms = int((time.monotonic() - began) * 1000)
        scene.note({"operation": request.operation, "body": request.body, "held_ms": held_ms, "status": status})
