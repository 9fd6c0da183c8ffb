"""What a user keeps beside mail, as the tests of the way back make and change it: an appointment, contacts, a task."""

from typing import Any

from deploy.lab.session import M, T, UserSession, attribute
from deploy.lab.workload.mailbox import UserMailbox
from schemas.ews import Property

PRIVATE = Property("String", set_id="11111111-2222-3333-4444-555555555555", name="only at the original")
ENTRIES = {
    "calendar": (
        f"<t:CalendarItem><t:Subject>Plan</t:Subject>{PRIVATE.with_value('stays')}<t:Start>2026-12-01T10:00:00Z</t:Start>"
        "<t:End>2026-12-01T11:00:00Z</t:End><t:Location>here</t:Location></t:CalendarItem>"
    ),
    "contacts": (
        f"<t:Contact><t:Subject>Berta</t:Subject>{PRIVATE.with_value('stays')}<t:FileAs>Berta</t:FileAs><t:EmailAddresses>"
        '<t:Entry Key="EmailAddress1">b@x.test</t:Entry></t:EmailAddresses><t:PhoneNumbers>'
        '<t:Entry Key="HomePhone">1</t:Entry><t:Entry Key="Pager">2</t:Entry></t:PhoneNumbers></t:Contact>'
    ),
    "tasks": (
        f"<t:Task><t:Subject>Do</t:Subject>{PRIVATE.with_value('stays')}<t:Mileage>7</t:Mileage>"
        "<t:Status>NotStarted</t:Status></t:Task>"
    ),
}
DONE = ("/msgfolderroot", "Done")
NEW = "<t:Contact><t:Subject>Neu</t:Subject><t:FileAs>Neu</t:FileAs></t:Contact>"


class Entries:
    """The calendar, contacts and tasks of one user at one server; every method raises SessionError."""

    def __init__(self, session: UserSession, user: UserMailbox) -> None:
        self.session, self.user = session, user

    def make(self) -> dict[str, str]:
        """Make one of each; return their ids by folder."""
        return {name: self._made(name, element) for name, element in ENTRIES.items()}

    def make_new(self) -> str:
        """Make a contact beside those there are; return its id."""
        return self._made("contacts", NEW)

    def _made(self, folder: str, element: str) -> str:
        return self.user.create_entries(self.user.folder((f"/{folder}",)), [element])[0]

    def ids(self, *path: str) -> list[str]:
        """Return the ids of what a folder holds."""
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
            f"<m:ParentFolderIds><t:FolderId Id={attribute(self.user.folder(path))}/></m:ParentFolderIds></m:FindItem>"
        )
        answer = self.session.one("FindItem", self.user.address, body)
        return [str(e.get("Id")) for e in answer.iterfind(f"{M}RootFolder/{T}Items/*/{T}ItemId")]

    def shown(self, item_id: str) -> dict[str, str]:
        """Return the texts of an item by element name, those of dictionaries by key, and its private property."""
        shape = (
            f"<t:BaseShape>AllProperties</t:BaseShape><t:AdditionalProperties>{PRIVATE.uri}</t:AdditionalProperties>"
        )
        body = (
            f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds><t:ItemId Id={attribute(item_id)}/></m:ItemIds>"
            "</m:GetItem>"
        )
        item: Any = self.session.one("GetItem", self.user.address, body).find(f"{M}Items/*")
        found = {str(e.tag).rpartition("}")[2]: str(e.text or "") for e in item if not len(e)}
        found |= {str(e.get("Key")): str(e.text or "") for e in item.iterfind(f"*/{T}Entry")}
        found["private"] = str(item.findtext(f"{T}ExtendedProperty/{T}Value") or "")
        return found

    def change(self) -> None:
        """Change what their users see of all three, take the private property away, and put the task elsewhere."""
        (meeting,), (contact,), (task,) = (self.ids(f"/{folder}") for folder in ENTRIES)
        self._update(
            meeting,
            _set("calendar:Location", "CalendarItem", "<t:Location>there</t:Location>"),
            _set("calendar:Start", "CalendarItem", "<t:Start>2026-12-02T10:00:00Z</t:Start>"),
            _set("calendar:End", "CalendarItem", "<t:End>2026-12-02T12:00:00Z</t:End>"),
        )
        self._update(
            contact,
            _entry("contacts:EmailAddress", "EmailAddress1", "EmailAddresses", "berta@x.test"),
            _entry("contacts:PhoneNumber", "MobilePhone", "PhoneNumbers", "3"),
            f"<t:DeleteItemField>{_indexed('contacts:PhoneNumber', 'Pager')}</t:DeleteItemField>",
        )
        self._update(task, _set("task:Status", "Task", "<t:Status>Completed</t:Status>"))
        self.user.move(task, self.user.folder(DONE))

    def _update(self, item_id: str, *updates: str) -> None:
        gone = f"<t:DeleteItemField>{PRIVATE.uri}</t:DeleteItemField>"
        self.session.one(
            "UpdateItem",
            self.user.address,
            '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite" '
            'SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges><t:ItemChange>'
            f"<t:ItemId Id={attribute(item_id)}/><t:Updates>{''.join(updates)}{gone}</t:Updates></t:ItemChange>"
            "</m:ItemChanges></m:UpdateItem>",
        )


def _set(uri: str, kind: str, element: str) -> str:
    return f'<t:SetItemField><t:FieldURI FieldURI="{uri}"/><t:{kind}>{element}</t:{kind}></t:SetItemField>'


def _indexed(uri: str, key: str) -> str:
    return f'<t:IndexedFieldURI FieldURI="{uri}" FieldIndex="{key}"/>'


def _entry(uri: str, key: str, name: str, value: str) -> str:
    return (
        f"<t:SetItemField>{_indexed(uri, key)}<t:Contact><t:{name}>"
        f'<t:Entry Key="{key}">{value}</t:Entry></t:{name}></t:Contact></t:SetItemField>'
    )
