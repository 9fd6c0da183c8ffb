"""The tables of roles: every cell, every function by its table, and no role assigned anywhere else."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from schemas import roles
from schemas.change import Barrier, Version
from schemas.roles import IllegalRoleError, OrderKind, RoleStep
from schemas.state import MailboxRecord, Order, SourceRole, TargetMailbox, TargetRole

V = Version(generation=2, sequence=7)
BARRIER = Barrier(
    promotion="p1", role="MIRRORING", target="standby", reason="", at=5, planned=True, complete=True, certain_up_to=4,
    owed=0, pending=0,
)  # fmt: skip
ORDER = Order(
    mailbox="m", kind=OrderKind.CLOSE, items=(), target="standby", reason="", issued_at=10, until=60, promotion="p1"
)
SOURCE_STEPS: dict[RoleStep, Callable[[MailboxRecord], MailboxRecord]] = {
    RoleStep.CLOSE: lambda r: roles.close(r, ORDER, 100),
    RoleStep.FENCE: lambda r: roles.fence(r, V),
    RoleStep.RESTORE_FENCE: lambda r: roles.restore_fence(r, V, BARRIER),
    RoleStep.READ_TAIL: lambda r: roles.read_tail(r, ORDER, 100),
    RoleStep.REOPEN: lambda r: roles.reopen_source(r, is_new_generation=True),
    RoleStep.AWAIT_TAKE_OVER: roles.await_take_over,
    RoleStep.TAKE_OVER: lambda r: roles.take_over_source(r, ORDER, 9),
}
TARGET_STEPS: dict[RoleStep, Callable[[TargetMailbox], TargetMailbox]] = {
    RoleStep.OPEN: lambda r: roles.open_target(r, ORDER, "standby", 100),
    RoleStep.MERGE: lambda r: roles.begin_merge(r, ORDER),
    RoleStep.REOPEN: roles.reopen_target,
    RoleStep.NEW_GENERATION: roles.follow_generation,
    RoleStep.TAKE_OVER: lambda r: roles.take_over_target(r, ORDER, "scope", 100),
}
SOURCE_CELLS = {
    ("MIRRORING", "close"): "CLOSED",
    ("MIRRORING", "restore fence"): "FENCED",
    ("MIRRORING", "await take over"): "FENCED",
    ("CLOSED", "close"): "CLOSED",
    ("CLOSED", "fence"): "FENCED",
    ("CLOSED", "reopen"): "MIRRORING",
    ("FENCED", "await take over"): "FENCED",
    ("FENCED", "read tail"): "CLOSED",
    ("FENCED", "reopen"): "MIRRORING",
    ("FENCED", "take over"): "MIRRORING",
}
TARGET_CELLS = {
    ("MIRRORING", "open"): "OPEN",
    ("MIRRORING", "new generation"): "MIRRORING",
    ("MIRRORING", "take over"): "MIRRORING",
    ("DRAINED", "open"): "OPEN",
    ("DRAINED", "new generation"): "MIRRORING",
    ("DRAINED", "reopen"): "MIRRORING",
    ("DRAINED", "take over"): "MIRRORING",
    ("OPEN", "merge"): "MERGING",
    ("OPEN", "reopen"): "MIRRORING",
    ("OPEN", "take over"): "MIRRORING",
    ("MERGING", "merge"): "MERGING",
}


@pytest.mark.parametrize(("role", "step"), list(product(SourceRole, SOURCE_STEPS)))
def test_every_step_of_a_source_is_made_by_the_table_or_refused(role: SourceRole, step: RoleStep) -> None:
    record = MailboxRecord(mailbox="m", generation=2, next_sequence=7, role=role)
    expected = SOURCE_CELLS.get((role, step))
    if expected is None:
        with pytest.raises(IllegalRoleError, match=f"mailbox m: {step} is not possible in role {role}"):
            SOURCE_STEPS[step](record)
    else:
        assert SOURCE_STEPS[step](record).role == expected


@pytest.mark.parametrize(("role", "step"), list(product(TargetRole, TARGET_STEPS)))
def test_every_step_of_a_target_is_made_by_the_table_or_refused(role: TargetRole, step: RoleStep) -> None:
    record = TargetMailbox(mailbox="m", generation=2, applied_sequence=7, role=role)
    expected = TARGET_CELLS.get((role, step))
    if expected is None:
        with pytest.raises(IllegalRoleError, match=f"mailbox m: {step} is not possible in role {role}"):
            TARGET_STEPS[step](record)
    else:
        assert TARGET_STEPS[step](record).role == expected


@pytest.mark.parametrize(
    ("role", "barrier", "expected"),
    [
        (TargetRole.MIRRORING, None, TargetRole.DRAINED),
        (TargetRole.DRAINED, V, TargetRole.DRAINED),
        (TargetRole.MERGING, None, TargetRole.MERGING),
        (TargetRole.MERGING, V, TargetRole.OPEN),
    ],
)
def test_a_barrier_ends_mirroring_or_the_merge_that_began_after_an_earlier_one(
    role: TargetRole, barrier: Version | None, expected: TargetRole
) -> None:
    record = TargetMailbox(mailbox="m", role=role, barrier=barrier, waiting="a seed")
    drained = roles.drain(record, V, BARRIER)
    assert (drained.role, drained.barrier, drained.waiting) == (expected, V, "")


def test_no_barrier_is_applied_to_a_mailbox_that_is_its_users() -> None:
    with pytest.raises(IllegalRoleError):
        roles.drain(TargetMailbox(mailbox="m", role=TargetRole.OPEN), V, BARRIER)


@pytest.mark.parametrize("role", [TargetRole.OPEN, TargetRole.MERGING])
def test_users_work_at_a_target_that_is_open_or_merges(role: TargetRole) -> None:
    record = TargetMailbox(mailbox="m", role=role)
    assert roles.users_work_at(record)
    assert roles.refusal_to_open(record, replace(ORDER, accepted=True), "standby")
    assert {(s, role) for s in SourceRole} & roles.LEGAL_PAIRS <= {
        (SourceRole.FENCED, role), (SourceRole.CLOSED, TargetRole.MERGING),
    }  # fmt: skip


def test_a_fence_is_taken_over_by_the_next_promotion_to_the_same_target_and_by_no_other() -> None:
    record = MailboxRecord(
        mailbox="m", generation=1, role=SourceRole.FENCED, promotion="p0", opening="standby", barrier=V
    )
    assert roles.refusal_to_close(record, ORDER) == ""
    claimed = roles.claim_fence(record, ORDER)
    assert (claimed.role, claimed.barrier, claimed.promotion) == (SourceRole.FENCED, V, "p1")
    assert roles.refusal_to_close(claimed, ORDER)
    assert roles.refusal_to_close(record, replace(ORDER, target="branch"))


def test_a_reopen_of_an_earlier_promotion_does_not_open_the_fence_of_a_later_one() -> None:
    record = MailboxRecord(mailbox="m", generation=1, role=SourceRole.FENCED, promotion="p1", barrier=V)
    assert roles.may_reopen_source(record, replace(ORDER, kind=OrderKind.REOPEN, promotion="p1"))
    assert not roles.may_reopen_source(record, replace(ORDER, kind=OrderKind.REOPEN, promotion="p0"))


def test_a_merge_cannot_be_taken_over_nor_reopened() -> None:
    record = TargetMailbox(mailbox="m", role=TargetRole.MERGING, promotion="p1")
    assert not roles.may_take_over(record)
    assert not roles.may_reopen_target(record, ORDER)


def role_assignments(path: Path) -> list[int]:
    """Return the lines that give a mailbox's record a role."""
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    makers = {"replace", "MailboxRecord", "TargetMailbox"}
    return [c.lineno for c in calls if ast.unparse(c.func) in makers and any(k.arg == "role" for k in c.keywords)]


def test_no_role_is_assigned_outside_the_table(repository: Path) -> None:
    paths = [p for room in ("schemas", "producers", "consumers", "deploy") for p in (repository / room).rglob("*.py")]
    table = repository / "schemas" / "roles.py"
    assert role_assignments(table)
    assert {
        str(p.relative_to(repository)): role_assignments(p) for p in paths if p != table and role_assignments(p)
    } == {}
