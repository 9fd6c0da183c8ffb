"""What verifying found, as values with fixed JSON keys: mailboxes by id, items by key, no content, no address."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from consumers.verifier import Divergence, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxResult:
    """One mailbox at one target.

    `failure`: the code that kept it from being read; `repaired`: what differed and is equal now.
    """

    mailbox: str
    target: str
    folders: int = 0
    folders_equal: int = 0
    items_source: int = 0
    items_target: int = 0
    foreign: int = 0
    deeply_compared: int = 0
    unreadable: int = 0
    behind: dict[str, int] = field(default_factory=dict)
    divergences: tuple[Divergence, ...] = ()
    repairs_ordered: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    failure: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether the target holds exactly what the source holds, beside foreign items."""
        return not (self.divergences or self.behind or self.unreadable or self.failure)

    @property
    def by_kind(self) -> dict[str, int]:
        """Number of divergent items by kind."""
        return kinds_of(self.divergences)

    def as_json(self) -> dict[str, Any]:
        """Return the result's keys and values."""
        names = (
            "mailbox", "target", "folders", "folders_equal", "items_source", "items_target", "foreign",
            "deeply_compared", "unreadable", "behind", "repairs_ordered", "repaired", "failure",
        )  # fmt: skip
        divergences = [
            {
                "kind": d.kind.value,
                "item": d.item,
                "folder": d.folder_id,
                "fields": list(d.fields),
                "repairable": d.is_repairable,
            }
            for d in self.divergences
        ]
        plain = {name: getattr(self, name) for name in names}
        return plain | {"equal": self.is_equal, "kinds": self.by_kind, "divergences": divergences}


def kinds_of(divergences: Iterable[Divergence]) -> dict[str, int]:
    """Return the number of divergent items by kind."""
    found: dict[str, int] = {}
    for divergence in divergences:
        found[divergence.kind.value] = found.get(divergence.kind.value, 0) + 1
    return found


def from_json(row: dict[str, Any]) -> MailboxResult:
    """Return the result a report or a progress file holds; KeyError, TypeError or ValueError if it is none."""
    names = set(MailboxResult.__dataclass_fields__) - {"divergences"}
    divergences = tuple(
        Divergence(
            kind=Kind(d["kind"]),
            item=d["item"],
            folder_id=d["folder"],
            fields=tuple(d["fields"]),
            is_repairable=d["repairable"],
        )
        for d in row["divergences"]
    )
    return MailboxResult(**{name: row[name] for name in names}, divergences=divergences)
