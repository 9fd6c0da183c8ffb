"""Which address a mailbox has at a target: as given, or by the target's patterns and domain. Pure."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol


class MappingRule(Protocol):
    """Patterns of source addresses that a target mirrors by itself, and the domain they have there."""

    @property
    def mailboxes(self) -> tuple[str, ...]:
        """Patterns such as *@example.com; none: only mailboxes that name this target."""
        ...

    @property
    def domain(self) -> str:
        """Domain of the addresses at the target; empty: the same address."""
        ...


def addresses_of(source: str, given: Mapping[str, str], rules: Mapping[str, MappingRule]) -> dict[str, str]:
    """Return a mailbox's address at every target that mirrors it; what is given counts before the rules."""
    mapped = {name: _mapped(source, rule) for name, rule in rules.items() if _matches(source, rule)}
    return mapped | dict(given)


def shared_address(mailboxes: Sequence[tuple[str, Mapping[str, str]]]) -> tuple[str, str, str, str] | None:
    """Return the first target and address that two sources share, with both sources; None if there is none."""
    taken: dict[tuple[str, str], str] = {}
    for source, addresses in mailboxes:
        for target, address in addresses.items():
            first = taken.setdefault((target, address.casefold()), source)
            if first.casefold() != source.casefold():
                return target, address, first, source
    return None


def _matches(source: str, rule: MappingRule) -> bool:
    return any(fnmatchcase(source.casefold(), pattern.casefold()) for pattern in rule.mailboxes)


def _mapped(source: str, rule: MappingRule) -> str:
    return f"{source.rsplit('@', 1)[0]}@{rule.domain}" if rule.domain else source
