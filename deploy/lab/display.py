"""What a person sees while the lab works: a bar at a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

LINE_INTERVAL_SECONDS = 5.0


class Phase:
    """One phase under way; what it reports is shown at once, or now and then as a line."""

    def __init__(self, display: "Display", name: str, total: int | None, unit: str, progress: Progress | None) -> None:
        self._display = display
        self._unit = unit
        self._total = total
        self._progress = progress
        self._task = progress.add_task(name, total=total, detail="") if progress else None
        self._said_at = display.monotonic()
        self.detail = ""

    def report(self, done: int, detail: str = "") -> None:
        """Show how much is done (of the total, if there is one), with a word about rates or lag."""
        of = f" of {self._total}" if self._total is not None else ""
        self.detail = ", ".join(part for part in (f"{done}{of} {self._unit}", detail) if part)
        if self._progress is not None and self._task is not None:
            shown = detail if self._total is not None else self.detail
            self._progress.update(self._task, completed=done, detail=shown)
        elif self._display.monotonic() - self._said_at >= LINE_INTERVAL_SECONDS:
            self._said_at = self._display.monotonic()
            self._display.say(f"  {self.detail}")


class Display:
    """Says what happens; `is_quiet` leaves only the report and what went wrong."""

    def __init__(
        self, console: Console, *, is_quiet: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console
        self.monotonic = monotonic
        self._is_quiet = is_quiet

    def say(self, line: str) -> None:
        """Print one line."""
        if not self._is_quiet:
            self.console.print(line, highlight=False, markup=False)

    @contextmanager
    def phase(self, name: str, total: int | None = None, *, unit: str = "items") -> Iterator[Phase]:
        """Show a phase while the block runs, and how long it took when it ends well."""
        started = self.monotonic()
        progress = self._bar(total) if self.console.is_terminal and not self._is_quiet else None
        if progress is None:
            self.say(f"{name} ...")
        else:
            progress.start()
        phase = Phase(self, name, total, unit, progress)
        try:
            yield phase
        finally:
            if progress is not None:
                progress.stop()
        detail = f": {phase.detail}" if phase.detail else ""
        self.say(f"{name}{detail} ({self.monotonic() - started:.1f} s)")

    def _bar(self, total: int | None) -> Progress:
        counts = [MofNCompleteColumn()] if total is not None else []
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), *counts)
        return Progress(
            *columns, TimeElapsedColumn(), TextColumn("{task.fields[detail]}"), console=self.console, transient=True
        )
