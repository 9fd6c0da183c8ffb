"""What one cycle of failover and failback showed, and how it is told."""

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.lab import report


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """What one cycle showed; `unreported`, `needless`, `lost` and `unequal` must be 0."""

    number: int
    kind: str
    struck: tuple[str, str]
    reported: int = 0
    missed: int = 0
    unreported: int = 0
    needless: int = 0
    lost: int
    conflicts: int
    unequal: int
    items: int
    seconds: float
    nothing_lost_said: bool

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost beyond what was said, nothing is there twice, and nothing lost was said rightly."""
        return not (self.unreported or self.needless or self.lost or self.unequal) and (
            self.nothing_lost_said == (self.kind == "planned")
        )

    @property
    def told(self) -> str:
        """One line about it."""
        wrong = {
            "not reported": self.unreported, "reported for nothing": self.needless, "lost": self.lost,
            "unequal": self.unequal,
        }  # fmt: skip
        found = ", ".join(f"{count} {name}" for name, count in wrong.items() if count)
        verdict = "clean" if self.is_clean else found or "nothing lost was said wrongly"
        told = f"{self.missed} missed and {self.reported} reported, {self.conflicts} conflicts, {self.seconds} s"
        return f"cycle {self.number}: {verdict}; {self.items} items, {told}"


def values_of(results: list[CycleResult], seed: int) -> dict[str, Any]:
    """Return what the report of a run of cycles holds."""
    clean = sum(r.is_clean for r in results)
    return {"seed": seed, "commit": report.commit(), "clean": clean, "cycles": [asdict(r) for r in results]}


def show(console: Console, results: list[CycleResult]) -> None:
    """Print one row a cycle and how many were clean."""
    names = {
        "": "number", "kind": "kind", "reported": "reported", "missed": "missed", "unsaid": "unreported",
        "needless": "needless", "lost": "lost", "unequal": "unequal", "s": "seconds",
    }  # fmt: skip
    table = Table(*names, title="Failover and failback")
    for result in results:
        table.add_row(*(str(getattr(result, name)) for name in names.values()))
    console.print(table)
    clean = sum(r.is_clean for r in results)
    console.print(f"{clean} of {len(results)} cycles lost nothing unsaid and brought nothing twice.")
