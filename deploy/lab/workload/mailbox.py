"""A mailbox as its user's program drives it over EWS: folders made when needed, items created, changed, deleted."""

import base64
from collections.abc import Sequence
from datetime import datetime

from deploy.lab.session import Element, M, SessionError, T, UserSession, attribute, markup, refuse_unless_done
from deploy.lab.session import response_code as code_of
from deploy.lab.workload.mail import FolderPath, NewMail

_SENT_AND_READ, _SENT, _UNSENT = 1, 0, 8  # PidTagMessageFlags (MS-OXCMSG 2.2.1.6), settable at creation only
_NAME_LENGTH_MAX = 255
_DISTINGUISHED_PREFIX = "/"


class UserMailbox:
    """One mailbox, through a session that other mailboxes may share; every method raises SessionError."""

    def __init__(self, session: UserSession, address: str) -> None:
        self.address = address
        self._session = session
        self._folders: dict[FolderPath, str] = {}

    # -- folders -------------------------------------------------------------------------------------------

    def folder(self, path: FolderPath) -> str:
        """Return the id of a folder, which is made with its parents where it is not there."""
        if path not in self._folders:
            name = path[-1]
            if name.startswith(_DISTINGUISHED_PREFIX):
                self._folders[path] = self._distinguished(name.removeprefix(_DISTINGUISHED_PREFIX))
            else:
                parent_id = self.folder(path[:-1] or ("/msgfolderroot",))
                self._folders[path] = self._child(parent_id, _folder_name(name))
        return self._folders[path]

    def rename_folder(self, folder_id: str, name: str) -> None:
        """Give a folder another name."""
        self._session.one(
            "UpdateFolder",
            self.address,
            f"<m:UpdateFolder><m:FolderChanges><t:FolderChange><t:FolderId Id={attribute(folder_id)}/><t:Updates>"
            '<t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/><t:Folder><t:DisplayName>'
            f"{markup(name)}</t:DisplayName></t:Folder></t:SetFolderField></t:Updates></t:FolderChange>"
            "</m:FolderChanges></m:UpdateFolder>",
        )

    def move_folder(self, folder_id: str, parent_id: str) -> None:
        """Hang a folder below another."""
        self._session.one(
            "MoveFolder",
            self.address,
            f"<m:MoveFolder><m:ToFolderId><t:FolderId Id={attribute(parent_id)}/></m:ToFolderId>"
            f"<m:FolderIds><t:FolderId Id={attribute(folder_id)}/></m:FolderIds></m:MoveFolder>",
        )

    def delete_folder(self, folder_id: str, *, how: str) -> None:
        """Delete a folder with what is in it: HardDelete, SoftDelete or MoveToDeletedItems."""
        self._session.one(
            "DeleteFolder",
            self.address,
            f"<m:DeleteFolder DeleteType={attribute(how)}><m:FolderIds>"
            f"<t:FolderId Id={attribute(folder_id)}/></m:FolderIds></m:DeleteFolder>",
        )

    def create_folder(self, parent_id: str, name: str) -> str:
        """Create a folder and return its id."""
        body = (
            f"<m:CreateFolder><m:ParentFolderId><t:FolderId Id={attribute(parent_id)}/></m:ParentFolderId>"
            f"<m:Folders><t:Folder><t:DisplayName>{markup(name)}</t:DisplayName></t:Folder></m:Folders>"
            "</m:CreateFolder>"
        )
        return _id_in(self._session.one("CreateFolder", self.address, body), f"{M}Folders/*/{T}FolderId")

    def _child(self, parent_id: str, name: str) -> str:
        try:
            return self.create_folder(parent_id, name)
        except SessionError as error:
            if error.code != "ErrorFolderExists":
                raise
        body = (
            '<m:FindFolder Traversal="Shallow"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>'
            '<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="folder:DisplayName"/><t:FieldURIOrConstant>'
            f"<t:Constant Value={attribute(name)}/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>"
            f"<m:ParentFolderIds><t:FolderId Id={attribute(parent_id)}/></m:ParentFolderIds></m:FindFolder>"
        )
        found = self._session.one("FindFolder", self.address, body)
        return _id_in(found, f"{M}RootFolder/{T}Folders/*/{T}FolderId")

    def _distinguished(self, name: str) -> str:
        body = (
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
            f"<m:FolderIds><t:DistinguishedFolderId Id={attribute(name)}/></m:FolderIds></m:GetFolder>"
        )
        return _id_in(self._session.one("GetFolder", self.address, body), f"{M}Folders/*/{T}FolderId")

    # -- items ---------------------------------------------------------------------------------------------

    def create_mail(self, folder_id: str, mails: Sequence[NewMail]) -> list[str]:
        """Create messages in a folder; return an id each, or the ResponseCode of a refused one after `!`."""
        items = "".join(_message(mail, has_flag=self._session.address.has_flag_element) for mail in mails)
        return self._create(folder_id, items)

    def create_entries(self, folder_id: str, elements: Sequence[str]) -> list[str]:
        """Create items from EWS elements; return as `create_mail` does."""
        return self._create(folder_id, "".join(elements))

    def send(self, item_id: str, change_key: str) -> None:
        """Send a draft, keeping a copy in Sent Items."""
        self._session.one(
            "SendItem",
            self.address,
            '<m:SendItem SaveItemToFolder="true"><m:ItemIds>'
            f"<t:ItemId Id={attribute(item_id)} ChangeKey={attribute(change_key)}/></m:ItemIds>"
            '<m:SavedItemFolderId><t:DistinguishedFolderId Id="sentitems"/></m:SavedItemFolderId></m:SendItem>',
        )

    def change_key(self, item_id: str) -> str:
        """Return the current ChangeKey of an item."""
        body = (
            "<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
            f"<m:ItemIds><t:ItemId Id={attribute(item_id)}/></m:ItemIds></m:GetItem>"
        )
        reference = self._session.one("GetItem", self.address, body).find(f"{M}Items/*/{T}ItemId")
        return "" if reference is None else str(reference.get("ChangeKey"))

    def update(self, item_id: str, field_uri: str, element: str) -> None:
        """Set one field of a message, as a user's program does."""
        self._session.one(
            "UpdateItem",
            self.address,
            '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite">'
            f"<m:ItemChanges><t:ItemChange><t:ItemId Id={attribute(item_id)}/><t:Updates><t:SetItemField>"
            f"<t:FieldURI FieldURI={attribute(field_uri)}/><t:Message>{element}</t:Message></t:SetItemField>"
            "</t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>",
        )

    def move(self, item_id: str, folder_id: str) -> str:
        """Move an item and return its new id."""
        return self._carry("MoveItem", item_id, folder_id)

    def copy(self, item_id: str, folder_id: str) -> str:
        """Copy an item and return the copy's id."""
        return self._carry("CopyItem", item_id, folder_id)

    def delete(self, item_id: str, *, how: str) -> None:
        """Delete an item: HardDelete, SoftDelete or MoveToDeletedItems."""
        self._session.one(
            "DeleteItem",
            self.address,
            f'<m:DeleteItem DeleteType={attribute(how)} SendMeetingCancellations="SendToNone"'
            f' AffectedTaskOccurrences="AllOccurrences"><m:ItemIds><t:ItemId Id={attribute(item_id)}/></m:ItemIds>'
            "</m:DeleteItem>",
        )

    def _carry(self, operation: str, item_id: str, folder_id: str) -> str:
        body = (
            f"<m:{operation}><m:ToFolderId><t:FolderId Id={attribute(folder_id)}/></m:ToFolderId>"
            f"<m:ItemIds><t:ItemId Id={attribute(item_id)}/></m:ItemIds></m:{operation}>"
        )
        return _id_in(self._session.one(operation, self.address, body), f"{M}Items/*/{T}ItemId")

    def _create(self, folder_id: str, items: str) -> list[str]:
        body = (
            '<m:CreateItem MessageDisposition="SaveOnly" SendMeetingInvitations="SendToNone"><m:SavedItemFolderId>'
            f"<t:FolderId Id={attribute(folder_id)}/></m:SavedItemFolderId><m:Items>{items}</m:Items></m:CreateItem>"
        )
        return [_created(answer) for answer in self._session.answers("CreateItem", self.address, body)]


def _created(answer: Element) -> str:
    if answer.get("ResponseClass") != "Success":
        return f"!{code_of(answer)}"
    return _id_in(answer, f"{M}Items/*/{T}ItemId")


def _id_in(answer: Element, path: str) -> str:
    refuse_unless_done("the call", answer)
    reference = answer.find(path)
    if reference is None:
        raise SessionError("MalformedAnswer", "an answer without the id it should hold")
    return str(reference.get("Id"))


def _folder_name(name: str) -> str:
    return name.strip()[:_NAME_LENGTH_MAX].replace("/", "-") or "(unnamed)"


def _message(mail: NewMail, *, has_flag: bool) -> str:
    sent = _SENT_AND_READ if mail.is_read else _SENT
    flags = _UNSENT if mail.is_draft else sent
    categories = "".join(f"<t:String>{markup(c)}</t:String>" for c in mail.categories)
    importance = f"<t:Importance>{mail.importance}</t:Importance>" if mail.importance != "Normal" else ""
    flag = "<t:Flag><t:FlagStatus>Flagged</t:FlagStatus></t:Flag>" if mail.is_flagged and has_flag else ""
    return (
        f"<t:Message><t:MimeContent>{base64.b64encode(mail.mime).decode()}</t:MimeContent>"
        + (f"<t:Categories>{categories}</t:Categories>" if categories else "")
        + importance
        + _property("0x0E07", "Integer", str(flags))
        + _property("0x0E06", "SystemTime", instant_text(mail.received))
        + flag
        + f"<t:IsRead>{'true' if mail.is_read else 'false'}</t:IsRead></t:Message>"
    )


def instant_text(moment: datetime) -> str:
    """Return a time as EWS writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def _property(tag: str, kind: str, value: str) -> str:
    return (
        f'<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag="{tag}" PropertyType="{kind}"/>'
        f"<t:Value>{value}</t:Value></t:ExtendedProperty>"
    )
