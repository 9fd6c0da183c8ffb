from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


@pytest.mark.parametrize("below", [True, False])
def test_emptying_takes_the_folders_below_only_where_asked(exchange: Any, *, below: bool) -> None:
    answer = exchange.post(
        '<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="inbox"/></m:ParentFolderId>'
        "<m:Folders><t:Folder><t:DisplayName>f</t:DisplayName></t:Folder></m:Folders></m:CreateFolder>"
    )
    ident = next(answer.iter(f"{T}FolderId")).get("Id")
    inner = exchange.message(MIME, ident)
    exchange.message(MIME)
    state = exchange.changes("inbox")[1]
    exchange.post(
        f'<m:EmptyFolder DeleteType="HardDelete" DeleteSubFolders="{str(below).lower()}"><m:FolderIds>'
        '<t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:EmptyFolder>'
    )
    assert [kind for kind, _ in exchange.changes("inbox", state)[0]] == ["Delete"]
    assert exchange.codes(exchange.get_request([inner])) == ["ErrorItemNotFound" if below else "NoError"]
