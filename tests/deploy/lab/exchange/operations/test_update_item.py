import base64
from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


READ = (
    '<t:SetItemField><t:FieldURI FieldURI="message:IsRead"/><t:Message><t:IsRead>{}</t:IsRead></t:Message>'
    "</t:SetItemField>"
)
SUBJECT = (
    '<t:SetItemField><t:FieldURI FieldURI="item:Subject"/><t:Message><t:Subject>{}</t:Subject></t:Message>'
    "</t:SetItemField>"
)


def update(ident: str, key: str, changes: str, resolution: str = "NeverOverwrite", suppress: str = "true") -> str:
    held = f' ChangeKey="{key}"' if key else ""
    return (
        f'<m:UpdateItem ConflictResolution="{resolution}" MessageDisposition="SaveOnly"'
        f' SuppressReadReceipts="{suppress}">'
        f'<m:ItemChanges><t:ItemChange><t:ItemId Id="{ident}"{held}/><t:Updates>{changes}</t:Updates></t:ItemChange>'
        "</m:ItemChanges></m:UpdateItem>"
    )


def test_a_stale_change_key_is_refused_where_nothing_may_be_overwritten(exchange: Any) -> None:
    ident = exchange.message(MIME)
    old = exchange.change_key(ident)
    assert exchange.codes(update(ident, old, SUBJECT.format("y"))) == ["NoError"]
    assert exchange.change_key(ident) != old
    assert exchange.codes(update(ident, old, SUBJECT.format("z"))) == ["ErrorIrresolvableConflict"]
    assert exchange.codes(update(ident, old, SUBJECT.format("w"), "AlwaysOverwrite")) == ["NoError"]
    assert exchange.text(exchange.get(ident, "item:Subject"), "Subject") == "w"


def test_a_server_that_does_not_enforce_change_keys_takes_a_stale_one(build: Any) -> None:
    exchange = build(change_keys_enforced=False)
    ident = exchange.message(MIME)
    old = exchange.change_key(ident)
    for text in ("y", "z"):
        assert exchange.codes(update(ident, old, SUBJECT.format(text))) == ["NoError"]


@pytest.mark.parametrize("changes", [True, False])
def test_the_read_flag_alone_gives_a_new_change_key_by_switch(build: Any, *, changes: bool) -> None:
    exchange = build(read_flag_changes_change_key=changes)
    ident = exchange.message(MIME)
    old = exchange.change_key(ident)
    exchange.post(update(ident, old, READ.format("false")))
    assert (exchange.change_key(ident) != old) is changes
    assert exchange.text(exchange.get(ident, "message:IsRead"), "IsRead") == "false"


@pytest.mark.parametrize(("suppress", "count"), [("true", 0), ("false", 1)])
def test_reading_sends_a_receipt_unless_it_is_suppressed(exchange: Any, suppress: str, count: int) -> None:
    mime = MIME.replace(b"jane@example.org", b"b@example.com")
    ident = exchange.message(b"Disposition-Notification-To: b@example.com\r\n" + mime, flags=0)
    for _ in range(2):
        exchange.post(update(ident, exchange.change_key(ident), READ.format("false"), suppress=suppress))
        exchange.post(update(ident, exchange.change_key(ident), READ.format("true"), suppress=suppress))
    arrived = exchange.changes(exchange.folder("inbox", "b@example.com"))[0]
    assert len(arrived) == count
    assert exchange.server.store.receipts == count


def test_a_suppression_made_beforehand_holds_where_the_attribute_does_not_exist(build: Any) -> None:
    exchange = build("2010_SP1")
    mime = MIME.replace(b"jane@example.org", b"b@example.com")
    ident = exchange.message(b"Disposition-Notification-To: b@example.com\r\n" + mime, flags=0)
    held = f'<t:SuppressReadReceipt><t:ReferenceItemId Id="{ident}"/></t:SuppressReadReceipt>'
    exchange.post(f'<m:CreateItem MessageDisposition="SaveOnly"><m:Items>{held}</m:Items></m:CreateItem>')
    request = update(ident, exchange.change_key(ident), READ.format("true"))
    assert exchange.fault(request) == "ErrorSchemaValidation"
    exchange.post(request.replace(' SuppressReadReceipts="true"', ""))
    assert exchange.server.store.receipts == 0


def test_a_changed_subject_is_in_the_mime_and_the_rest_is_as_before(exchange: Any) -> None:
    ident = exchange.message(MIME)
    exchange.post(update(ident, exchange.change_key(ident), SUBJECT.format("grün")))
    mime = exchange.mime(ident)
    assert b"Subject: =?utf-8?" in mime
    assert mime.endswith(b"\r\n\r\nbody\r\n")
    assert b"From: jane@example.org\r\n" in mime


def test_message_flags_are_taken_and_change_nothing_after_creation(exchange: Any) -> None:
    ident = exchange.create("<t:Message/>", "drafts")
    uri = '<t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/>'
    value = f"<t:Message><t:ExtendedProperty>{uri}<t:Value>1</t:Value></t:ExtendedProperty></t:Message>"
    change = f"<t:SetItemField>{uri}{value}</t:SetItemField>"
    assert exchange.codes(update(ident, exchange.change_key(ident), change)) == ["NoError"]
    assert exchange.text(exchange.get(ident, "item:IsDraft"), "IsDraft") == "true"


def test_the_search_key_is_read_only(exchange: Any) -> None:
    ident = exchange.message(MIME)
    uri = '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'
    value = f"<t:Message><t:ExtendedProperty>{uri}<t:Value>AAAA</t:Value></t:ExtendedProperty></t:Message>"
    change = f"<t:SetItemField>{uri}{value}</t:SetItemField>"
    assert exchange.codes(update(ident, exchange.change_key(ident), change)) == ["ErrorInvalidPropertySet"]


def test_bodies_are_replaced_appended_and_deleted(exchange: Any) -> None:
    ident = exchange.message(MIME)

    def body(action: str, text: str) -> str:
        value = f'<t:Message><t:Body BodyType="Text">{text}</t:Body></t:Message>' if text else ""
        request = f'<t:{action}><t:FieldURI FieldURI="item:Body"/>{value}</t:{action}>'
        exchange.post(update(ident, exchange.change_key(ident), request))
        return str(exchange.text(exchange.get(ident, "item:Body"), "Body"))

    assert body("SetItemField", "new") == "new"
    assert body("AppendToItemField", " more") == "new more"
    assert body("DeleteItemField", "") == ""


def test_entries_of_a_contact_are_set_and_deleted_one_by_one(exchange: Any) -> None:
    ident = exchange.create("<t:Contact><t:GivenName>g</t:GivenName></t:Contact>", "contacts")
    path = '<t:IndexedFieldURI FieldURI="contacts:{}" FieldIndex="{}"/>'
    mail = (
        f"<t:SetItemField>{path.format('EmailAddress', 'EmailAddress1')}<t:Contact><t:EmailAddresses>"
        '<t:Entry Key="EmailAddress1">x@example.org</t:Entry></t:EmailAddresses></t:Contact></t:SetItemField>'
    )
    street = (
        f"<t:SetItemField>{path.format('PhysicalAddress:Street', 'Home')}<t:Contact><t:PhysicalAddresses>"
        '<t:Entry Key="Home"><t:Street>s 1</t:Street></t:Entry></t:PhysicalAddresses></t:Contact></t:SetItemField>'
    )
    exchange.post(update(ident, exchange.change_key(ident), mail + street))
    item = exchange.get(ident, "contacts:GivenName", extended=path.format("EmailAddress", "EmailAddress1"))
    assert exchange.text(item, "Entry") == "x@example.org"
    gone = f"<t:DeleteItemField>{path.format('EmailAddress', 'EmailAddress1')}</t:DeleteItemField>"
    exchange.post(update(ident, exchange.change_key(ident), gone))
    item = exchange.get(ident, extended=path.format("PhysicalAddress:Street", "Home"))
    assert exchange.text(item, "Street") == "s 1"


def test_the_mime_of_a_message_can_be_replaced(exchange: Any) -> None:
    ident = exchange.message(MIME)
    mime = base64.b64encode(b"Subject: other\r\n\r\nnew").decode()
    change = (
        '<t:SetItemField><t:FieldURI FieldURI="item:MimeContent"/><t:Message>'
        f"<t:MimeContent>{mime}</t:MimeContent></t:Message></t:SetItemField>"
    )
    exchange.post(update(ident, exchange.change_key(ident), change))
    assert exchange.text(exchange.get(ident, "item:Subject"), "Subject") == "other"
    assert exchange.mime(ident).endswith(b"\r\n\r\nnew")
