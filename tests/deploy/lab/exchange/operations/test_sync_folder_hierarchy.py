from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def sync(exchange: Any, state: str = "", root: str = "msgfolderroot") -> tuple[list[tuple[str, str]], str]:
    held = f"<m:SyncState>{state}</m:SyncState>" if state else ""
    answer = exchange.post(
        "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
        f'<m:SyncFolderId><t:DistinguishedFolderId Id="{root}"/></m:SyncFolderId>{held}</m:SyncFolderHierarchy>'
    )
    changes = [
        (str(change.tag).removeprefix(T), next(change.iter(f"{T}FolderId")).get("Id"))
        for change in next(answer.iter(f"{M}Changes"))
    ]
    return changes, str(exchange.text(answer, "SyncState"))


def create(exchange: Any, name: str, parent: str = "inbox") -> str:
    answer = exchange.post(
        f'<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="{parent}"/></m:ParentFolderId>'
        f"<m:Folders><t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
    )
    return str(next(answer.iter(f"{T}FolderId")).get("Id"))


def test_every_folder_is_named_once_parents_first(exchange: Any) -> None:
    child = create(exchange, "child")
    changes, state = sync(exchange)
    assert {kind for kind, _ in changes} == {"Create"}
    idents = [ident for _, ident in changes]
    assert idents.index(exchange.folder("inbox")) < idents.index(child)
    assert len(set(idents)) == len(idents)
    assert sync(exchange, state)[0] == []


def test_renames_moves_and_deletions_are_changes_and_counts_are_not(exchange: Any) -> None:
    renamed, moved, deleted = (create(exchange, name) for name in "abc")
    state = sync(exchange)[1]
    exchange.message(MIME)
    assert sync(exchange, state)[0] == []
    update = (
        '<t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>z</t:DisplayName>'
        "</t:Folder></t:SetFolderField>"
    )
    exchange.post(
        f'<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:FolderId Id="{renamed}"/><t:Updates>{update}</t:Updates>'
        "</t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
    exchange.post(
        '<m:MoveFolder><m:ToFolderId><t:DistinguishedFolderId Id="root"/></m:ToFolderId>'
        f'<m:FolderIds><t:FolderId Id="{moved}"/></m:FolderIds></m:MoveFolder>'
    )
    exchange.post(
        '<m:DeleteFolder DeleteType="HardDelete"><m:FolderIds>'
        f'<t:FolderId Id="{deleted}"/></m:FolderIds></m:DeleteFolder>'
    )
    assert sorted(sync(exchange, state)[0]) == sorted([("Update", renamed), ("Delete", moved), ("Delete", deleted)])


def test_a_state_of_items_is_no_state_of_folders(exchange: Any) -> None:
    state = exchange.changes("inbox")[1]
    answer = exchange.post(
        "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        f"<m:SyncState>{state}</m:SyncState></m:SyncFolderHierarchy>"
    )
    assert exchange.text(answer, "ResponseCode") == "ErrorInvalidSyncStateData"
