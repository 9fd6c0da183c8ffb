"""How far a target is behind: the one answer that status, dry run, statement, reports and the lab give."""

from schemas.state import MailboxRecord, TargetMailbox


def changes_not_applied(source: MailboxRecord, target: TargetMailbox | None) -> int:
    """Return how many captured changes of a mailbox are not at the target.

    A generation says the whole content anew, so all of it is to be applied where the target is at an earlier one.
    """
    captured = max(0, source.next_sequence - 1)
    if target is None or target.generation != source.generation:
        return captured
    return max(0, captured - target.applied_sequence)


def is_level(source: MailboxRecord, target: TargetMailbox | None) -> bool:
    """Tell whether everything captured is at the target, in one generation."""
    is_same_generation = target is not None and target.generation == source.generation
    return is_same_generation and changes_not_applied(source, target) == 0
