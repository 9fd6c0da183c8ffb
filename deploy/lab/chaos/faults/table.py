"""The faults of a chaos run, one row each: what it strikes, how often it is drawn, how long it lasts, what it does.

A fault is a context manager: entered it begins, left it heals. It yields what the journal says of it. To add one,
write the function and its row in FAULTS.

Not here: a source restored from an older backup, which halts its mailboxes until an operator looks
(`tests/end_to_end/test_restored_source.py`), and an upgrade with the previous schema version
(`tests/end_to_end/test_upgrade.py`).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from deploy.lab.chaos.faults import log, network, processes, servers
from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.schedule import Draw
from deploy.lab.chaos.world import KAFKA, SOURCE, ChaosWorld


def _services(world: ChaosWorld) -> list[str]:
    return [service.name for service in world.members]


def _replays(world: ChaosWorld) -> list[str]:
    return [service.name for service in world.members if service.target]


def _feeds(world: ChaosWorld) -> list[str]:
    return [service.name for service in world.members if not service.target]


def _spares(world: ChaosWorld) -> list[str]:
    return [service.name for service in world.spares]


def _links(world: ChaosWorld) -> list[str]:
    return [link.name for service in world.members for link in service.links.values()]


def _replay_links(world: ChaosWorld) -> list[str]:
    return [s.links[s.target].name for s in world.members if s.target]


def _targets(world: ChaosWorld) -> list[str]:
    return [name for name in world.servers if name != SOURCE]


def _servers(world: ChaosWorld) -> list[str]:
    return list(world.servers)


def _state(_world: ChaosWorld) -> list[str]:
    return ["source-state"]


def _disk(_world: ChaosWorld) -> list[str]:
    return ["disk"]


def _source(_world: ChaosWorld) -> list[str]:
    return [SOURCE]


def _kafka(_world: ChaosWorld) -> list[str]:
    return [KAFKA]


def _itself(_world: ChaosWorld, subject: str) -> set[str]:
    return {subject}


def _with_links(world: ChaosWorld, subject: str) -> set[str]:
    return {subject, *(link.name for link in world.service(subject).links.values())}


def _with_service(_world: ChaosWorld, subject: str) -> set[str]:
    return {subject, subject.partition(">")[0]}


def _all_feeds(world: ChaosWorld, subject: str) -> set[str]:
    return {KAFKA, subject, *_feeds(world), *(link for feed in _feeds(world) for link in _with_links(world, feed))}


def _with_feeds(world: ChaosWorld, subject: str) -> set[str]:
    return {subject, *_feeds(world)}


def _with_replays(world: ChaosWorld, subject: str) -> set[str]:
    return {subject, *(s.name for s in world.services if s.target == subject)}


AIMED: Final = 0
"""The share of a fault that aims at one defect (`tests/chaos/sabotage`): drawn only where --faults names it."""
ONLY_BY_NAME: Final = 0
"""The share of a fault whose consequence is a known defect: drawn only where --faults names it.

A node that stood longer than its session (3 s here) is fenced by the controller when it wakes up; the transaction
coordinator of Kafka 4.4 then finds no leader for a partition, takes it for deleted, and completes a transaction
without its marker. The records join the next transaction of the same producer id: a sequence comes twice.
"""
LONG_RUN_MINUTES: Final = 4.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: its draw, what it can strike, what it does."""

    draw: Draw
    subjects: Callable[[ChaosWorld], list[str]]
    strike: Callable[[Scene], AbstractContextManager[Detail]]
    claims: Callable[[ChaosWorld, str], set[str]] = _itself
    """What nothing else may strike meanwhile, because healing would undo it."""
    long_seconds: tuple[float, float] | None = None
    """How long it lasts in a run of several minutes, where that is longer."""

    def drawn(self, minutes: float) -> Draw:
        """Return how it is drawn in a run of so many minutes."""
        if self.long_seconds is None or minutes < LONG_RUN_MINUTES:
            return self.draw
        return Draw(weight=self.draw.weight, seconds=self.long_seconds)


def _draw(weight: int, shortest: float, longest: float) -> Draw:
    return Draw(weight=weight, seconds=(shortest, longest))


# The group's session is 6 s, a transaction's life 15 s, a request's time-out 8 s: stops come shorter and longer.
FAULTS: Final[Mapping[str, Fault]] = {
    "kill": Fault(_draw(10, 0.2, 4.0), _services, processes.kill),
    "kill_wiped": Fault(_draw(5, 0.2, 4.0), _services, processes.kill_wiped),
    "stop_short": Fault(_draw(6, 0.5, 5.0), _services, processes.stop),
    "stop_long": Fault(_draw(8, 8.0, 22.0), _services, processes.stop, _itself, (8.0, 45.0)),
    "crawl": Fault(_draw(3, 4.0, 12.0), _services, processes.crawl),
    "disk_refuses": Fault(_draw(3, 3.0, 8.0), _services, processes.disk_refuses),
    "disk_busy": Fault(_draw(2, 4.0, 12.0), _disk, processes.disk_busy),
    "clock_jump": Fault(_draw(6, 4.0, 20.0), _services, processes.clock_jump),
    "rebalance": Fault(_draw(4, 8.0, 20.0), _spares, processes.rebalance),
    "broker_kill": Fault(_draw(3, 0.5, 4.0), _kafka, processes.broker_kill),
    "broker_torn": Fault(_draw(3, 0.5, 4.0), _kafka, processes.broker_torn),
    "broker_stop": Fault(_draw(3, 0.5, 2.5), _kafka, processes.broker_stop),
    "broker_stop_long": Fault(_draw(ONLY_BY_NAME, 4.0, 12.0), _kafka, processes.broker_stop),
    "server_kill": Fault(_draw(4, 0.2, 4.0), _servers, processes.server_kill),
    "server_stop": Fault(_draw(5, 2.0, 14.0), _servers, processes.server_stop),
    "cut": Fault(_draw(4, 1.0, 12.0), _links, network.cut),
    "blackhole": Fault(_draw(6, 2.0, 20.0), _links, network.blackhole),
    "isolate": Fault(_draw(6, 4.0, 22.0), _services, network.isolate, _with_links, (4.0, 60.0)),
    "latency": Fault(_draw(3, 3.0, 12.0), _links, network.latency),
    "drop_after_bytes": Fault(_draw(4, 1.0, 5.0), _links, network.drop_after_bytes),
    "half_close": Fault(_draw(3, 1.0, 4.0), _links, network.half_close),
    "half_open": Fault(_draw(4, 3.0, 18.0), _services, network.half_open, _with_links, (3.0, 60.0)),
    "late_request": Fault(_draw(14, 3.0, 25.0), _replay_links, network.late_request, _with_service, (3.0, 150.0)),
    "server_fault": Fault(_draw(12, 0.5, 1.0), _servers, servers.server_fault),
    "throttling": Fault(_draw(3, 0.5, 1.0), _servers, servers.throttling),
    "refused_item": Fault(_draw(1, 0.5, 1.0), _targets, servers.refused_item),
    "lost_answers": Fault(_draw(6, 0.5, 1.0), _targets, servers.lost_answers),
    "unreadable_item": Fault(_draw(2, 0.5, 1.0), _source, servers.unreadable_item),
    "resync": Fault(_draw(3, 0.5, 1.0), _kafka, servers.resync),
    "foreign": Fault(_draw(4, 0.2, 0.5), _targets, servers.foreign),
    "foreign_in_folders": Fault(_draw(AIMED, 0.2, 0.5), _targets, servers.foreign_in_folders),
    "foreign_twins": Fault(_draw(AIMED, 0.2, 0.5), _targets, servers.foreign_twins),
    "foreign_double": Fault(_draw(AIMED, 0.2, 0.5), _targets, servers.foreign_double),
    "late_update": Fault(_draw(AIMED, 3.0, 9.0), _replay_links, network.late_update, _with_service),
    "lost_commit_answer": Fault(_draw(AIMED, 14.0, 18.0), _feeds, log.lost_commit_answer, _with_links),
    "lost_commit": Fault(_draw(AIMED, 14.0, 18.0), _services, log.lost_commit, _with_links),
    "stop_in_transaction": Fault(_draw(AIMED, 15.0, 17.0), _feeds, log.stop_in_transaction, _all_feeds),
    "wake_before_fence": Fault(_draw(AIMED, 15.0, 17.0), _feeds, log.wake_before_fence, _all_feeds),
    "source_state_lost": Fault(_draw(1, 8.0, 14.0), _state, log.source_state_lost, _with_feeds),
    "retention": Fault(_draw(AIMED, 8.0, 14.0), _targets, log.retention, _with_replays),
    "target_state_lost": Fault(_draw(AIMED, 14.0, 18.0), _targets, log.target_state_lost, _with_replays),
}
