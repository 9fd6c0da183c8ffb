"""Where users work is said by the roles in the log alone."""

import pytest

from deploy.pipeline_state import TargetStanding
from deploy.promotion.whereabouts import judged
from schemas.state import MailboxRecord, SourceRole, TargetMailbox, TargetRole

M = "0" * 20


@pytest.mark.parametrize(
    ("source", "opening", "target", "promoted", "is_between"),
    [
        (SourceRole.MIRRORING, "", TargetRole.MIRRORING, {}, False),
        (SourceRole.CLOSED, "standby", TargetRole.MIRRORING, {}, True),
        (SourceRole.FENCED, "standby", TargetRole.MIRRORING, {}, True),
        (SourceRole.FENCED, "standby", TargetRole.DRAINED, {}, True),
        (SourceRole.FENCED, "standby", TargetRole.OPEN, {M: "standby"}, False),
        (SourceRole.FENCED, "gone", TargetRole.OPEN, {}, True),
    ],
)
def test_a_mailbox_lives_at_a_target_once_that_is_open_and_nowhere_between(
    source: str, opening: str, target: str, promoted: dict[str, str], *, is_between: bool
) -> None:
    records = {M: MailboxRecord(mailbox=M, generation=1, role=SourceRole(source), opening=opening)}
    standings = {"standby": {M: TargetStanding(TargetMailbox(mailbox=M, generation=1, role=TargetRole(target)))}}
    found = judged(records, standings)
    assert (found.promoted, found.between) == (promoted, frozenset({M} if is_between else ()))
    assert found.elsewhere == (frozenset() if source == SourceRole.MIRRORING else {M})
