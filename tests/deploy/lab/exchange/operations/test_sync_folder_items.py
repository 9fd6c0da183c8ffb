from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def delete(exchange: Any, *idents: str) -> None:
    exchange.post(
        f'<m:DeleteItem DeleteType="HardDelete"><m:ItemIds>{exchange.ids(list(idents))}</m:ItemIds></m:DeleteItem>'
    )


def mark(exchange: Any, ident: str, *, read: bool) -> None:
    value = f"<t:Message><t:IsRead>{str(read).lower()}</t:IsRead></t:Message>"
    exchange.post(
        '<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{ident}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="message:IsRead"/>{value}'
        "</t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )


def edit(exchange: Any, ident: str) -> None:
    value = "<t:Message><t:Subject>e</t:Subject></t:Message>"
    exchange.post(
        '<m:UpdateItem ConflictResolution="AlwaysOverwrite" MessageDisposition="SaveOnly"><m:ItemChanges><t:ItemChange>'
        f'<t:ItemId Id="{ident}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Subject"/>{value}'
        "</t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"
    )


@pytest.mark.parametrize("version", ["2010_SP1", "2019"])
@pytest.mark.parametrize("page", [1, 2, 3, 512])
def test_the_first_pass_names_every_item_once_whatever_the_page(build: Any, version: str, page: int) -> None:
    exchange = build(version)
    idents = [exchange.message(MIME) for _ in range(5)]
    found, state = exchange.changes("inbox", "", page)
    assert [kind for kind, _ in found] == ["Create"] * 5
    expected = idents if version == "2010_SP1" else idents[::-1]
    assert [ident for _, ident in found] == expected
    assert exchange.changes("inbox", state, page)[0] == []


@pytest.mark.parametrize("page", [1, 2, 512])
def test_a_later_pass_names_each_kind_of_change(exchange: Any, page: int) -> None:
    read, edited, deleted, both = (exchange.message(MIME, flags=0) for _ in range(4))
    state = exchange.changes("inbox")[1]
    mark(exchange, read, read=True)
    edit(exchange, edited)
    delete(exchange, deleted)
    edit(exchange, both)
    mark(exchange, both, read=True)
    new = exchange.message(MIME)
    found, state = exchange.changes("inbox", state, page)
    assert sorted(found) == sorted(
        [("ReadFlagChange", read), ("Update", edited), ("Delete", deleted), ("Update", both), ("Create", new)]
    )
    assert exchange.changes("inbox", state, page)[0] == []


def test_what_came_and_went_between_two_passes_is_not_named(exchange: Any) -> None:
    state = exchange.changes("inbox")[1]
    delete(exchange, exchange.message(MIME))
    assert exchange.changes("inbox", state)[0] == []


def test_replaying_an_old_state_sends_everything_after_it_again(exchange: Any) -> None:
    state = exchange.changes("inbox")[1]
    ident = exchange.message(MIME)
    first, later = exchange.changes("inbox", state)
    assert exchange.changes("inbox", state)[0] == first == [("Create", ident)]
    assert exchange.changes("inbox", later)[0] == []


def test_changes_during_a_paged_pass_are_neither_lost_nor_made_up(exchange: Any) -> None:
    idents = [exchange.message(MIME) for _ in range(6)]
    message, state = exchange.sync("inbox", "", 2)
    seen = [node.get("Id") for node in message.iter(f"{T}ItemId")]
    assert seen == [idents[5], idents[4]]
    edit(exchange, idents[0])
    delete(exchange, idents[1], idents[5])
    new = exchange.message(MIME)
    found, state = exchange.changes("inbox", state, 2)
    assert [change for change in found if change[0] == "Create"] == [("Create", idents[at]) for at in (3, 2, 0)]
    after = exchange.changes("inbox", state, 2)[0]
    assert set(after) == {("Create", new), ("Update", idents[0]), ("Delete", idents[1]), ("Delete", idents[5])}


def test_a_state_belongs_to_one_folder_of_one_server(build: Any) -> None:
    exchange, other = build(), build()
    state = exchange.changes("inbox")[1]
    for server, folder, held in (
        (exchange, "drafts", state),
        (other, "inbox", state),
        (exchange, "inbox", state[:-4] + "AAA="),
        (exchange, "inbox", "garbage"),
    ):
        message, _ = server.sync(folder, held)
        assert message.findtext(f"{M}ResponseCode") == "ErrorInvalidSyncStateData"


def test_invalidated_states_are_refused_and_fresh_ones_work(exchange: Any) -> None:
    state = exchange.changes("inbox")[1]
    exchange.raw("POST", "/lab/sync-states/invalidate", b"")
    message, _ = exchange.sync("inbox", state)
    assert message.findtext(f"{M}ResponseCode") == "ErrorInvalidSyncStateData"
    assert exchange.changes("inbox", exchange.changes("inbox")[1])[0] == []


def test_ignored_items_are_not_named_unless_the_server_ignores_the_list(build: Any) -> None:
    for honoured in (True, False):
        exchange = build(ignore_list_honoured=honoured)
        ident = exchange.message(MIME)
        answer = exchange.post(
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
            '<m:SyncFolderId><t:DistinguishedFolderId Id="inbox"/></m:SyncFolderId>'
            f"<m:Ignore>{exchange.ids([ident])}</m:Ignore>"
            "<m:MaxChangesReturned>10</m:MaxChangesReturned></m:SyncFolderItems>"
        )
        assert len(list(answer.iter(f"{T}Create"))) == (0 if honoured else 1)


def test_properties_are_answered_beside_the_id(exchange: Any) -> None:
    exchange.message(MIME)
    shape = (
        '<t:AdditionalProperties><t:FieldURI FieldURI="item:Subject"/>'
        '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/></t:AdditionalProperties>'
    )
    message, _ = exchange.sync("inbox", shape=shape)
    assert exchange.text(message, "Subject") == "x"
    assert exchange.text(message, "Value")


def test_a_page_holds_1_to_512_changes(exchange: Any) -> None:
    for size in ("0", "513", "x"):
        status, answer = exchange.send(
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
            '<m:SyncFolderId><t:DistinguishedFolderId Id="inbox"/></m:SyncFolderId>'
            f"<m:MaxChangesReturned>{size}</m:MaxChangesReturned></m:SyncFolderItems>"
        )
        assert status == 200
        assert exchange.text(answer, "ResponseCode") == "ErrorSchemaValidation"
