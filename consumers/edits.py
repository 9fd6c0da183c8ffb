"""Changes items where they are, a few in one request: one that the server refuses as a whole is halved.

Failure: an item whose request is refused alone, while the server goes on answering for it, is refused; what is wider
is raised.
"""

from consumers.target import Edit, Outcome, Refused, Target
from schemas.faults import Disposition, ReplicationFault, TransportFault, disposition_of
from schemas.halving import may_be_refused_alone
from schemas.ports import CallFailed, CallRefused

PERHAPS_TOO_LARGE = frozenset({TransportFault.HTTP_BAD_REQUEST, TransportFault.RESET})
"""What a server may answer to a request it finds too large beside 413: IIS request filtering says 404, others cut."""
INVALID = frozenset({"ErrorSchemaValidation", "ErrorInvalidRequest"})
"""What an older server says of a value it does not know."""


def edited(target: Target, address: str, edits: list[Edit]) -> list[Outcome]:
    """Edit items; one outcome an item, in order. CallFailed if it is not the fault of an item."""
    try:
        return target.edit(address, edits)
    except CallFailed as failure:
        is_parked = isinstance(failure, CallRefused) and disposition_of(failure.code) is Disposition.PARK
        is_final = is_parked or failure.code in PERHAPS_TOO_LARGE | INVALID
        if not is_final and not may_be_refused_alone(failure):
            raise
        if len(edits) == 1:
            if not is_final:
                raise  # perhaps it passes: it is settled by looking, and given up if it does not
            target.look(address, [edits[0].item_id])
            return [Refused(failure.code if is_parked else ReplicationFault.REFUSED_ALONE, failure.detail)]
    middle = len(edits) // 2
    return [o for half in (edits[:middle], edits[middle:]) for o in edited(target, address, half)]
