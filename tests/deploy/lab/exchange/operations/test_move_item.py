from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def move(idents: list[str], target: str, extra: str = "") -> str:
    ids = "".join(f'<t:ItemId Id="{ident}"/>' for ident in idents)
    return (
        f'<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="{target}"/></m:ToFolderId>'
        f"<m:ItemIds>{ids}</m:ItemIds>{extra}</m:MoveItem>"
    )


KEY = '<t:ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>'


@pytest.mark.parametrize("atomic", [True, False])
def test_a_moved_item_has_a_new_id_the_old_search_key_and_lives_in_one_place(build: Any, *, atomic: bool) -> None:
    exchange = build(move_atomic=atomic)
    ident = exchange.message(MIME)
    key = exchange.text(exchange.get(ident, extended=KEY), "Value")
    answer = exchange.post(move([ident], "junkemail"))
    new = next(answer.iter(f"{T}ItemId")).get("Id")
    assert new != ident
    assert exchange.codes(exchange.get_request([ident])) == ["ErrorItemNotFound"]
    assert exchange.text(exchange.get(new, extended=KEY), "Value") == key
    assert exchange.changes("junkemail")[0] == [("Create", new)]


def test_a_move_is_a_deletion_here_and_a_creation_there(exchange: Any) -> None:
    ident = exchange.message(MIME)
    state = exchange.changes("inbox")[1]
    answer = exchange.post(move([ident], "junkemail"))
    assert exchange.changes("inbox", state)[0] == [("Delete", ident)]
    assert exchange.changes("junkemail")[0] == [("Create", next(answer.iter(f"{T}ItemId")).get("Id"))]


def test_moving_again_by_the_dead_id_moves_nothing(exchange: Any) -> None:
    ident = exchange.message(MIME)
    assert exchange.codes(move([ident], "junkemail")) == ["NoError"]
    assert exchange.codes(move([ident], "drafts")) == ["ErrorItemNotFound"]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_move_keeps_the_modified_time_by_switch(build: Any, *, keeps: bool) -> None:
    exchange = build(move_keeps_modified_time=keeps)
    ident = exchange.message(MIME)
    item = exchange.server.items.find(exchange.server.identity.item_reference(ident).number)
    exchange.server.store.clock = lambda: 4_000_000_000.0
    answer = exchange.post(move([ident], "junkemail"))
    new = next(answer.iter(f"{T}ItemId")).get("Id")
    shown = exchange.text(exchange.get(new, "item:LastModifiedTime"), "LastModifiedTime")
    assert (shown == item.modified) is keeps


def test_ids_are_not_answered_across_mailboxes_or_when_unwanted(exchange: Any) -> None:
    first, second = exchange.message(MIME), exchange.message(MIME)
    quiet = exchange.post(move([first], "junkemail", "<m:ReturnNewItemIds>false</m:ReturnNewItemIds>"))
    assert list(quiet.iter(f"{T}ItemId")) == []
    away = f'<t:FolderId Id="{exchange.folder("inbox", "b@example.com")}"/>'
    request = move([second], "X").replace('<t:DistinguishedFolderId Id="X"/>', away)
    assert list(exchange.post(request).iter(f"{T}ItemId")) == []
    assert len(exchange.server.items.select("WHERE mailbox = ?", (2,))) == 1


def test_a_missing_target_answers_to_folder_not_found(exchange: Any) -> None:
    assert exchange.codes(move([exchange.message(MIME)], "archiveroot")) == ["ErrorToFolderNotFound"]
