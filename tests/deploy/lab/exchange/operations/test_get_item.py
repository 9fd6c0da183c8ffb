from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
MIME = b"From: Jane <jane@example.org>\r\nTo: a@example.com\r\nSubject: =?utf-8?q?r=C3=A9sum=C3=A9?=\r\n\r\nbody\r\n"


def test_properties_of_mime_are_answered_as_elements(exchange: Any) -> None:
    ident = exchange.message(MIME)
    item = exchange.get(ident, "item:Subject", "message:From", "message:ToRecipients", "item:Body", "message:IsRead")
    assert item.findtext(f"{T}Subject") == "résumé"
    assert item.findtext(f"{T}From/{T}Mailbox/{T}EmailAddress") == "jane@example.org"
    assert item.findtext(f"{T}ToRecipients/{T}Mailbox/{T}EmailAddress") == "a@example.com"
    assert (item.findtext(f"{T}Body") or "").strip() == "body"
    assert item.findtext(f"{T}IsRead") == "true"


def test_a_dead_id_answers_item_not_found_beside_living_ones(exchange: Any) -> None:
    first, second = exchange.message(MIME), exchange.message(MIME)
    exchange.post(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{exchange.ids([first])}</m:ItemIds></m:DeleteItem>'
    )
    assert exchange.codes(exchange.get_request([first, second])) == ["ErrorItemNotFound", "NoError"]


def test_a_malformed_id_and_a_folder_id_are_told_apart(exchange: Any) -> None:
    request = exchange.get_request(["nonsense", exchange.folder("inbox")])
    assert exchange.codes(request) == ["ErrorInvalidIdMalformed", "ErrorCannotUseFolderIdForItemId"]


def test_every_property_at_once_is_valid_for_every_kind(exchange: Any) -> None:
    idents = [
        exchange.message(MIME),
        exchange.create(
            "<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass><t:Subject>n</t:Subject></t:Message>", "notes"
        ),
        exchange.create("<t:Message><t:ItemClass>IPM.Custom.Thing</t:ItemClass></t:Message>"),
        exchange.create("<t:PostItem><t:Subject>p</t:Subject></t:PostItem>"),
        exchange.create("<t:Task><t:Subject>t</t:Subject><t:Status>NotStarted</t:Status></t:Task>", "tasks"),
        exchange.create("<t:DistributionList><t:DisplayName>l</t:DisplayName></t:DistributionList>", "contacts"),
        exchange.create("<t:Contact><t:GivenName>g</t:GivenName></t:Contact>", "contacts"),
        exchange.create(
            "<t:CalendarItem><t:Start>2026-01-01T10:00:00Z</t:Start><t:End>2026-01-01T11:00:00Z</t:End></t:CalendarItem>",
            "calendar",
        ),
    ]
    answer = exchange.post(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape>"
        "<t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape>"
        f"<m:ItemIds>{exchange.ids(idents)}</m:ItemIds></m:GetItem>"
    )
    kinds = [str(node.getparent().tag).removeprefix(T) for node in answer.iter(f"{T}ItemId")]
    assert kinds == ["Message", "Message", "Message", "PostItem", "Task", "DistributionList", "Contact", "CalendarItem"]


def test_search_key_and_flags_are_extended_properties(exchange: Any) -> None:
    uris = "".join(
        f'<t:ExtendedFieldURI PropertyTag="{tag}" PropertyType="{kind}"/>'
        for tag, kind in (("0x300B", "Binary"), ("0x0E07", "Integer"), ("0x65E0", "Binary"), ("0x3008", "SystemTime"))
    )
    item = exchange.get(exchange.message(MIME), extended=uris)
    values = {node[0].get("PropertyTag"): node.findtext(f"{T}Value") for node in item.iter(f"{T}ExtendedProperty")}
    assert values["0xe07"] == "1"
    assert len(values["0x300b"]) == 24
    assert set(values) == {"0xe07", "0x300b", "0x65e0", "0x3008"}


def test_mime_is_rendered_anew_at_every_fetch(exchange: Any) -> None:
    mime = MIME.replace(
        b"\r\n\r\nbody", b'\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n\r\nbody\r\n--x--'
    )
    ident = exchange.message(mime)
    assert exchange.mime(ident) != exchange.mime(ident)


def test_an_item_of_another_mailbox_is_refused_under_impersonation(exchange: Any) -> None:
    ident = exchange.message(MIME)
    assert exchange.codes(exchange.get_request([ident]), mailbox="b@example.com") == ["ErrorAccessDenied"]
