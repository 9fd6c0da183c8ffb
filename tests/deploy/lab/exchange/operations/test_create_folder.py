from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def create(name: str, kind: str = "Folder", parent: str = "inbox", extra: str = "") -> str:
    return (
        f'<m:CreateFolder><m:ParentFolderId><t:DistinguishedFolderId Id="{parent}"/></m:ParentFolderId>'
        f"<m:Folders><t:{kind}>{extra}<t:DisplayName>{name}</t:DisplayName></t:{kind}></m:Folders></m:CreateFolder>"
    )


def test_a_name_that_exists_there_is_refused_whatever_its_case(exchange: Any) -> None:
    assert exchange.codes(create("Sub")) == ["NoError"]
    assert exchange.codes(create("sUB")) == ["ErrorFolderExists"]
    assert exchange.codes(create("Sub", parent="drafts")) == ["NoError"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Folder", "IPF.Note"),
        ("CalendarFolder", "IPF.Appointment"),
        ("ContactsFolder", "IPF.Contact"),
        ("TasksFolder", "IPF.Task"),
    ],
)
def test_the_kind_of_the_element_gives_the_class(exchange: Any, kind: str, expected: str) -> None:
    answer = exchange.post(create("f", kind))
    ident = next(answer.iter(f"{T}FolderId")).get("Id")
    shown = exchange.post(
        "<m:GetFolder><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape>"
        f'<m:FolderIds><t:FolderId Id="{ident}"/></m:FolderIds></m:GetFolder>'
    )
    assert next(shown.iter(f"{T}{kind}")).findtext(f"{T}FolderClass") == expected


def test_a_folder_class_of_its_own_wins(exchange: Any) -> None:
    ident = next(
        exchange.post(create("f", extra="<t:FolderClass>IPF.Note.Custom</t:FolderClass>")).iter(f"{T}FolderId")
    ).get("Id")
    reference = exchange.server.identity.folder_reference(ident)
    assert exchange.server.folders.find(reference)[1].folder_class == "IPF.Note.Custom"


def test_a_missing_parent_is_told(exchange: Any) -> None:
    assert exchange.codes(create("f", parent="archiveroot")) == ["ErrorParentFolderNotFound"]
