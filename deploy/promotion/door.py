"""What a promotion does with its front door: one step of every actuator at a time, all mailboxes in one call.

Order: as `deploy.front_door.configured` gives the actuators; an undo goes the other way.
Failure: whoever does not hold the office any more does no further act, because `hold` is called right before each;
it is called again after each, so that one who stood still within an act learns that the act may have come late.
"""

from collections.abc import Callable, Sequence

from deploy.front_door.actuator import Actuator, ActuatorStep, Redirection
from deploy.promotion.office import DrivenError

SAID = {
    ActuatorStep.CHECK: "is asked for",
    ActuatorStep.CLOSE: "closes",
    ActuatorStep.REDIRECT: "leads",
    ActuatorStep.CONFIRM: "confirms",
    ActuatorStep.UNDO: "leads back",
}


class FrontDoor:
    """The actuators of a promotion."""

    def __init__(
        self,
        actuators: Sequence[Actuator],
        redirections: Callable[[Sequence[str]], Sequence[Redirection]],
        hold: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """`hold` writes to `control`, and raises where another command drives the promotion now; `say` tells people."""
        self._actuators = tuple(actuators)
        self._redirections = redirections
        self._hold = hold
        self._say = say

    def __bool__(self) -> bool:
        """Tell whether there is any actuator."""
        return bool(self._actuators)

    @property
    def leads_all(self) -> str:
        """Return the names of the actuators that lead all mailboxes or none; empty where there is none."""
        return ", ".join(a.name for a in self._actuators if a.leads_all)

    def act(self, step: ActuatorStep, mailboxes: Sequence[str]) -> None:
        """Do one step of every actuator; ActuatorError from the first that fails, and none after it is asked."""
        if not mailboxes:
            return
        redirections = self._redirections(mailboxes)
        for actuator in reversed(self._actuators) if step is ActuatorStep.UNDO else self._actuators:
            self._say(f"front door: {actuator.name} {SAID[step]} {len(mailboxes)} mailboxes")
            self._hold()
            acts = {
                ActuatorStep.CHECK: actuator.check,
                ActuatorStep.CLOSE: actuator.close,
                ActuatorStep.REDIRECT: actuator.redirect,
                ActuatorStep.CONFIRM: actuator.confirm,
                ActuatorStep.UNDO: actuator.undo,
            }
            acts[step](redirections)
            self._hold_on(actuator.name, step)

    def _hold_on(self, name: str, step: ActuatorStep) -> None:
        try:
            self._hold()
        except DrivenError as error:
            raise DrivenError(
                f"{error}. {name}, {step}, may have been done after that: `mailshadow check` tells whether clients are "
                "led to where their mailboxes live"
            ) from error
