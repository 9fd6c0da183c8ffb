"""Carries out a plan of faults: each begins at its time, strikes something free, and heals."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack

from confluent_kafka import KafkaException

from deploy.lab.broker.process import BrokerError
from deploy.lab.chaos.faults.scene import Detail, Scene
from deploy.lab.chaos.faults.table import FAULTS
from deploy.lab.chaos.journal import JournalFile
from deploy.lab.chaos.schedule import Planned
from deploy.lab.chaos.strangers import Strangers
from deploy.lab.chaos.topic_dump import DumpError
from deploy.lab.chaos.world import ChaosWorld
from deploy.lab.child import ChildError
from deploy.lab.exchange.process import ExchangeProcessError

_FAILURES = (BrokerError, ChildError, ExchangeProcessError, OSError, RuntimeError, DumpError, KafkaException)


class Storm:
    """The faults of one run; `blow` returns when all are healed."""

    def __init__(self, world: ChaosWorld, journal: JournalFile, strangers: Strangers) -> None:
        self.counts: Counter[str] = Counter()
        self._world = world
        self._journal = journal
        self._strangers = strangers
        self._struck: set[str] = set()
        self._lock = threading.Lock()
        self._calm = threading.Event()

    def blow(self, faults: Sequence[Planned]) -> None:
        """Begin every fault at its time, heal it at its end; what fails to heal raises, it would be our defect."""
        began = time.monotonic()
        running = []
        for fault in faults:
            if self._calm.wait(max(0.0, began + fault.at_seconds - time.monotonic())):
                break
            running.append(self._world.workers.submit(self._strike, fault))
        for one in running:
            one.result()

    def calm(self) -> None:
        """Heal everything now and begin nothing more."""
        self._calm.set()

    def _strike(self, fault: Planned) -> None:
        chance = random.Random(fault.seed)  # noqa: S311 - a seeded choice is no secret
        subject, claims = self._claim(fault, chance)
        if not subject:
            self._write(fault, "skipped", "", {"why": "everything it could strike is struck already"})
            return
        scene = Scene(
            world=self._world,
            subject=subject,
            chance=chance,
            seconds=fault.lasts_seconds,
            note=lambda detail: self._write(fault, "note", subject, detail),
            strangers=self._strangers,
            wait=self._calm.wait,
        )
        try:
            self._last(fault, scene)
        finally:
            with self._lock:
                self._struck -= claims

    def _last(self, fault: Planned, scene: Scene) -> None:
        began = time.monotonic()
        with ExitStack() as stack:
            try:
                # written before it strikes too: nothing happens without a cause in the journal
                self._write(fault, "draw", scene.subject, {"lasts_seconds": round(fault.lasts_seconds, 1)})
                detail = stack.enter_context(FAULTS[fault.kind].strike(scene))
            except _FAILURES as error:
                self._write(fault, "failed", scene.subject, {"error": str(error)[:300]})
                return
            self._write(fault, "begin", scene.subject, detail)
            self.counts[fault.kind] += 1
            self._calm.wait(max(0.0, began + fault.lasts_seconds - time.monotonic()))
        self._write(fault, "heal", scene.subject, {})

    def _claim(self, fault: Planned, chance: random.Random) -> tuple[str, set[str]]:
        """Choose what to strike among what isn't struck, and claim it; an empty name where nothing is free."""
        row = FAULTS[fault.kind]
        with self._lock:
            free = {one: row.claims(self._world, one) for one in row.subjects(self._world)}
            free = {one: claims for one, claims in free.items() if not claims & self._struck}
            if not free:
                return "", set()
            subject = chance.choice(sorted(free))
            self._struck |= free[subject]
            return subject, free[subject]

    def _write(self, fault: Planned, phase: str, subject: str, detail: Detail) -> None:
        self._journal.write(fault=fault.number, phase=phase, kind=fault.kind, subject=subject, detail=_plain(detail))


def _plain(detail: Detail) -> Detail:
    plain: Detail = json.loads(json.dumps(detail))
    return plain
