from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"

KEY = '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'


def test_a_copy_has_its_own_id_and_shares_the_search_key(exchange: Any) -> None:
    ident = exchange.message(MIME)
    answer = exchange.post(
        '<m:CopyItem><m:ToFolderId><t:DistinguishedFolderId Id="junkemail"/></m:ToFolderId>'
        f"<m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:CopyItem>"
    )
    copy = next(answer.iter(f"{T}ItemId")).get("Id")
    assert copy != ident
    keys = [exchange.text(exchange.get(one, extended=KEY), "Value") for one in (ident, copy)]
    assert keys[0] == keys[1]
    assert exchange.mime(copy) == exchange.mime(ident)
