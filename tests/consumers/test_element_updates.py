from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from consumers.element_updates import are_alike, set_field, updates
from schemas.element_values import Field, Shown, Value, packed, unpacked
from schemas.ews import TYPES, T, text
from schemas.item_elements import EMAIL_KEYS, PHONE_KEYS

NOTHING = Shown("", {})


def shown(kind: str, inner: str) -> Shown:
    return unpacked(packed(etree.fromstring(f'<t:{kind} xmlns:t="{TYPES}">{inner}</t:{kind}>')))


def read(found: list[str]) -> list[tuple[str, str, str]]:
    """Each update as what it does, to which field, at which index."""
    root = etree.fromstring(f'<t:Updates xmlns:t="{TYPES}">{"".join(found)}</t:Updates>')
    names = [(etree.QName(e).localname, e[0]) for e in root]
    return [(name, str(uri.get("FieldURI")), str(uri.get("FieldIndex") or "")) for name, uri in names]


def test_only_what_differs_is_set_and_what_is_gone_is_deleted() -> None:
    before = shown(
        "CalendarItem", "<t:Subject>x</t:Subject><t:Location>here</t:Location><t:NetShowUrl>n</t:NetShowUrl>"
    )
    after = shown("CalendarItem", "<t:Subject>x</t:Subject><t:Location>there</t:Location>")
    assert read(updates(after, before)) == [
        ("SetItemField", "calendar:Location", ""), ("DeleteItemField", "calendar:NetShowUrl", "")
    ]  # fmt: skip


def test_an_entry_of_a_dictionary_is_set_and_deleted_by_its_key() -> None:
    before = shown("Contact", '<t:PhoneNumbers><t:Entry Key="Pager">1</t:Entry></t:PhoneNumbers>')
    after = shown("Contact", '<t:PhoneNumbers><t:Entry Key="HomePhone">1</t:Entry></t:PhoneNumbers>')
    assert read(updates(after, before)) == [
        ("SetItemField", "contacts:PhoneNumber", "HomePhone"), ("DeleteItemField", "contacts:PhoneNumber", "Pager")
    ]  # fmt: skip


def test_times_are_set_with_their_zones_and_the_zones_first() -> None:
    form = (
        '<t:Start>2026-11-23T{}:00:00Z</t:Start><t:End>2026-11-23T12:00:00Z</t:End><t:StartTimeZone Id="UTC"/>'
        '<t:EndTimeZone Id="UTC"/><t:Subject>x</t:Subject>'
    )
    found = read(updates(shown("CalendarItem", form.format(11)), shown("CalendarItem", form.format(10))))
    assert [uri.partition(":")[2] for _, uri, _ in found] == ["StartTimeZone", "EndTimeZone", "Start", "End"]


def test_what_no_item_can_be_without_is_not_deleted_and_a_body_is_emptied() -> None:
    before = shown("Task", '<t:Status>NotStarted</t:Status><t:Body BodyType="Text">words</t:Body>')
    after = shown("Task", '<t:Body BodyType="Text"></t:Body>')
    assert read(updates(after, before)) == [("SetItemField", "item:Body", "")]


def test_what_is_there_already_is_alike_and_another_kind_never_is() -> None:
    one = shown("Task", "<t:Subject>x</t:Subject>")
    assert are_alike(one, shown("Task", '<t:Subject>x</t:Subject><t:Body BodyType="Text"/>'))
    assert not are_alike(one, shown("Task", "<t:Subject>y</t:Subject>"))
    assert not are_alike(one, Shown("Contact", one.values))
    assert not are_alike(one, NOTHING)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
CONTACTS = st.builds(
    lambda plain, mails, phones: "".join(
        [f"<t:{name}>{text(value)}</t:{name}>" for name, value in plain.items()]
        + [_entries("EmailAddresses", mails), _entries("PhoneNumbers", phones)]
    ),
    st.dictionaries(st.sampled_from(["Subject", "FileAs", "GivenName", "JobTitle", "Surname"]), TEXTS),
    st.dictionaries(st.sampled_from(EMAIL_KEYS), TEXTS),
    st.dictionaries(st.sampled_from(PHONE_KEYS), TEXTS),
)


def _entries(name: str, entries: dict[str, str]) -> str:
    inner = "".join(f'<t:Entry Key="{key}">{text(value)}</t:Entry>' for key, value in entries.items())
    return f"<t:{name}>{inner}</t:{name}>"


def applied(present: Shown, found: list[str]) -> dict[Field, str]:
    """What a server would hold after the updates, from what is said in them alone."""
    held = {field: value.same for field, value in present.values.items()}
    root = etree.fromstring(f'<t:Updates xmlns:t="{TYPES}">{"".join(found)}</t:Updates>')
    for change in root:
        field = Field(str(change[0].get("FieldURI")), str(change[0].get("FieldIndex") or ""))
        if change.tag == f"{T}DeleteItemField":
            del held[field]
        else:
            ((named, value),) = unpacked(packed(change[1])).values.items()
            assert named == field, "an update sets the field it names, and no other"
            held[field] = value.same
    return held


@given(CONTACTS, CONTACTS)
def test_updates_make_any_contact_any_other_and_nothing_is_left_to_do(one: str, other: str) -> None:
    before, after = shown("Contact", one), shown("Contact", other)
    found = updates(after, before)
    assert applied(before, found) == {field: value.same for field, value in after.values.items()}
    assert updates(after, after) == []
    assert are_alike(after, before) == (not found)


@pytest.fixture(scope="module")
def schema(shared: Path) -> Any:
    return etree.XMLSchema(etree.parse(shared / "schema" / "messages.xsd"))


EVERYTHING = {
    "CalendarItem": (
        '<t:Subject>x</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="HTML">&lt;b&gt;</t:Body>'
        "<t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>15</t:ReminderMinutesBeforeStart>"
        '<t:StartTimeZone Id="W. Europe Standard Time" Name="Bern"/><t:Start>2026-11-23T10:00:00Z</t:Start>'
        "<t:End>2026-11-23T11:00:00Z</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent>"
        "<t:LegacyFreeBusyStatus>Busy</t:LegacyFreeBusyStatus><t:Location>here</t:Location>"
        "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>A</t:Name><t:EmailAddress>a@x.test</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType></t:Mailbox><t:ResponseType>Accept</t:ResponseType></t:Attendee>"
        "</t:RequiredAttendees><t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence>"
        "<t:NoEndRecurrence><t:StartDate>2026-11-23Z</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
    ),
    "Contact": (
        "<t:FileAs>A</t:FileAs><t:FileAsMapping>None</t:FileAsMapping><t:EmailAddresses>"
        '<t:Entry Key="EmailAddress1">a@x.test</t:Entry></t:EmailAddresses><t:PhysicalAddresses><t:Entry Key="Home">'
        "<t:Street>Way</t:Street></t:Entry></t:PhysicalAddresses><t:Birthday>1990-01-01T00:00:00Z</t:Birthday>"
        "<t:Children><t:String>B</t:String></t:Children><t:PostalAddressIndex>Home</t:PostalAddressIndex>"
    ),
    "DistributionList": (
        "<t:DisplayName>A</t:DisplayName><t:Members><t:Member><t:Mailbox><t:Name>A</t:Name>"
        "<t:EmailAddress>a@x.test</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType>"
        "<t:MailboxType>OneOff</t:MailboxType></t:Mailbox></t:Member></t:Members>"
    ),
    "Task": (
        "<t:ReminderDueBy>2026-11-23T10:00:00Z</t:ReminderDueBy><t:Status>Completed</t:Status>"
        "<t:PercentComplete>100</t:PercentComplete><t:CompleteDate>2026-11-20T00:00:00Z</t:CompleteDate>"
        "<t:Contacts><t:String>A</t:String></t:Contacts><t:TotalWork>60</t:TotalWork>"
    ),
    "Message": "<t:Subject>note</t:Subject>",
}


@pytest.mark.parametrize("kind", EVERYTHING)
def test_updates_are_as_the_published_schema_wants_them(schema: Any, kind: str) -> None:
    full, empty = shown(kind, EVERYTHING[kind]), Shown(kind, {})
    for found in (
        updates(full, empty),
        [*updates(empty, full), set_field('<t:FieldURI FieldURI="item:Subject"/>', "<t:Subject/>", kind)],
    ):
        request = (
            f'<m:UpdateItem xmlns:m="{TYPES.replace("types", "messages")}" xmlns:t="{TYPES}" '
            'ConflictResolution="NeverOverwrite"><m:ItemChanges><t:ItemChange><t:ItemId Id="1"/><t:Updates>'
            f"{''.join(found)}</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
        )
        schema.assertValid(etree.fromstring(request))
    assert isinstance(next(iter(full.values.values())), Value)
