"""A window is two times with an offset."""

from datetime import datetime

import pytest

from deploy.migration.window import window, window_of
from deploy.sections import SettingsError
from schemas.state import Wave

OPENS, CLOSES = "2026-11-27T20:00:00+01:00", "2026-11-28T02:00:00+01:00"


def test_it_is_open_from_its_beginning_to_right_before_its_end_wherever_the_clock_is() -> None:
    found = window(OPENS, CLOSES)
    assert found.seconds_until_open(datetime.fromisoformat("2026-11-27T18:59:00Z")) == 60.0
    assert found.seconds_until_open(datetime.fromisoformat("2026-11-27T19:00:00Z")) == 0.0
    assert not found.is_over(datetime.fromisoformat("2026-11-28T00:59:59Z"))
    assert found.is_over(datetime.fromisoformat("2026-11-28T01:00:00Z"))


def test_a_wave_that_is_not_scheduled_has_none() -> None:
    wave = Wave(wave="w", target="t")
    assert window_of(wave) is None
    assert window_of(Wave(wave="w", target="t", window_from=OPENS, window_until=CLOSES)) == window(OPENS, CLOSES)


@pytest.mark.parametrize(
    ("opens", "closes", "words"),
    [
        ("tonight", CLOSES, "--from tonight: not a time"),
        ("2026-11-27T20:00:00", CLOSES, "--from 2026-11-27T20:00:00: without an offset"),
        (CLOSES, OPENS, f"--until {OPENS}: not after"),
        (OPENS, OPENS, "not after"),
        (OPENS, "2027-11-28T02:00:00+01:00", "at most 30 days"),
    ],
)
def test_what_is_no_window_is_refused(opens: str, closes: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words.replace("+", r"\+")):
        window(opens, closes)
