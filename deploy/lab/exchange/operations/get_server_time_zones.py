"""GetServerTimeZones: time zone definitions by Windows name.

Versions: from 2010. Behaviour: all known zones, or those asked for, with their rules where full data is wanted.
Skipped: zones beyond this table, historical rules.
"""

from dataclasses import dataclass
from typing import Final

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import M, escape

# Month, weekday, occurrence (-1 last) and local time of a change.
_Change = tuple[int, str, int, str]
_EUROPE: Final[tuple[_Change, _Change]] = ((3, "Sunday", -1, "PT2H"), (10, "Sunday", -1, "PT3H"))
_BRITAIN: Final[tuple[_Change, _Change]] = ((3, "Sunday", -1, "PT1H"), (10, "Sunday", -1, "PT2H"))
_EAST_EUROPE: Final[tuple[_Change, _Change]] = ((3, "Sunday", -1, "PT3H"), (10, "Sunday", -1, "PT4H"))
_AMERICA: Final[tuple[_Change, _Change]] = ((3, "Sunday", 2, "PT2H"), (11, "Sunday", 1, "PT2H"))
_AUSTRALIA: Final[tuple[_Change, _Change]] = ((10, "Sunday", 1, "PT2H"), (4, "Sunday", 1, "PT3H"))
_NEW_ZEALAND: Final[tuple[_Change, _Change]] = ((9, "Sunday", -1, "PT2H"), (4, "Sunday", 1, "PT3H"))


@dataclass(frozen=True, slots=True)
class _Zone:
    """One zone: Windows name, offset from UTC in minutes, and when summer time begins and ends."""

    ident: str
    offset_minutes: int
    summer: tuple[_Change, _Change] | None = None


_ZONES: Final = {
    zone.ident: zone
    for zone in (
        _Zone("UTC", 0),
        _Zone("Greenwich Standard Time", 0),
        _Zone("GMT Standard Time", 0, _BRITAIN),
        _Zone("W. Europe Standard Time", 60, _EUROPE),
        _Zone("Romance Standard Time", 60, _EUROPE),
        _Zone("Central Europe Standard Time", 60, _EUROPE),
        _Zone("Central European Standard Time", 60, _EUROPE),
        _Zone("W. Central Africa Standard Time", 60),
        _Zone("GTB Standard Time", 120, _EAST_EUROPE),
        _Zone("FLE Standard Time", 120, _EAST_EUROPE),
        _Zone("E. Europe Standard Time", 120, _EAST_EUROPE),
        _Zone("South Africa Standard Time", 120),
        _Zone("Russian Standard Time", 180),
        _Zone("Turkey Standard Time", 180),
        _Zone("Arabian Standard Time", 240),
        _Zone("India Standard Time", 330),
        _Zone("SE Asia Standard Time", 420),
        _Zone("China Standard Time", 480),
        _Zone("Singapore Standard Time", 480),
        _Zone("Tokyo Standard Time", 540),
        _Zone("Korea Standard Time", 540),
        _Zone("AUS Eastern Standard Time", 600, _AUSTRALIA),
        _Zone("New Zealand Standard Time", 720, _NEW_ZEALAND),
        _Zone("E. South America Standard Time", -180),
        _Zone("Argentina Standard Time", -180),
        _Zone("Atlantic Standard Time", -240, _AMERICA),
        _Zone("Eastern Standard Time", -300, _AMERICA),
        _Zone("Central Standard Time", -360, _AMERICA),
        _Zone("Mountain Standard Time", -420, _AMERICA),
        _Zone("US Mountain Standard Time", -420),
        _Zone("Pacific Standard Time", -480, _AMERICA),
        _Zone("Alaskan Standard Time", -540, _AMERICA),
        _Zone("Hawaiian Standard Time", -600),
    )
}


def answer(call: Call) -> str:
    """Answer one GetServerTimeZones request."""
    wanted = [node.text or "" for node in call.request.iterfind(f"{M}Ids/*")]
    full = call.flag("ReturnFullTimeZoneData") != "false"
    zones = [_ZONES[ident] for ident in wanted if ident in _ZONES] if wanted else list(_ZONES.values())
    inner = "".join(_zone_xml(zone, full=full) for zone in zones)
    return call.answer([call.request], lambda node: f"<m:TimeZoneDefinitions>{inner}</m:TimeZoneDefinitions>")  # noqa: ARG005


def _bias(minutes: int) -> str:
    sign = "-" if minutes > 0 else ""
    hours, rest = divmod(abs(minutes), 60)
    return f"{sign}PT{hours}H{rest}M" if rest else f"{sign}PT{hours}H"


def _zone_xml(zone: _Zone, *, full: bool) -> str:
    sign = "+" if zone.offset_minutes >= 0 else "-"
    hours, minutes = divmod(abs(zone.offset_minutes), 60)
    name = f"(UTC{sign}{hours:02d}:{minutes:02d}) {zone.ident}"
    head = f'<t:TimeZoneDefinition Name="{escape(name)}" Id="{escape(zone.ident)}"'
    if not full:
        return head + "/>"
    normal = f"trule:Standard-{zone.ident}"
    daylight = f"trule:Daylight-{zone.ident}"
    periods = f'<t:Period Bias="{_bias(zone.offset_minutes)}" Name="Standard" Id="{normal}"/>'
    changes = f'<t:Transition><t:To Kind="Period">{normal}</t:To></t:Transition>'
    if zone.summer is not None:
        periods += f'<t:Period Bias="{_bias(zone.offset_minutes + 60)}" Name="Daylight" Id="{daylight}"/>'
        changes = _change_xml(daylight, zone.summer[0]) + _change_xml(normal, zone.summer[1])
    return (
        f"{head}><t:Periods>{periods}</t:Periods>"
        f'<t:TransitionsGroups><t:TransitionsGroup Id="0">{changes}</t:TransitionsGroup></t:TransitionsGroups>'
        '<t:Transitions><t:Transition><t:To Kind="Group">0</t:To></t:Transition></t:Transitions>'
        "</t:TimeZoneDefinition>"
    )


def _change_xml(period: str, change: _Change) -> str:
    month, day, occurrence, at = change
    return (
        f'<t:RecurringDayTransition><t:To Kind="Period">{period}</t:To><t:TimeOffset>{at}</t:TimeOffset>'
        f"<t:Month>{month}</t:Month><t:DayOfWeek>{day}</t:DayOfWeek><t:Occurrence>{occurrence}</t:Occurrence>"
        "</t:RecurringDayTransition>"
    )
