"""Appointments, contacts, tasks and notes as the EWS elements that create them.

Protocol: MS-OXWSMTGS, MS-OXWSCONT, MS-OXWSTASK, MS-OXWSMSG.
"""

from datetime import datetime, timedelta

from deploy.lab.session import markup
from deploy.lab.workload.mail import NewEntry
from deploy.lab.workload.people import People

_KIND_COUNT = 4


def entries_of(people: People, owner: int, around: datetime, count: int) -> list[NewEntry]:
    """Return `count` entries of one mailbox, the kinds in turn."""
    return [_entry(people, owner, around, number) for number in range(count)]


def _entry(people: People, owner: int, around: datetime, number: int) -> NewEntry:
    kind = number % _KIND_COUNT
    if kind == 0:
        return NewEntry(owner=owner, folder=("/calendar",), element=_appointment(people, around))
    if kind == 1:
        return NewEntry(owner=owner, folder=("/contacts",), element=_contact(people))
    if kind == 2:  # noqa: PLR2004 - the third kind
        return NewEntry(owner=owner, folder=("/tasks",), element=_task(people, around))
    return NewEntry(owner=owner, folder=("/notes",), element=_note(people))


def _appointment(people: People, around: datetime) -> str:
    start = around + timedelta(hours=people.chance.randint(-2_000, 2_000))
    end = start + timedelta(minutes=people.chance.choice((30, 60, 90)))
    return (
        f"<t:CalendarItem><t:Subject>{markup(people.subject('en_US'))}</t:Subject>"
        f'<t:Body BodyType="Text">{markup(people.text("en_US"))}</t:Body><t:ReminderIsSet>true</t:ReminderIsSet>'
        f"<t:ReminderMinutesBeforeStart>15</t:ReminderMinutesBeforeStart>"
        f"<t:Start>{_time(start)}</t:Start><t:End>{_time(end)}</t:End>"
        f"<t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>{markup(people.word())}</t:Location>"
        "</t:CalendarItem>"
    )


def _contact(people: People) -> str:
    person = people.chance.choice(people.strangers)
    return (
        f"<t:Contact><t:FileAs>{markup(person.name)}</t:FileAs><t:DisplayName>{markup(person.name)}</t:DisplayName>"
        f"<t:CompanyName>{markup(people.company())}</t:CompanyName><t:EmailAddresses>"
        f'<t:Entry Key="EmailAddress1">{markup(person.address)}</t:Entry></t:EmailAddresses><t:PhysicalAddresses>'
        f'<t:Entry Key="Business"><t:Street>{markup(people.street())}</t:Street></t:Entry></t:PhysicalAddresses>'
        "</t:Contact>"
    )


def _task(people: People, around: datetime) -> str:
    due = around + timedelta(days=people.chance.randint(0, 60))
    return (
        f"<t:Task><t:Subject>{markup(people.subject('en_US'))}</t:Subject>"
        f'<t:Body BodyType="Text">{markup(people.text("en_US"))}</t:Body><t:Importance>High</t:Importance>'
        f"<t:DueDate>{_time(due)}</t:DueDate><t:Status>InProgress</t:Status></t:Task>"
    )


def _note(people: People) -> str:
    return (
        f"<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass><t:Subject>{markup(people.subject('en_US'))}</t:Subject>"
        f'<t:Body BodyType="Text">{markup(people.text("de_DE"))}</t:Body></t:Message>'
    )


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
