"""The states of a mailbox in a promotion and what may be done in each: everything that affects them stands here.

Two rules (design §8). Nothing else decides whether a step is allowed. This file does not know who asks: the command
line, a second run of it after a crash, and the replay that is ordered to open all look here.

The feed writes CLOSED and FENCED, the replay DRAINED, OPEN and MERGING (`schemas.roles`), each with the transaction
that makes it true; VERIFIED, LED and CONFIRMED are the coordinator's, in its progress on `control`.
An illegal command raises and changes nothing.
"""

from enum import StrEnum

from schemas.state import SourceRole, TargetRole


class State(StrEnum):
    """Where one mailbox stands."""

    MIRRORING = "MIRRORING"
    CLOSED = "CLOSED"
    FENCED = "FENCED"
    DRAINED = "DRAINED"
    VERIFIED = "VERIFIED"
    OPEN = "OPEN"
    LED = "LED"
    CONFIRMED = "CONFIRMED"
    MERGING = "MERGING"


class Stage(StrEnum):
    """How far a failover or a failback came; RETURN, STRAYS, MERGE, REVERSE and FORWARD are a failback's."""

    RETURN = "RETURN"
    STRAYS = "STRAYS"
    MERGE = "MERGE"
    REVERSE = "REVERSE"
    CHECK = "CHECK"
    CLOSE_DOOR = "CLOSE_DOOR"
    CLOSE = "CLOSE"
    FENCE = "FENCE"
    DRAIN = "DRAIN"
    VERIFY = "VERIFY"
    OPEN = "OPEN"
    LEAD = "LEAD"
    CONFIRM = "CONFIRM"
    TAIL = "TAIL"
    FORWARD = "FORWARD"
    UNDO = "UNDO"
    DONE = "DONE"
    UNDONE = "UNDONE"


class Command(StrEnum):
    """What may be asked of it."""

    CLOSE = "close"
    FENCE = "fence"
    DRAIN = "drain"
    VERIFY = "verify"
    OPEN = "open"
    OPEN_UNVERIFIED = "open unverified"
    OPEN_AS_IT_STANDS = "open as it stands"
    LEAD = "lead"
    CONFIRM = "confirm"
    REOPEN = "reopen"
    MERGE = "merge"
    END_MERGE = "end merge"


MEANING: dict[State, str] = {
    State.MIRRORING: "changes flow; users work at the source",
    State.CLOSED: "the source is read to its end",
    State.FENCED: "the barrier is written; nothing is captured any more",
    State.DRAINED: "the barrier is applied at the target",
    State.VERIFIED: "every folder equals the source's last checksum",
    State.OPEN: "the target is its users'; nothing is written there",
    State.LED: "clients are being led, or were: somebody may work at the target",
    State.CONFIRMED: "a client's request through the front door found the target",
    State.MERGING: "users work at the target, and the old source's tail is applied beside them",
}

TABLE: dict[State, dict[Command, State]] = {
    State.MIRRORING: {Command.CLOSE: State.CLOSED, Command.FENCE: State.FENCED},
    State.CLOSED: {Command.FENCE: State.FENCED, Command.REOPEN: State.MIRRORING},
    State.FENCED: {
        Command.DRAIN: State.DRAINED,
        Command.OPEN_AS_IT_STANDS: State.OPEN,
        Command.REOPEN: State.MIRRORING,
    },
    State.DRAINED: {
        Command.VERIFY: State.VERIFIED,
        Command.OPEN_UNVERIFIED: State.OPEN,
        Command.REOPEN: State.MIRRORING,
    },
    State.VERIFIED: {Command.OPEN: State.OPEN, Command.REOPEN: State.MIRRORING},
    State.OPEN: {Command.LEAD: State.LED, Command.REOPEN: State.MIRRORING, Command.MERGE: State.MERGING},
    State.LED: {Command.LEAD: State.LED, Command.CONFIRM: State.CONFIRMED, Command.MERGE: State.MERGING},
    State.CONFIRMED: {Command.MERGE: State.MERGING},
    State.MERGING: {Command.END_MERGE: State.LED},
}
NEXT: dict[Stage, frozenset[Stage]] = {
    Stage.RETURN: frozenset({Stage.MERGE}),
    Stage.STRAYS: frozenset({Stage.DONE}),
    Stage.MERGE: frozenset({Stage.REVERSE}),
    Stage.REVERSE: frozenset({Stage.CHECK, Stage.DONE}),
    Stage.CHECK: frozenset({Stage.CLOSE_DOOR}),
    Stage.CLOSE_DOOR: frozenset({Stage.CLOSE}),
    Stage.CLOSE: frozenset({Stage.FENCE}),
    Stage.FENCE: frozenset({Stage.DRAIN, Stage.CLOSE}),
    Stage.DRAIN: frozenset({Stage.VERIFY}),
    Stage.VERIFY: frozenset({Stage.OPEN}),
    Stage.OPEN: frozenset({Stage.LEAD}),
    Stage.LEAD: frozenset({Stage.CONFIRM, Stage.TAIL, Stage.CLOSE}),
    Stage.CONFIRM: frozenset({Stage.TAIL, Stage.LEAD}),
    Stage.TAIL: frozenset({Stage.DONE, Stage.FORWARD, Stage.CLOSE}),
    Stage.FORWARD: frozenset({Stage.DONE}),
    Stage.UNDO: frozenset(),
    Stage.DONE: frozenset(),
    Stage.UNDONE: frozenset(),
}
"""Which stages may follow one another; UNDO and UNDONE may follow each that is no end, and a stage itself."""
ENDS = frozenset({Stage.DONE, Stage.UNDONE})
ORDER = tuple(State)
USERS_AT_TARGET = frozenset({State.OPEN, State.LED, State.CONFIRMED, State.MERGING})
"""States in which the target is its users'."""
_WHY_NOT: dict[tuple[State, Command], str] = {
    (State.LED, Command.REOPEN): "somebody may have worked at the target: what was written there would be lost",
    (State.CONFIRMED, Command.REOPEN): "users work at the target: what was written there would be lost",
    (State.MERGING, Command.REOPEN): "users work at the target: what was written there would be lost",
    (State.MIRRORING, Command.OPEN_AS_IT_STANDS): "the source has not ended its role: both sides would be written",
    (State.CLOSED, Command.OPEN_AS_IT_STANDS): "the source has not ended its role: both sides would be written",
}


class IllegalError(Exception):
    """The table does not allow a command in this state; nothing was changed."""

    def __init__(self, state: State, command: Command) -> None:
        reason = _WHY_NOT.get((state, command)) or f"allowed here: {', '.join(TABLE[state]) or 'nothing'}"
        super().__init__(f"{command} in {state}: {reason}")
        self.state = state
        self.command = command


class IllegalStageError(Exception):
    """The table does not allow a stage after another: a defect of the coordinator; nothing was committed."""

    def __init__(self, stage: str, following: str) -> None:
        super().__init__(f"stage {following} can't follow {stage}; nothing was committed, please report this")


def may_follow(stage: str, following: str) -> bool:
    """Tell whether a stage may be committed after another; an empty one is no failover yet."""
    if not stage or stage == following:
        return True
    current = Stage(stage)
    is_undoing = following in {Stage.UNDO, Stage.UNDONE} and current not in ENDS
    return is_undoing or following in NEXT[current]


def after(state: State, command: Command) -> State:
    """Return the state after a command; IllegalError where the table has none."""
    if (found := TABLE[state].get(command)) is None:
        raise IllegalError(state, command)
    return found


def is_allowed(state: State, command: Command) -> bool:
    """Tell whether the table has a state after a command."""
    return command in TABLE[state]


def opening(state: State) -> Command:
    """Return the command that opens a mailbox in this state: said by its name, what is missing is not hidden."""
    return {
        State.VERIFIED: Command.OPEN,
        State.DRAINED: Command.OPEN_UNVERIFIED,
    }.get(state, Command.OPEN_AS_IT_STANDS)


def state_of(source: str, target: str, known: State = State.MIRRORING) -> State:
    """Return the state that the roles in the log say; `known` adds what only the coordinator knows of it.

    The roles are right whatever the progress says: it is written before a step, they by the step itself.
    """
    in_log = State(SourceRole(source))
    if target == TargetRole.MERGING:
        return State.MERGING
    if target == TargetRole.OPEN:
        # a merge that ended leaves its users there, so nobody may be led away again
        in_log = State.LED if known is State.MERGING else State.OPEN
    elif target == TargetRole.DRAINED and in_log is State.FENCED:
        in_log = State.DRAINED
    refines = {State.VERIFIED: State.DRAINED, State.LED: State.OPEN, State.CONFIRMED: State.OPEN}
    return known if refines.get(known) is in_log else in_log


def diagram() -> str:
    """Return the table as a Mermaid state diagram, as it stands in the runbook."""
    lines = ["stateDiagram-v2", "    [*] --> MIRRORING"]
    for state in ORDER:
        lines += [f"    {state} --> {to}: {command}" for command, to in TABLE[state].items()]
    return "\n".join([*lines, "    CONFIRMED --> [*]"])


def meanings() -> str:
    """Return what each state means, as a table in Markdown."""
    return "\n".join(["| state | meaning |", "|---|---|", *(f"| {state} | {MEANING[state]} |" for state in ORDER)])
