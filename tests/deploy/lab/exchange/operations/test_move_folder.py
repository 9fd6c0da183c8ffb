from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def create(exchange: Any, name: str, parent: str) -> str:
    answer = exchange.post(
        f"<m:CreateFolder><m:ParentFolderId>{parent}</m:ParentFolderId>"
        f"<m:Folders><t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
    )
    return f'<t:FolderId Id="{next(answer.iter(f"{T}FolderId")).get("Id")}"/>'


INBOX = '<t:DistinguishedFolderId Id="inbox"/>'
DRAFTS = '<t:DistinguishedFolderId Id="drafts"/>'


def move(folder: str, target: str) -> str:
    return f"<m:MoveFolder><m:ToFolderId>{target}</m:ToFolderId><m:FolderIds>{folder}</m:FolderIds></m:MoveFolder>"


def test_a_moved_folder_keeps_its_id_and_its_items(exchange: Any) -> None:
    folder = create(exchange, "f", INBOX)
    ident = folder.split('"')[1]
    item = exchange.message(MIME, ident)
    answer = exchange.post(move(folder, DRAFTS))
    assert next(answer.iter(f"{T}FolderId")).get("Id") == ident
    assert exchange.changes(ident)[0] == [("Create", item)]


def test_distinguished_folders_rings_and_taken_names_are_refused(exchange: Any) -> None:
    outer = create(exchange, "f", INBOX)
    inner = create(exchange, "g", outer)
    create(exchange, "f", DRAFTS)
    assert exchange.codes(move(INBOX, DRAFTS)) == ["ErrorMoveDistinguishedFolder"]
    assert exchange.codes(move(outer, inner)) == ["ErrorMoveCopyFailed"]
    assert exchange.codes(move(outer, DRAFTS)) == ["ErrorFolderExists"]
