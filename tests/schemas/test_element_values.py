from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from schemas.element_values import Field, Shown, packed, unpacked
from schemas.ews import TYPES, text

XMLNS = f'xmlns:t="{TYPES}" xmlns:m="urn:m"'
ID = '<t:ItemId Id="1" ChangeKey="2"/>'


def answered(kind: str, inner: str) -> Any:
    """An item as it stands in an answer, between others."""
    return etree.fromstring(f"<m:Items {XMLNS}><t:{kind}>{ID}{inner}</t:{kind}> </m:Items>")[0]


def shown(kind: str, inner: str) -> Shown:
    return unpacked(packed(answered(kind, inner)))


def same(kind: str, inner: str) -> dict[Field, str]:
    return {field: value.same for field, value in shown(kind, inner).values.items()}


def test_a_body_holds_the_settable_elements_in_the_order_of_the_table_and_nothing_else() -> None:
    body = packed(answered("Task", "<t:Status>Completed</t:Status><t:Subject>x</t:Subject><t:Size>3</t:Size>"))
    assert [etree.QName(e).localname for e in etree.fromstring(body)] == ["Subject", "Status"]
    assert b"ItemId" not in body
    assert b"urn:m" not in body


def test_the_same_answer_is_the_same_body() -> None:
    one = answered("Contact", "<t:FileAs>A</t:FileAs><t:GivenName>B</t:GivenName>")
    other = answered("Contact", "<t:GivenName>B</t:GivenName>  <t:FileAs>A</t:FileAs>\n")
    assert packed(one) == packed(other)


def test_classes_without_an_element_of_their_own_keep_what_every_item_has() -> None:
    found = shown("MeetingRequest", "<t:Subject>x</t:Subject><t:Location>somewhere</t:Location>")
    assert (found.kind, [f.uri for f in found.values]) == ("Message", ["item:Subject"])


def test_nothing_is_nothing() -> None:
    assert unpacked(b"") == Shown("", {})
    with pytest.raises(etree.XMLSyntaxError):
        unpacked(b"no element")


def test_each_entry_of_a_dictionary_is_a_field_in_any_order() -> None:
    inner = (
        '<t:EmailAddresses><t:Entry Key="EmailAddress1" Name="A" RoutingType="SMTP">a@x.test</t:Entry>'
        '<t:Entry Key="EmailAddress2"/></t:EmailAddresses>'
        '<t:PhysicalAddresses><t:Entry Key="Home"><t:Street>Way 1</t:Street><t:City>Ulm</t:City></t:Entry>'
        "</t:PhysicalAddresses><t:PhoneNumbers>{}{}</t:PhoneNumbers>"
    )
    two = '<t:Entry Key="HomePhone">1</t:Entry>', '<t:Entry Key="Pager">2</t:Entry>'
    assert same("Contact", inner.format(*two)) == {
        Field("contacts:EmailAddress", "EmailAddress1"): "a@x.test",
        Field("contacts:PhysicalAddress:Street", "Home"): "Way 1",
        Field("contacts:PhysicalAddress:City", "Home"): "Ulm",
        Field("contacts:PhoneNumber", "HomePhone"): "1",
        Field("contacts:PhoneNumber", "Pager"): "2",
    }
    assert same("Contact", inner.format(*two)) == same("Contact", inner.format(*reversed(two)))


def test_a_key_that_the_older_server_does_not_know_is_left_out() -> None:
    assert same("Contact", '<t:PhoneNumbers><t:Entry Key="Msn">1</t:Entry></t:PhoneNumbers>') == {}


def page(written: str) -> str:
    return f'<t:Body BodyType="HTML">{text(written)}</t:Body>'


ALIKE = {
    "an instant in another zone": (
        "CalendarItem",
        "<t:Start>2026-11-23T10:00:00Z</t:Start>",
        "<t:Start>2026-11-23T11:00:00+01:00</t:Start>",
    ),
    "fractions of a second": (
        "Task",
        "<t:DueDate>2026-11-23T10:00:00Z</t:DueDate>",
        "<t:DueDate>2026-11-23T10:00:00.000Z</t:DueDate>",
    ),
    "a number": ("Task", "<t:PercentComplete>50</t:PercentComplete>", "<t:PercentComplete>50.0</t:PercentComplete>"),
    "true": ("CalendarItem", "<t:IsAllDayEvent>true</t:IsAllDayEvent>", "<t:IsAllDayEvent>1</t:IsAllDayEvent>"),
    "texts in another order": (
        "Task",
        "<t:Companies><t:String>A</t:String><t:String>B</t:String></t:Companies>",
        "<t:Companies><t:String>B</t:String><t:String>A</t:String></t:Companies>",
    ),
    "a zone under another name": (
        "CalendarItem",
        '<t:StartTimeZone Id="UTC" Name="(UTC)"/>',
        '<t:StartTimeZone Id="UTC" Name="Weltzeit"/>',
    ),
    "an empty text and none": ("CalendarItem", "<t:Location></t:Location>", ""),
    "a page in another head": (
        "Task",
        page("<html><head>a</head><body>x y</body></html>"),
        page('<html><BODY lang="de"><!-- 15 -->x\ny</BODY></html>\n'),
    ),
    "what attendees answered": (
        "CalendarItem",
        (
            "<t:Resources><t:Attendee><t:Mailbox><t:EmailAddress>a@x.test</t:EmailAddress></t:Mailbox>"
            "<t:ResponseType>Accept</t:ResponseType></t:Attendee></t:Resources>"
        ),
        (
            "<t:Resources><t:Attendee><t:Mailbox><t:Name>A</t:Name><t:EmailAddress>A@X.test</t:EmailAddress></t:Mailbox>"
            "</t:Attendee></t:Resources>"
        ),
    ),
    "the zone of a date": (
        "Task",
        (
            "<t:Recurrence><t:DailyRegeneration><t:Interval>1</t:Interval></t:DailyRegeneration><t:NoEndRecurrence>"
            "<t:StartDate>2026-11-23Z</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
        ),
        (
            "<t:Recurrence><t:DailyRegeneration><t:Interval>1</t:Interval></t:DailyRegeneration><t:NoEndRecurrence>"
            "<t:StartDate>2026-11-23+01:00</t:StartDate></t:NoEndRecurrence></t:Recurrence>"
        ),
    ),
}


@pytest.mark.parametrize(("kind", "one", "other"), ALIKE.values(), ids=ALIKE)
def test_what_servers_write_differently_is_the_same(kind: str, one: str, other: str) -> None:
    assert same(kind, one) == same(kind, other)


DIFFERENT = {
    "a page in bold": ("Task", '<t:Body BodyType="HTML">{}x{}</t:Body>', ("", ""), ("&lt;b&gt;", "&lt;/b&gt;")),
    "a minute": ("CalendarItem", "<t:Start>2026-11-23T10:0{}:00Z</t:Start>", ("0",), ("1",)),
    "a case": ("Contact", "<t:Surname>{}</t:Surname>", ("Weiss",), ("WEISS",)),
    "an attendee": (
        "CalendarItem",
        (
            "<t:Resources><t:Attendee><t:Mailbox><t:EmailAddress>{}@x.test</t:EmailAddress></t:Mailbox></t:Attendee>"
            "</t:Resources>"
        ),
        ("a",),
        ("b",),
    ),
}


@pytest.mark.parametrize(("kind", "form", "one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_users_changed_is_not_the_same(kind: str, form: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert same(kind, form.format(*one)) != same(kind, form.format(*other))


def test_a_member_that_points_to_a_contact_of_its_server_becomes_an_address() -> None:
    inner = (
        '<t:Members><t:Member Key="AAA="><t:Mailbox><t:Name>A</t:Name><t:EmailAddress>a@x.test</t:EmailAddress>'
        '<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Contact</t:MailboxType><t:ItemId Id="9"/></t:Mailbox>'
        "<t:Status>Normal</t:Status></t:Member></t:Members>"
    )
    (value,) = shown("DistributionList", inner).values.values()
    assert "OneOff" in value.markup
    assert not any(word in value.markup for word in ("ItemId", "Status", "Key"))


XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(XML_TEXT, XML_TEXT, st.dictionaries(st.sampled_from(["HomePhone", "Pager", "Telex"]), XML_TEXT))
def test_whatever_a_user_wrote_is_set_as_it_was_read(subject: str, page: str, phones: dict[str, str]) -> None:
    """What stands in the log is read back the same from what an update would set."""
    entries = "".join(f'<t:Entry Key="{key}">{text(number)}</t:Entry>' for key, number in phones.items())
    inner = (
        f'<t:Subject>{text(subject)}</t:Subject><t:Body BodyType="HTML">{text(page)}</t:Body>'
        f"<t:PhoneNumbers>{entries}</t:PhoneNumbers>"
    )
    found = shown("Contact", inner)
    for field, value in found.values.items():
        (again,) = shown("Contact", value.markup).values.items()
        assert again == (field, value)
    assert {f.index: v.same for f, v in found.values.items() if f.index} == {k: v for k, v in phones.items() if v}
