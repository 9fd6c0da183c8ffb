"""The part of an organisation's directory that clients see: further addresses, and mailboxes that live elsewhere."""

from collections.abc import Mapping
from typing import Any

from deploy.lab.exchange.folders import Mailbox


class Directory:
    """Kept in memory only: it plays what administrators do, and they do it again."""

    def __init__(self) -> None:
        self.also: dict[str, str] = {}
        self.moved: dict[str, str] = {}

    def mailbox(self, address: str, mailboxes: Mapping[str, Mailbox]) -> Mailbox | None:
        """Return the mailbox of one of its addresses (lower case)."""
        return mailboxes.get(address) or mailboxes.get(self.also.get(address, ""))

    def change(self, values: Any) -> None:
        """Take over `{"also": {address: address}, "moved": {address: address}}`; ValueError for anything else."""
        if not isinstance(values, dict) or not values.keys() <= {"also", "moved"}:
            raise ValueError('give {"also": {"address": "mailbox"}, "moved": {"address": "new address"}}')
        for name, entries in values.items():
            known: dict[str, str] = getattr(self, name)
            for address, other in dict(entries).items():
                known.pop(str(address).lower(), None)
                if other:
                    known[str(address).lower()] = str(other).lower()
