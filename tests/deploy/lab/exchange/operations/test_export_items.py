import base64
from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def export(exchange: Any, ident: str) -> bytes:
    answer = exchange.post(f"<m:ExportItems><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:ExportItems>")
    return base64.b64decode(next(answer.iter(f"{M}Data")).text or "")


def test_two_exports_of_one_item_differ(exchange: Any) -> None:
    ident = exchange.message(MIME)
    assert export(exchange, ident) != export(exchange, ident)


def test_a_dead_id_answers_item_not_found(exchange: Any) -> None:
    ident = exchange.message(MIME)
    exchange.post(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:DeleteItem>'
    )
    request = f"<m:ExportItems><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:ExportItems>"
    assert exchange.codes(request) == ["ErrorItemNotFound"]
