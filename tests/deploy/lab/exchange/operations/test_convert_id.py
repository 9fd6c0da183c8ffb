from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def convert(ident: str, source: str, destination: str) -> str:
    return (
        f'<m:ConvertId DestinationFormat="{destination}"><m:SourceIds>'
        f'<t:AlternateId Format="{source}" Id="{ident}" Mailbox="a@example.com"/></m:SourceIds></m:ConvertId>'
    )


@pytest.mark.parametrize("form", ["HexEntryId", "EntryId", "StoreId", "OwaId", "EwsLegacyId"])
def test_an_id_comes_back_from_every_form(exchange: Any, form: str) -> None:
    for ident in (exchange.message(MIME), exchange.folder("inbox")):
        there = next(exchange.post(convert(ident, "EwsId", form)).iter(f"{M}AlternateId")).get("Id")
        back = next(exchange.post(convert(there, form, "EwsId")).iter(f"{M}AlternateId")).get("Id")
        assert back == ident


def test_what_is_no_id_is_refused(exchange: Any) -> None:
    assert exchange.codes(convert("AAAA", "EwsId", "HexEntryId")) == ["ErrorInvalidIdMalformed"]
    assert exchange.codes(convert("xyz", "HexEntryId", "EwsId")) == ["ErrorInvalidIdMalformed"]
