import io

import pytest
from rich.console import Console

from deploy.lab.display import Display


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_phase_is_plain_lines_with_its_time() -> None:
    out, clock = io.StringIO(), Clock()
    display = Display(Console(file=out), monotonic=clock)
    with display.phase("Copying", 10) as phase:
        phase.report(1)
        clock.now = 6.0
        phase.report(7, "2/s")
        clock.now = 8.0
        phase.report(10)
    assert out.getvalue().splitlines() == ["Copying ...", "  7 of 10 items, 2/s", "Copying: 10 of 10 items (8.0 s)"]


def test_at_a_terminal_a_bar_is_shown_and_one_line_stays() -> None:
    out = io.StringIO()
    display = Display(Console(file=out, force_terminal=True, width=100))
    with display.phase("Copying", 10) as phase:
        phase.report(10, "done")
    assert "Copying: 10 of 10 items, done" in out.getvalue()


def test_quiet_says_nothing() -> None:
    out = io.StringIO()
    with Display(Console(file=out, force_terminal=True), is_quiet=True).phase("Copying") as phase:
        phase.report(1)
    assert out.getvalue() == ""


def test_a_phase_that_fails_does_not_claim_to_have_ended() -> None:
    out = io.StringIO()
    with pytest.raises(ValueError, match="no"), Display(Console(file=out)).phase("Copying"):
        raise ValueError("no")
    assert out.getvalue() == "Copying ...\n"
