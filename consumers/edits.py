"""Changes items where they are, a few in one request: one that the server refuses as a whole is halved.

Failure: an item whose request is refused alone, while the server goes on answering for it, is refused; what is wider
is raised.
"""

from consumers.staging import PERHAPS_TOO_LARGE
from consumers.target import Edit, Outcome, Refused, Target
from schemas.faults import Disposition, ReplicationFault, disposition_of
from schemas.ports import CallFailed, CallRefused

INVALID = frozenset({"ErrorSchemaValidation", "ErrorInvalidRequest"})
"""What an older server says of a value it does not know."""


def edited(target: Target, address: str, edits: list[Edit]) -> list[Outcome]:
    """Edit items; one outcome an item, in order. CallFailed if it is not the fault of an item."""
    try:
        return target.edit(address, edits)
    except CallFailed as failure:
        is_parked = isinstance(failure, CallRefused) and disposition_of(failure.code) is Disposition.PARK
        if not is_parked and failure.code not in PERHAPS_TOO_LARGE | INVALID:
            raise
        if len(edits) == 1:
            target.look(address, [edits[0].item_id])
            return [Refused(failure.code if is_parked else ReplicationFault.REFUSED_ALONE, failure.detail)]
    middle = len(edits) // 2
    return [o for half in (edits[:middle], edits[middle:]) for o in edited(target, address, half)]
