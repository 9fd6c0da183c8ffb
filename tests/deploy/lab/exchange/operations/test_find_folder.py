from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def find(traversal: str = "Deep", restriction: str = "", view: str = "", root: str = "root") -> str:
    held = f"<m:Restriction>{restriction}</m:Restriction>" if restriction else ""
    return (
        f'<m:FindFolder Traversal="{traversal}"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>'
        f"{view}{held}"
        f'<m:ParentFolderIds><t:DistinguishedFolderId Id="{root}"/></m:ParentFolderIds></m:FindFolder>'
    )


def names(answer: Any) -> list[str]:
    return [node.text for node in answer.iter(f"{T}DisplayName")]


def test_deep_reaches_everything_and_shallow_the_children(exchange: Any) -> None:
    deep, shallow = names(exchange.post(find())), names(exchange.post(find("Shallow")))
    assert "Inbox" in deep
    assert "Inbox" not in shallow
    assert set(shallow) < set(deep)


def test_a_restriction_selects_by_name(exchange: Any) -> None:
    condition = (
        '<t:IsEqualTo><t:FieldURI FieldURI="folder:DisplayName"/><t:FieldURIOrConstant>'
        '<t:Constant Value="drafts"/></t:FieldURIOrConstant></t:IsEqualTo>'
    )
    assert names(exchange.post(find(restriction=condition))) == ["Drafts"]


def test_pages_cover_everything_once(exchange: Any) -> None:
    found, offset, last = [], 0, "false"
    while last == "false":
        view = f'<m:IndexedPageFolderView MaxEntriesReturned="4" Offset="{offset}" BasePoint="Beginning"/>'
        answer = exchange.post(find(view=view))
        found += names(answer)
        root = next(answer.iter(f"{M}RootFolder"))
        offset, last = int(root.get("IndexedPagingOffset")), root.get("IncludesLastItemInRange")
    assert found == names(exchange.post(find()))
