"""The sabotages: which text of which file each replaces, and how it is applied to a copy of the checkout."""

import hashlib
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLE = Path(__file__).with_name("sabotages.toml")
PACKAGES = ("schemas", "producers", "consumers", "deploy")


class SabotageError(Exception):
    """A sabotage does not fit the code any more; the text says which and where."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One replacement of a text that stands in its file once."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Apply to a copy of the checkout; SabotageError where the text isn't there once."""
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise SabotageError(f"{self.file}: the text to replace is there {text.count(self.old)} times")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One deliberate defect, the faults that can hit it for so many minutes (0: as asked), the rules that prove it."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    faults: str
    expects: tuple[str, ...]
    minutes: float = 0.0

    @property
    def digest(self) -> str:
        """Twelve hex digits over what decides a run: edits, faults, minutes, expected rules."""
        said = repr((self.edits, self.faults, self.minutes, self.expects))
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    def copy_into(self, checkout: Path, root: Path) -> None:
        """Make a sabotaged copy of the packages."""
        for package in PACKAGES:
            shutil.copytree(checkout / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in self.edits:
            edit.apply(root)


def catalogue(path: Path = _TABLE) -> list[Sabotage]:
    """Return all sabotages in the order of the file."""
    rows: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))["sabotage"]
    return [
        Sabotage(
            name=row["name"],
            breaks=row["breaks"],
            edits=tuple(Edit(e["file"], e["old"], e["new"]) for e in (row, *row.get("also", ()))),
            faults=row["faults"],
            expects=tuple(row["expects"]),
            minutes=row.get("minutes", 0.0),
        )
        for row in rows
    ]
