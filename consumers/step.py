"""One item change of a run, and what becomes of it on its way."""

from dataclasses import dataclass

from consumers.plan import Action
from consumers.subscription import Received
from consumers.target import Outcome
from schemas.change import ItemOperation
from schemas.state import ItemRecord


@dataclass(slots=True)
class Step:
    """One item change of a run and what becomes of it; `present` are the elements of what is at the target now."""

    received: Received
    operation: ItemOperation
    action: Action
    record: ItemRecord | None
    staged: Outcome | None = None
    nonce: str = ""
    reason: str = ""
    present: bytes = b""
