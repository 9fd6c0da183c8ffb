from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


PROBE = "".join(
    f'<t:ExtendedFieldURI PropertyTag="{tag}" PropertyType="{kind}"/>'
    for tag, kind in (("0x670A", "SystemTime"), ("0x670B", "Integer"), ("0x3602", "Integer"))
)


def get(names: list[str], base: str = "IdOnly", extra: str = "") -> str:
    wanted = f"<t:AdditionalProperties>{extra}</t:AdditionalProperties>" if extra else ""
    idents = "".join(f'<t:DistinguishedFolderId Id="{name}"/>' for name in names)
    return (
        f"<m:GetFolder><m:FolderShape><t:BaseShape>{base}</t:BaseShape>{wanted}</m:FolderShape>"
        f"<m:FolderIds>{idents}</m:FolderIds></m:GetFolder>"
    )


def probe(exchange: Any) -> list[str]:
    return [node.text for node in exchange.post(get(["inbox"], extra=PROBE)).iter(f"{T}Value")]


def test_every_change_of_the_contents_moves_the_probes(exchange: Any) -> None:
    moments = iter(range(4_000_000_000, 4_100_000_000))
    exchange.server.store.clock = lambda: float(next(moments))
    before = probe(exchange)
    ident = exchange.message(MIME)
    created = probe(exchange)
    assert created[0] > before[0]
    value = "<t:Message><t:IsRead>false</t:IsRead></t:Message>"
    exchange.post(
        '<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{ident}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="message:IsRead"/>{value}'
        "</t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )
    marked = probe(exchange)
    assert marked[0] > created[0]
    exchange.post(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:DeleteItem>'
    )
    deleted = probe(exchange)
    assert deleted[0] > marked[0]
    assert (created[1], deleted[1]) == ("0", "1")
    assert (created[2], deleted[2]) == ("1", "0")


def test_the_probes_of_an_untouched_folder_stay(exchange: Any) -> None:
    before = probe(exchange)
    exchange.message(MIME, "drafts")
    assert probe(exchange) == before


@pytest.mark.parametrize(("version", "shown"), [("2010_SP1", False), ("2013", True), ("2019", True)])
def test_the_distinguished_id_is_answered_from_2013_on(build: Any, version: str, *, shown: bool) -> None:
    exchange = build(version)
    answer = exchange.post(get(["inbox"], "AllProperties"))
    assert (exchange.text(answer, "DistinguishedFolderId") == "inbox") is shown
    uri = '<t:FieldURI FieldURI="folder:DistinguishedFolderId"/>'
    if not shown:
        assert exchange.fault(get(["inbox"], extra=uri)) == "ErrorSchemaValidation"


def test_every_distinguished_folder_is_shown_with_all_properties(exchange: Any) -> None:
    names = list(exchange.server.folders.mailboxes["a@example.com"].distinguished)
    assert exchange.codes(get(names, "AllProperties", PROBE)) == ["NoError"] * len(names)
    assert exchange.codes(get(["archiveroot"])) == ["ErrorFolderNotFound"]
