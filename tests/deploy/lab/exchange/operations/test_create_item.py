from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
STAMP = (
    '<t:ExtendedFieldURI PropertySetId="c0ffee00-1111-2222-3333-444455556666" PropertyName="s" PropertyType="String"/>'
)


def test_a_message_saved_without_flags_is_a_draft_and_one_with_flags_is_not(exchange: Any) -> None:
    draft = exchange.create("<t:Message><t:Subject>x</t:Subject></t:Message>", "drafts")
    sent = exchange.message(b"Subject: y\r\n\r\nz", flags=1)
    unread = exchange.message(b"Subject: y\r\n\r\nz", flags=0)
    shown = [exchange.get(one, "item:IsDraft", "message:IsRead") for one in (draft, sent, unread)]
    assert [exchange.text(one, "IsDraft") for one in shown] == ["true", "false", "false"]
    assert [exchange.text(one, "IsRead") for one in shown] == ["true", "true", "false"]


@pytest.mark.parametrize(
    ("element", "folder", "code"),
    [
        ("<t:CalendarItem/>", "inbox", "ErrorCannotCreateCalendarItemInNonCalendarFolder"),
        ("<t:Contact/>", "inbox", "ErrorCannotCreateContactInNonContactFolder"),
        ("<t:Task/>", "calendar", "ErrorCannotCreateTaskInNonTaskFolder"),
    ],
)
def test_a_class_in_the_wrong_kind_of_folder_is_refused(exchange: Any, element: str, folder: str, code: str) -> None:
    assert exchange.codes(exchange.create_request(element, folder)) == [code]


def test_one_refused_item_leaves_the_others_of_the_batch(exchange: Any) -> None:
    good, bad = "<t:Message><t:Subject>x</t:Subject></t:Message>", "<t:Task/>"
    assert exchange.codes(exchange.create_request(good + bad + good)) == [
        "NoError",
        "ErrorCannotCreateTaskInNonTaskFolder",
        "NoError",
    ]
    assert len(exchange.changes("inbox")[0]) == 2


def test_named_properties_dates_and_marks_are_kept(exchange: Any) -> None:
    extra = (
        f"<t:ExtendedProperty>{STAMP}<t:Value>abc</t:Value></t:ExtendedProperty>"
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x0E06" PropertyType="SystemTime"/>'
        "<t:Value>2020-02-03T04:05:06.789Z</t:Value></t:ExtendedProperty>"
    )
    ident = exchange.message(b"Subject: y\r\n\r\nz", extra=extra)
    item = exchange.get(ident, "item:DateTimeReceived", extended=STAMP)
    assert exchange.text(item, "DateTimeReceived") == "2020-02-03T04:05:06Z"
    assert exchange.text(item, "Value") == "abc"


def test_a_sent_message_reaches_the_local_recipients_and_the_sent_items(exchange: Any) -> None:
    inner = (
        "<t:Message><t:Subject>hello</t:Subject><t:Body BodyType='Text'>b</t:Body><t:ToRecipients><t:Mailbox>"
        "<t:EmailAddress>b@example.com</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message>"
    )
    exchange.create(inner, "sentitems", disposition="SendAndSaveCopy")
    assert len(exchange.changes("sentitems")[0]) == 1
    arrived = exchange.changes(exchange.folder("inbox", "b@example.com"))[0]
    item = exchange.get(arrived[0][1], "item:Subject", "message:From", "item:IsDraft", "message:IsRead")
    assert exchange.text(item, "Subject") == "hello"
    assert exchange.text(item, "EmailAddress") == "a@example.com"
    assert (exchange.text(item, "IsDraft"), exchange.text(item, "IsRead")) == ("false", "false")


def test_messages_need_a_disposition_and_appointments_an_invitation_rule(exchange: Any) -> None:
    request = "<m:CreateItem><m:Items><t:Message/><t:CalendarItem/></m:Items></m:CreateItem>"
    assert exchange.codes(request) == ["ErrorMessageDispositionRequired", "ErrorSendMeetingInvitationsRequired"]


def test_size_limit_and_quota_are_enforced(build: Any) -> None:
    exchange = build(message_size_bytes_max=2000, mailbox_size_bytes_max=6000)
    assert exchange.codes(
        exchange.create_request(f"<t:Message><t:Body BodyType='Text'>{'x' * 3000}</t:Body></t:Message>")
    ) == ["ErrorMessageSizeExceeded"]
    small = f"<t:Message><t:Body BodyType='Text'>{'x' * 1500}</t:Body></t:Message>"
    assert exchange.codes(exchange.create_request(small * 4))[-1] == "ErrorQuotaExceeded"


def test_characters_that_xml_cannot_hold_are_replaced_in_elements_only(exchange: Any) -> None:
    ident = exchange.message(b"Subject: a\x01b\r\n\r\nz\x02")
    item = exchange.get(ident, "item:Subject", "item:Body")
    assert exchange.text(item, "Subject") == "a\ufffdb"
    assert exchange.mime(ident).endswith(b"z\x02")


def test_an_unknown_child_of_the_tree_of_a_recurring_series_is_kept_whole(exchange: Any) -> None:
    recurrence = (
        "<t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence>"
        "<t:StartDate>2026-01-01Z</t:StartDate><t:NumberOfOccurrences>3</t:NumberOfOccurrences></t:NumberedRecurrence>"
        "</t:Recurrence>"
    )
    ident = exchange.create(
        "<t:CalendarItem><t:Subject>s</t:Subject><t:Start>2026-01-01T10:00:00Z</t:Start>"
        f"<t:End>2026-01-01T11:00:00Z</t:End>{recurrence}</t:CalendarItem>",
        "calendar",
    )
    item = exchange.get(ident, "calendar:Recurrence")
    assert exchange.text(item, "NumberOfOccurrences") == "3"


def test_a_signed_message_has_the_class_of_signed_messages(exchange: Any) -> None:
    mime = b'Content-Type: multipart/signed; boundary="s"\r\n\r\n--s\r\n\r\nt\r\n--s\r\n\r\nx\r\n--s--\r\n'
    item = exchange.get(exchange.message(mime), "item:ItemClass")
    assert exchange.text(item, "ItemClass") == "IPM.Note.SMIME.MultipartSigned"
