import base64
from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


STAMP = (
    '<t:ExtendedFieldURI PropertySetId="c0ffee00-1111-2222-3333-444455556666" PropertyName="s" PropertyType="String"/>'
)
KEY = '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'


def exported(exchange: Any, ident: str) -> str:
    answer = exchange.post(f"<m:ExportItems><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:ExportItems>")
    return str(next(answer.iter(f"{M}Data")).text)


def upload(exchange: Any, data: str, action: str = "CreateNew", ident: str = "", folder: str = "junkemail") -> str:
    held = f'<t:ItemId Id="{ident}"/>' if ident else ""
    return (
        f'<m:UploadItems><m:Items><t:Item CreateAction="{action}"><t:ParentFolderId Id="{exchange.folder(folder)}"/>'
        f"{held}<t:Data>{data}</t:Data></t:Item></m:Items></m:UploadItems>"
    )


def uploaded(exchange: Any, request: str) -> str:
    return str(next(exchange.post(request).iter(f"{M}ItemId")).get("Id"))


def stamped(value: str) -> str:
    return f"<t:ExtendedProperty>{STAMP}<t:Value>{value}</t:Value></t:ExtendedProperty>"


def test_an_upload_carries_marks_dates_and_content(build: Any) -> None:
    source, target = build("2013"), build("2019")
    extra = (
        '<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="0x0E06" PropertyType="SystemTime"/>'
        "<t:Value>2020-02-03T04:05:06Z</t:Value></t:ExtendedProperty>"
    )
    marks = "<t:Categories><t:String>red</t:String></t:Categories><t:Importance>High</t:Importance>"
    inner = extra + "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>"
    mime = base64.b64encode(MIME).decode()
    ident = source.create(f"<t:Message><t:MimeContent>{mime}</t:MimeContent>{marks}{inner}</t:Message>")
    new = uploaded(target, upload(target, exported(source, ident)))
    uris = (
        "item:Categories",
        "item:Importance",
        "item:Flag",
        "item:DateTimeReceived",
        "message:IsRead",
        "item:IsDraft",
    )
    before, after = source.get(ident, *uris), target.get(new, *uris)
    for name in ("String", "Importance", "FlagStatus", "DateTimeReceived", "IsRead", "IsDraft"):
        assert target.text(after, name) == source.text(before, name)
        assert source.text(before, name) is not None
    assert target.mime(new).endswith(b"body\r\n")


def test_a_newer_generation_is_refused_and_an_older_one_is_taken(build: Any) -> None:
    old, new = build("2010_SP1"), build("2013")
    from_new, from_old = exported(new, new.message(MIME)), exported(old, old.message(MIME))
    assert old.codes(upload(old, from_new)) == ["ErrorCorruptData"]
    assert new.codes(upload(new, from_old)) == ["NoError"]


def test_a_truncated_stream_is_refused(exchange: Any) -> None:
    stream = base64.b64decode(exported(exchange, exchange.message(MIME)))
    cut = base64.b64encode(stream[: len(stream) // 2] + b"=== Truncated Data ===").decode()
    assert exchange.codes(upload(exchange, cut)) == ["ErrorCorruptData"]
    assert exchange.codes(upload(exchange, base64.b64encode(b"x").decode())) == ["ErrorCorruptData"]


@pytest.mark.parametrize("keeps", [True, False])
def test_an_upload_keeps_the_search_key_by_switch(build: Any, *, keeps: bool) -> None:
    exchange = build(upload_keeps_search_key=keeps)
    ident = exchange.message(MIME)
    new = uploaded(exchange, upload(exchange, exported(exchange, ident)))
    keys = [exchange.text(exchange.get(one, extended=KEY), "Value") for one in (ident, new)]
    assert (keys[0] == keys[1]) is keeps


@pytest.mark.parametrize("keeps", [True, False])
def test_named_properties_travel_in_streams_by_switch(build: Any, *, keeps: bool) -> None:
    exchange = build(export_keeps_named_properties=keeps)
    ident = exchange.message(MIME, extra=stamped("abc"))
    new = uploaded(exchange, upload(exchange, exported(exchange, ident)))
    assert exchange.text(exchange.get(new, extended=STAMP), "Value") == ("abc" if keeps else None)


@pytest.mark.parametrize("keeps", [True, False])
def test_an_update_replaces_the_item_and_its_named_properties_by_switch(build: Any, *, keeps: bool) -> None:
    exchange = build(upload_update_keeps_named_properties=keeps)
    data = exported(exchange, exchange.message(MIME.replace(b"Subject: x", b"Subject: other")))
    held = exchange.message(MIME, "junkemail", stamped("mine"))
    assert uploaded(exchange, upload(exchange, data, "Update", held)) == held
    item = exchange.get(held, "item:Subject", extended=STAMP)
    assert exchange.text(item, "Subject") == "other"
    assert exchange.text(item, "Value") == ("mine" if keeps else None)


def test_an_update_of_what_is_gone_is_refused_and_update_or_create_creates(exchange: Any) -> None:
    ident = exchange.message(MIME)
    data = exported(exchange, ident)
    exchange.post(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:DeleteItem>'
    )
    assert exchange.codes(upload(exchange, data, "Update", ident)) == ["ErrorItemNotFound"]
    assert uploaded(exchange, upload(exchange, data, "UpdateOrCreate", ident)) != ident
