"""The window of a wave: two local times with their offset, as people write them (RFC 3339). Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deploy.sections import SettingsError
from schemas.state import Wave

WINDOW_MAX = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a cut-over may begin with mailboxes: from `opens` to right before `closes`."""

    opens: datetime
    closes: datetime

    def seconds_until_open(self, now: datetime) -> float:
        """Return how long it is until it opens; 0 where it is open or over."""
        return max(0.0, (self.opens - now).total_seconds())

    def is_over(self, now: datetime) -> bool:
        """Tell whether no further mailbox may begin."""
        return now >= self.closes


def window_of(wave: Wave) -> Window | None:
    """Return the window of a wave; None where it is not scheduled."""
    if not wave.window_from:
        return None
    return window(wave.window_from, wave.window_until)


def window(opens: str, closes: str) -> Window:
    """Return the window between two RFC 3339 times; SettingsError where they are none, or not in order."""
    found = Window(opens=_time("--from", opens), closes=_time("--until", closes))
    if found.closes <= found.opens:
        raise SettingsError(f"--until {closes}: not after --from {opens}")
    if found.closes - found.opens > WINDOW_MAX:
        raise SettingsError(f"--until {closes}: a window is at most {WINDOW_MAX.days} days long")
    return found


def _time(option: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{option} {text}: not a time; write it as 2026-11-27T20:00:00+01:00") from error
    if found.tzinfo is None:
        raise SettingsError(f"{option} {text}: without an offset it is nobody's time; write it as {text}+01:00")
    return found
