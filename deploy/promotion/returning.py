"""Does an old source answer again? It is not written to by itself: this is how people hear of it (design §8)."""

from collections.abc import Collection, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import Any

from prometheus_client import CollectorRegistry

from deploy import wiring
from deploy.exchange import Session
from deploy.sections import Settings
from deploy.throttle import Throttle
from schemas import ews
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed

TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Returning:
    """How many mailboxes were promoted away from the source, and whether it answers for one of them."""

    source: str
    promoted: int
    answers: bool

    def told(self) -> str:
        """Return it for people; nothing where nobody was promoted."""
        if not self.promoted:
            return ""
        if not self.answers:
            return f"{self.source} does not answer; {self.promoted} mailboxes were promoted from it"
        return (
            f"the old source answers: {self.source}, from which {self.promoted} mailboxes were promoted; it is not "
            "written to. `mailshadow failback --all` lists what it has and nobody captured, `--merge` leads back"
        )

    def values(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def returning(settings: Settings, promoted: Collection[str], addresses: Mapping[str, str]) -> Returning:
    """Ask the source for one of the promoted mailboxes (ids), by its address; nothing is asked where none was."""
    address = next((addresses[m] for m in sorted(promoted) if m in addresses), "")
    answers = bool(address) and _answers(settings, address)
    return Returning(source=settings.source.name, promoted=len(promoted), answers=answers)


def _answers(settings: Settings, address: str) -> bool:
    server = replace(wiring.server_settings(settings.source), timeout_seconds=TIMEOUT_SECONDS)
    body = (
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        f"<m:FolderIds>{ews.distinguished_ref('msgfolderroot')}</m:FolderIds></m:GetFolder>"
    )
    with closing(Session(server, Throttle(1), SessionMetrics(CollectorRegistry()))) as session:
        try:
            return session.call("GetFolder", address, body, 1).messages[0].is_done
        except CallFailed:
            return False
