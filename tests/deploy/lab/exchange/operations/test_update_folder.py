from typing import Any

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


def rename(ident: str, name: str) -> str:
    value = f"<t:Folder><t:DisplayName>{name}</t:DisplayName></t:Folder>"
    return (
        f"<m:UpdateFolder><m:FolderChanges><t:FolderChange>{ident}<t:Updates><t:SetFolderField>"
        f'<t:FieldURI FieldURI="folder:DisplayName"/>{value}</t:SetFolderField></t:Updates></t:FolderChange>'
        "</m:FolderChanges></m:UpdateFolder>"
    )


def test_a_distinguished_folder_keeps_its_id_under_another_name(exchange: Any) -> None:
    before = exchange.folder("inbox")
    assert exchange.codes(rename('<t:DistinguishedFolderId Id="inbox"/>', "Posteingang")) == ["NoError"]
    assert exchange.folder("inbox") == before
    assert exchange.server.folders.mailboxes["a@example.com"].distinguished["inbox"].name == "Posteingang"


def test_a_name_that_exists_beside_it_is_refused(exchange: Any) -> None:
    assert exchange.codes(rename('<t:DistinguishedFolderId Id="inbox"/>', "Drafts")) == ["ErrorFolderExists"]
    assert exchange.codes(rename('<t:DistinguishedFolderId Id="inbox"/>', "INBOX")) == ["NoError"]


def test_extended_properties_of_folders_are_kept(exchange: Any) -> None:
    uri = '<t:ExtendedFieldURI PropertyTag="0x3010" PropertyType="String"/>'
    held = f"<t:ExtendedProperty>{uri}<t:Value>v</t:Value></t:ExtendedProperty>"
    change = f"<t:SetFolderField>{uri}<t:Folder>{held}</t:Folder></t:SetFolderField>"
    exchange.post(
        '<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:DistinguishedFolderId Id="inbox"/>'
        f"<t:Updates>{change}</t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
    )
    shown = exchange.post(
        f"<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uri}</t:AdditionalProperties>"
        '</m:FolderShape><m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
    )
    assert exchange.text(shown, "Value") == "v"
