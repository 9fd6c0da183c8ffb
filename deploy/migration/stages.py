"""The stages of a wave and what may be done in each: everything that affects them stands here. Pure.

Three kinds of arrows. What operators decide (`Command`) is recorded in `schemas.state.Wave`. What the log says
(`Happening`) is recorded nowhere: `stage_of` derives it anew at every look from the roles and positions of the wave's
mailboxes, so a command that died leaves nothing to mend. An illegal command raises and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from schemas.state import Wave


class Stage(StrEnum):
    """Where a wave stands."""

    PRE_STAGE = "PRE-STAGE"
    DELTA = "DELTA"
    READY = "READY"
    APPROVED = "APPROVED"
    WINDOW = "WINDOW"
    STRAY_WATCH = "STRAY WATCH"
    RETURNING = "RETURNING"
    ROLLED_BACK = "ROLLED BACK"
    CLOSED = "CLOSED"


class Command(StrEnum):
    """What may be asked of a wave."""

    PLAN = "plan"
    LEAVE = "one leaves"
    SCHEDULE = "schedule"
    APPROVE = "approve"
    CUT_OVER = "cut-over"
    WATCH = "watch"
    CLOSE = "close"
    ROLL_BACK = "roll-back"


class Happening(StrEnum):
    """What the log says by itself."""

    COPIED = "all copied"
    RESYNCED = "one is copied anew"
    LEVEL = "level and verified"
    BEHIND = "behind or unverified"
    ENDED = "all are open or left"
    UNDONE = "undone"
    RETURNED = "none is open"
    STAYED = "some stay open"


MEANING: dict[Stage, str] = {
    Stage.PRE_STAGE: "mailboxes are copied for the first time",
    Stage.DELTA: "all are copied; changes flow",
    Stage.READY: "level, and equal by checksums; waits for an approval",
    Stage.APPROVED: "approved; waits for its window",
    Stage.WINDOW: "the cut-over runs, or stopped: `cut-over` again goes on",
    Stage.STRAY_WATCH: "users work at the target; what still comes to the old source is watched",
    Stage.RETURNING: "the way back runs, or stopped: `roll-back` again goes on",
    Stage.ROLLED_BACK: "users work at the old source again, which is mirrored as before",
    Stage.CLOSED: "done; the old source is not looked at any more",
}

TABLE: dict[Stage, dict[Command | Happening, Stage]] = {
    Stage.PRE_STAGE: {
        Command.PLAN: Stage.PRE_STAGE,
        Command.LEAVE: Stage.PRE_STAGE,
        Command.SCHEDULE: Stage.PRE_STAGE,
        Happening.COPIED: Stage.DELTA,
    },
    Stage.DELTA: {
        Command.PLAN: Stage.PRE_STAGE,
        Command.LEAVE: Stage.DELTA,
        Command.SCHEDULE: Stage.DELTA,
        Happening.LEVEL: Stage.READY,
        Happening.RESYNCED: Stage.PRE_STAGE,
    },
    Stage.READY: {
        Command.PLAN: Stage.PRE_STAGE,
        Command.LEAVE: Stage.READY,
        Command.SCHEDULE: Stage.READY,
        Command.APPROVE: Stage.APPROVED,
        Happening.BEHIND: Stage.DELTA,
    },
    Stage.APPROVED: {
        Command.PLAN: Stage.PRE_STAGE,
        Command.LEAVE: Stage.APPROVED,
        Command.SCHEDULE: Stage.READY,
        Command.CUT_OVER: Stage.WINDOW,
    },
    Stage.WINDOW: {
        Command.CUT_OVER: Stage.WINDOW,
        Happening.ENDED: Stage.STRAY_WATCH,
        Happening.UNDONE: Stage.APPROVED,
    },
    Stage.STRAY_WATCH: {
        Command.LEAVE: Stage.STRAY_WATCH,
        Command.WATCH: Stage.STRAY_WATCH,
        Command.CLOSE: Stage.CLOSED,
        Command.ROLL_BACK: Stage.RETURNING,
    },
    Stage.RETURNING: {
        Command.ROLL_BACK: Stage.RETURNING,
        Happening.RETURNED: Stage.ROLLED_BACK,
        Happening.STAYED: Stage.STRAY_WATCH,
    },
    Stage.ROLLED_BACK: {Command.LEAVE: Stage.ROLLED_BACK, Command.SCHEDULE: Stage.PRE_STAGE},
    Stage.CLOSED: {Command.LEAVE: Stage.CLOSED},
}
_NEXT: dict[Stage, str] = {
    Stage.PRE_STAGE: "wait for the first copy: `mailshadow status` shows how far it is",
    Stage.DELTA: "`migrate status` says who is not ready, and why",
    Stage.READY: "`migrate approve` comes first",
    Stage.APPROVED: "`migrate cut-over` is what comes next",
    Stage.WINDOW: "`migrate cut-over` again goes on with it, `failover --undo` leads back who was not led",
    Stage.STRAY_WATCH: "its mailboxes were cut over",
    Stage.RETURNING: "`migrate roll-back` again goes on with it",
    Stage.ROLLED_BACK: "`migrate schedule` plans it anew",
    Stage.CLOSED: "a closed wave is over; `mailshadow failback` is there for single mailboxes",
}


class StageError(Exception):
    """The table does not allow a command in this stage; nothing was changed."""

    def __init__(self, wave: str, stage: Stage, command: Command) -> None:
        super().__init__(f"wave {wave}: no {command} in {stage} ({MEANING[stage]}); {_NEXT[stage]}")
        self.stage = stage
        self.command = command


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One mailbox of a wave: whether it was copied, why it is not ready, whether the wave's cut-over opened it."""

    mailbox: str
    is_copied: bool
    why_not: tuple[str, ...]
    is_promoted: bool


def stage_of(wave: Wave, standings: Sequence[Standing], in_hand: str) -> Stage:
    """Return where a wave stands; `in_hand` is the promotion of the pipeline that is not at its end, or empty."""
    is_any_open = any(s.is_promoted for s in standings)
    if wave.closed_at:
        return Stage.CLOSED
    if wave.way_back and in_hand == wave.way_back:
        return Stage.RETURNING
    if in_hand and in_hand in wave.promotions:
        return Stage.WINDOW
    if is_any_open:
        return Stage.STRAY_WATCH if wave.ended_at else Stage.WINDOW
    if wave.ended_at:
        return Stage.ROLLED_BACK  # also where `failback` led all of them home
    return _before(wave, standings)


def _before(wave: Wave, standings: Sequence[Standing]) -> Stage:
    if wave.approved_at:
        return Stage.APPROVED
    if not standings or not all(s.is_copied for s in standings):
        return Stage.PRE_STAGE
    is_ready = all(not s.why_not or s.mailbox in wave.accepted for s in standings)
    return Stage.READY if is_ready else Stage.DELTA


def after(wave: str, stage: Stage, command: Command) -> Stage:
    """Return the stage after a command; StageError where the table has none."""
    if (found := TABLE[stage].get(command)) is None:
        raise StageError(wave, stage, command)
    return found


def diagram() -> str:
    """Return the table as a Mermaid state diagram, as it stands in the runbook."""
    names = {stage: stage.name for stage in Stage}
    lines = ["stateDiagram-v2", "    [*] --> PRE_STAGE: plan"]
    for stage in Stage:
        lines += [f"    {names[stage]} --> {names[to]}: {arrow}" for arrow, to in TABLE[stage].items()]
    return "\n".join([*lines, "    CLOSED --> [*]"])


def meanings() -> str:
    """Return what each stage means, as a table in Markdown."""
    return "\n".join(["| stage | meaning |", "|---|---|", *(f"| {stage} | {MEANING[stage]} |" for stage in Stage)])
