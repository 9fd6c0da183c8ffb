"""Where a fault happens, and what it may reach there."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.lab.chaos.proxy import Link
from deploy.lab.chaos.service import Service
from deploy.lab.chaos.strangers import Strangers
from deploy.lab.chaos.world import ChaosWorld

Detail = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where a fault happens: the world, what it strikes, its own chance, how long it is to last, its journal."""

    world: ChaosWorld
    subject: str
    chance: random.Random
    seconds: float
    note: Callable[[Detail], None]
    strangers: Strangers
    wait: Callable[[float], object]
    """Wait for so many seconds, or until the storm is calmed."""

    @property
    def service(self) -> Service:
        """The struck service."""
        return self.world.service(self.subject.partition(">")[0])

    @property
    def link(self) -> Link:
        """The struck link."""
        return self.world.links[self.subject]
