"""Which actuators the settings ask for."""

from deploy.front_door.actuator import Actuator
from deploy.sections import Settings


def actuators_of(settings: Settings) -> tuple[Actuator, ...]:  # noqa: ARG001 - no actuator has settings yet
    """Return the actuators in the order in which they act."""
    return ()
