from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def create(exchange: Any, name: str = "f", parent: str = '<t:DistinguishedFolderId Id="inbox"/>') -> str:
    answer = exchange.post(
        f"<m:CreateFolder><m:ParentFolderId>{parent}</m:ParentFolderId>"
        f"<m:Folders><t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
    )
    return str(next(answer.iter(f"{T}FolderId")).get("Id"))


def delete(ident: str, kind: str = "HardDelete") -> str:
    folder = f'<t:FolderId Id="{ident}"/>' if not ident.islower() else f'<t:DistinguishedFolderId Id="{ident}"/>'
    return f'<m:DeleteFolder DeleteType="{kind}"><m:FolderIds>{folder}</m:FolderIds></m:DeleteFolder>'


def test_a_deleted_folder_goes_with_everything_below_it(exchange: Any) -> None:
    outer = create(exchange)
    inner = create(exchange, "g", f'<t:FolderId Id="{outer}"/>')
    item = exchange.message(MIME, inner)
    assert exchange.codes(delete(outer)) == ["NoError"]
    assert exchange.codes(exchange.get_request([item])) == ["ErrorItemNotFound"]
    assert exchange.codes(delete(inner)) == ["ErrorFolderNotFound"]


def test_a_soft_deletion_keeps_the_items_recoverable(exchange: Any) -> None:
    outer = create(exchange)
    exchange.message(MIME, outer)
    exchange.post(delete(outer, "SoftDelete"))
    assert len(exchange.changes("recoverableitemsdeletions")[0]) == 1


def test_a_discarded_folder_lives_in_deleted_items_beside_its_namesake(exchange: Any) -> None:
    for _ in range(2):
        assert exchange.codes(delete(create(exchange), "MoveToDeletedItems")) == ["NoError"]
    mailbox = exchange.server.folders.mailboxes["a@example.com"]
    children = mailbox.children[mailbox.distinguished["deleteditems"].number]
    assert sorted(folder.name for folder in children.values()) == ["f", "f (1)"]


def test_distinguished_folders_are_never_deleted(exchange: Any) -> None:
    assert exchange.codes(delete("inbox")) == ["ErrorDeleteDistinguishedFolder"]


@pytest.mark.parametrize(("strict", "code"), [(True, "ErrorCannotDeleteObject"), (False, "NoError")])
def test_content_holds_a_folder_by_switch(build: Any, *, strict: bool, code: str) -> None:
    exchange = build(delete_folder_requires_empty=strict)
    folder = create(exchange)
    exchange.message(MIME, folder)
    assert exchange.codes(delete(folder)) == [code]


@pytest.mark.parametrize("reachable", [True, False])
def test_a_softly_deleted_folder_stays_reachable_by_its_id_by_switch_and_is_in_no_tree(
    build: Any, *, reachable: bool
) -> None:
    exchange = build(soft_deleted_folder_reachable=reachable)
    folder = create(exchange)
    assert exchange.codes(delete(folder, "SoftDelete")) == ["NoError"]
    shape = "<m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    by_id = f'<m:GetFolder>{shape}<m:FolderIds><t:FolderId Id="{folder}"/></m:FolderIds></m:GetFolder>'
    assert exchange.codes(by_id) == ["NoError" if reachable else "ErrorFolderNotFound"]
    tree = exchange.post(
        f'<m:FindFolder Traversal="Deep">{shape}<m:ParentFolderIds><t:DistinguishedFolderId Id="msgfolderroot"/>'
        "</m:ParentFolderIds></m:FindFolder>"
    )
    assert folder not in {element.get("Id") for element in tree.iter(f"{T}FolderId")}
