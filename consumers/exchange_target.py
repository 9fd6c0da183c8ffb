"""A target server over EWS: MS-OXWSBTRF (UploadItems), MS-OXWSCORE, MS-OXWSFOLD, MS-OXWSSRCH (FindItem)."""

import base64
from collections.abc import Callable

from consumers import item_writes
from consumers.answer_ties import by_absence, by_stamp
from consumers.target import Done, Edit, Held, HeldFolder, Outcome, PortableItem, Refused, Update
from schemas import ews, folder_probe, listing, wire_values
from schemas.answer_order import matched
from schemas.change import Marks
from schemas.element_values import SHAPE, packed
from schemas.ews import M, T, child_text, text
from schemas.faults import GONE, ReplicationFault, TransportFault
from schemas.halving import Halving
from schemas.ports import CallFailed, CallRefused, Element, EwsSession, ServerAnswer

LISTED_ITEMS_MAX = 1_000
_FLAGS_SINCE = (15, 0)
_FOLDER_ELEMENTS = {
    "IPF.Appointment": "CalendarFolder",
    "IPF.Contact": "ContactsFolder",
    "IPF.Task": "TasksFolder",
}


class ExchangeTarget:
    """Writes to mailboxes through one session; nothing is re-sent."""

    def __init__(self, session: EwsSession) -> None:
        self._session = session

    # -- folders -------------------------------------------------------------------------------------------

    def root(self, address: str, name: str) -> str:
        """Return the FolderId of a distinguished folder."""
        message = self._get_folder(address, ews.distinguished_ref(name))
        if not message.is_done:
            raise CallRefused(message.code, f"folder {name}: {message.text}")
        return _id(message.element.find(f"{M}Folders/*/{T}FolderId"))

    def folder(self, address: str, folder_id: str) -> HeldFolder | None:
        """Return a folder by id, or None if it is not there."""
        message = self._get_folder(address, ews.folder_ref(folder_id))
        if not message.is_done and message.code not in GONE:
            raise CallRefused(message.code, "a folder can't be looked at")  # no proof that it is not there
        found = message.element.find(f"{M}Folders/*")
        return _folder(found) if message.is_done and found is not None else None

    def find_child(self, address: str, parent_id: str, name: str) -> HeldFolder | None:
        """Return the folder of this name right below another."""
        body = (
            f'<m:FindFolder Traversal="Shallow"><m:FolderShape>{_FOLDER_SHAPE}</m:FolderShape>'
            '<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="folder:DisplayName"/><t:FieldURIOrConstant>'
            f"<t:Constant Value={_quoted(name)}/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>"
            f"<m:ParentFolderIds>{ews.folder_ref(parent_id)}</m:ParentFolderIds></m:FindFolder>"
        )
        message = self._one("FindFolder", address, body)
        folders = [_folder(f) for f in message.element.iterfind(f"{M}RootFolder/{T}Folders/*")]
        return next((f for f in folders if f.name.casefold() == name.casefold()), None)

    def folder_ids(self, address: str) -> list[str]:
        """Return the FolderId of every folder below the top, page by page."""
        found: list[str] = []
        while True:
            body = (
                '<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>'
                f'<m:IndexedPageFolderView MaxEntriesReturned="{LISTED_ITEMS_MAX}" Offset="{len(found)}" '
                'BasePoint="Beginning"/>'
                f"<m:ParentFolderIds>{ews.distinguished_ref('msgfolderroot')}</m:ParentFolderIds></m:FindFolder>"
            )
            root = self._one("FindFolder", address, body).element.find(f"{M}RootFolder")
            page = [] if root is None else [_id(e) for e in root.iterfind(f"{T}Folders/*/{T}FolderId")]
            is_last = root is None or wire_values.boolean(root.get("IncludesLastItemInRange", ""), default=True)
            if not is_last and set(page) <= set(found):
                raise CallRefused(ReplicationFault.ENDLESS_ANSWER, "the list of folders repeats itself")
            found += page
            if is_last:
                return found

    def create_folder(self, address: str, parent_id: str, name: str, folder_class: str, *, hidden: bool) -> Outcome:
        """Create a folder of a class, hidden from users if asked."""
        element = _FOLDER_ELEMENTS.get(folder_class, "Folder")
        kind = f"<t:FolderClass>{text(folder_class)}</t:FolderClass>" if element == "Folder" and folder_class else ""
        extra = ews.HIDDEN.with_value("true") if hidden else ""
        body = (
            f"<m:CreateFolder><m:ParentFolderId>{ews.folder_ref(parent_id)}</m:ParentFolderId><m:Folders>"
            f"<t:{element}>{kind}<t:DisplayName>{text(name)}</t:DisplayName>{extra}</t:{element}>"
            "</m:Folders></m:CreateFolder>"
        )
        return self._folder_outcome("CreateFolder", address, body)

    def rename_folder(self, address: str, folder_id: str, name: str) -> Outcome:
        """Give a folder another name."""
        body = (
            f"<m:UpdateFolder><m:FolderChanges><t:FolderChange>{ews.folder_ref(folder_id)}<t:Updates>"
            '<t:SetFolderField><t:FieldURI FieldURI="folder:DisplayName"/>'
            f"<t:Folder><t:DisplayName>{text(name)}</t:DisplayName></t:Folder></t:SetFolderField>"
            "</t:Updates></t:FolderChange></m:FolderChanges></m:UpdateFolder>"
        )
        return self._folder_outcome("UpdateFolder", address, body)

    def move_folder(self, address: str, folder_id: str, parent_id: str) -> Outcome:
        """Hang a folder below another."""
        body = (
            f"<m:MoveFolder><m:ToFolderId>{ews.folder_ref(parent_id)}</m:ToFolderId>"
            f"<m:FolderIds>{ews.folder_ref(folder_id)}</m:FolderIds></m:MoveFolder>"
        )
        return self._folder_outcome("MoveFolder", address, body)

    def delete_folder(self, address: str, folder_id: str) -> Outcome:
        """Delete a folder softly."""
        body = (
            '<m:DeleteFolder DeleteType="SoftDelete">'
            f"<m:FolderIds>{ews.folder_ref(folder_id)}</m:FolderIds></m:DeleteFolder>"
        )
        message = self._session.call("DeleteFolder", address, body, 1).messages[0]
        return Done(folder_id, "") if message.is_done else Refused(message.code, message.text)

    # -- items ---------------------------------------------------------------------------------------------

    def upload(self, address: str, folder_id: str, streams: list[bytes]) -> list[Outcome]:
        """Create items from export streams."""
        parent = ews.folder_ref(folder_id).replace("<t:FolderId", "<t:ParentFolderId")
        items = "".join(
            f'<t:Item CreateAction="CreateNew">{parent}<t:Data>{base64.b64encode(s).decode()}</t:Data></t:Item>'
            for s in streams
        )
        body = f"<m:UploadItems><m:Items>{items}</m:Items></m:UploadItems>"
        return self._outcomes("UploadItems", address, body, len(streams), f"{M}ItemId")

    def create(self, address: str, folder_id: str, items: list[PortableItem]) -> list[Outcome]:
        """Create messages from MIME, stamped and marked in the same call."""
        with_flags = self._is_2013_or_later()
        body = (
            '<m:CreateItem MessageDisposition="SaveOnly">'
            f"<m:SavedItemFolderId>{ews.folder_ref(folder_id)}</m:SavedItemFolderId>"
            f"<m:Items>{''.join(item_writes.message(i, with_flags=with_flags) for i in items)}</m:Items></m:CreateItem>"
        )
        outcomes = self._outcomes("CreateItem", address, body, len(items), f"{M}Items/*/{T}ItemId")
        return by_stamp([i.stamp for i in items], outcomes, lambda ids: self.look(address, ids))

    def update(self, address: str, updates: list[Update]) -> list[Outcome]:
        """Set stamps and marks with NeverOverwrite; receipts are suppressed where the server can."""
        with_flags = self._is_2013_or_later()
        changes = [(u.item_id, u.change_key, item_writes.fields_of(u, with_flags=with_flags)) for u in updates]
        return self._update_items(address, changes)

    def edit(self, address: str, edits: list[Edit]) -> list[Outcome]:
        """Set content, stamp and marks where the item is; every other property stays (MS-OXWSCORE)."""
        with_flags = self._is_2013_or_later()
        changes = [(e.item_id, e.change_key, item_writes.edited(e, with_flags=with_flags)) for e in edits]
        return self._update_items(address, changes)

    def _update_items(self, address: str, given: list[tuple[str, str, str]]) -> list[Outcome]:
        """Send id, ChangeKey and fields of items, never overwriting."""
        changes = "".join(
            f"<t:ItemChange>{ews.item_ref(item_id, key)}<t:Updates>{fields}</t:Updates></t:ItemChange>"
            for item_id, key, fields in given
        )
        body = (
            '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="NeverOverwrite" '
            f'SendMeetingInvitationsOrCancellations="SendToNone"{self._quiet()}>'
            f"<m:ItemChanges>{changes}</m:ItemChanges></m:UpdateItem>"
        )
        messages = self._session.call("UpdateItem", address, body, len(given)).messages
        answers = matched([item_id for item_id, _, _ in given], messages, _item_id_in)
        return [_outcome(m, _item_id_in) if m else _MIXED for m in answers]

    def move(self, address: str, item_ids: list[str], folder_id: str) -> list[Outcome]:
        """Move items into one folder; where there are several, their stamps say which new id is whose."""
        looked = self.look(address, item_ids) if len(item_ids) > 1 else []
        stamps = [h.stamp if isinstance(h, Held) else "" for h in looked] or [""] * len(item_ids)
        refs = "".join(map(ews.item_ref, item_ids))
        body = (
            f"<m:MoveItem><m:ToFolderId>{ews.folder_ref(folder_id)}</m:ToFolderId>"
            f"<m:ItemIds>{refs}</m:ItemIds></m:MoveItem>"
        )
        outcomes = self._outcomes("MoveItem", address, body, len(item_ids), f"{M}Items/*/{T}ItemId")
        return by_stamp(stamps, outcomes, lambda ids: self.look(address, ids))

    def delete(self, address: str, item_ids: list[str], *, hard: bool) -> list[Outcome]:
        """Delete items; nobody is told (no cancellations)."""
        refs = "".join(map(ews.item_ref, item_ids))
        body = (
            f'<m:DeleteItem DeleteType="{"HardDelete" if hard else "SoftDelete"}" '
            f'SendMeetingCancellations="SendToNone" AffectedTaskOccurrences="AllOccurrences"{self._quiet()}>'
            f"<m:ItemIds>{refs}</m:ItemIds></m:DeleteItem>"
        )
        messages = self._session.call("DeleteItem", address, body, len(item_ids)).messages
        pairs = zip(item_ids, messages, strict=True)
        outcomes: list[Outcome] = [Done(i, "") if m.is_done else Refused(m.code, m.text) for i, m in pairs]
        return by_absence(item_ids, outcomes, lambda ids: self.look(address, ids))

    # -- looking -------------------------------------------------------------------------------------------

    def find(self, address: str, folder_ids: list[str], stamps: list[str]) -> list[Held]:
        """Return the items in these folders that carry one of the stamps (compared again here)."""
        tests = "".join(
            f"<t:IsEqualTo>{ews.STAMP.uri}<t:FieldURIOrConstant><t:Constant Value={_quoted(s)}/>"
            "</t:FieldURIOrConstant></t:IsEqualTo>"
            for s in stamps
        )
        restriction = f"<t:Or>{tests}</t:Or>" if len(stamps) > 1 else tests
        wanted = {s.lower() for s in stamps}
        found = self._find_items(address, folder_ids, f"<m:Restriction>{restriction}</m:Restriction>")
        return [h for h in found if h.stamp.lower() in wanted]

    def listed(self, address: str, folder_id: str) -> list[Held]:
        """Return the first items of a folder."""
        return self._find_items(address, [folder_id], "")

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        """Read commit time, deletions and count of every folder in one call (`schemas.folder_probe`)."""
        return folder_probe.read(self._session, address, folder_ids)

    def listing(self, address: str, folder_id: str, offset: int) -> listing.ListingPage:
        """List one page of a folder's items by FindItem."""
        body = listing.request(folder_id, offset, with_flags=self._is_2013_or_later())
        message = self._one("FindItem", address, body)
        return listing.page(message.element.find(f"{M}RootFolder"), offset, with_flags=self._is_2013_or_later())

    def look(self, address: str, item_ids: list[str]) -> list[Held | Refused]:
        """Return items by id."""
        answers = self._get_items(address, item_ids, self._held_shape())
        return [a if isinstance(a, Refused) else _held(a.element.find(f"{M}Items/*")) for a in answers]

    def mimes(self, address: str, item_ids: list[str]) -> list[bytes | Refused]:
        """Return the MIME of messages by id; one that does not come whole is refused."""
        shape = (
            "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
            '<t:FieldURI FieldURI="item:MimeContent"/></t:AdditionalProperties>'
        )
        return [a if isinstance(a, Refused) else _mime(a) for a in self._get_items(address, item_ids, shape)]

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Refused]:
        """Return the elements of items that a client can set."""
        return [a if isinstance(a, Refused) else _elements(a) for a in self._get_items(address, item_ids, SHAPE)]

    def _get_items(self, address: str, item_ids: list[str], shape: str) -> list[ServerAnswer | Refused]:
        """Return the answer about each id; a call that fails is halved until the item at fault stands alone."""

        def ask(batch: list[str]) -> list[ServerAnswer | Refused]:
            refs = "".join(map(ews.item_ref, batch))
            body = f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{refs}</m:ItemIds></m:GetItem>"
            messages = self._session.call("GetItem", address, body, len(batch)).messages
            answers = matched(batch, messages, _item_id_in)
            return [_MIXED if a is None else a if a.is_done else Refused(a.code, a.text) for a in answers]

        answers = Halving(item_ids, ask, lambda: self.root(address, "msgfolderroot")).answers()
        return [Refused(a.code, a.detail) if isinstance(a, CallFailed) else a for a in answers]

    def _find_items(self, address: str, folder_ids: list[str], restriction: str) -> list[Held]:
        body = (
            f'<m:FindItem Traversal="Shallow"><m:ItemShape>{self._held_shape()}</m:ItemShape>'
            f'<m:IndexedPageItemView MaxEntriesReturned="{LISTED_ITEMS_MAX}" Offset="0" BasePoint="Beginning"/>'
            f"{restriction}<m:ParentFolderIds>{''.join(map(ews.folder_ref, folder_ids))}</m:ParentFolderIds>"
            "</m:FindItem>"
        )
        found = []
        for message in self._session.call("FindItem", address, body, len(folder_ids)).messages:
            if not message.is_done and message.code != "ErrorFolderNotFound":
                raise CallRefused(message.code, message.text)
            found += [_held(e) for e in message.element.iterfind(f"{M}RootFolder/{T}Items/*")]
        return found

    # -- request parts -------------------------------------------------------------------------------------

    def _is_2013_or_later(self) -> bool:
        return wire_values.version(self._session.server_version) >= _FLAGS_SINCE

    def _quiet(self) -> str:
        """Return the attribute that keeps receipts (read, deleted unread) from being sent; 2013 SP1 and later."""
        return ' SuppressReadReceipts="true"' if self._is_2013_or_later() else ""

    def _held_shape(self) -> str:
        fields = [
            "message:IsRead", "item:Categories", "item:Importance", "item:Subject", "message:InternetMessageId",
        ]  # fmt: skip
        if self._is_2013_or_later():
            fields.append("item:Flag")
        uris = "".join(f'<t:FieldURI FieldURI="{f}"/>' for f in fields) + ews.STAMP.uri
        return f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uris}</t:AdditionalProperties>"

    def _get_folder(self, address: str, reference: str) -> ServerAnswer:
        body = (
            f"<m:GetFolder><m:FolderShape>{_FOLDER_SHAPE}</m:FolderShape>"
            f"<m:FolderIds>{reference}</m:FolderIds></m:GetFolder>"
        )
        return self._session.call("GetFolder", address, body, 1).messages[0]

    def _one(self, operation: str, address: str, body: str) -> ServerAnswer:
        message = self._session.call(operation, address, body, 1).messages[0]
        if not message.is_done:
            raise CallRefused(message.code, message.text)
        return message

    def _folder_outcome(self, operation: str, address: str, body: str) -> Outcome:
        return self._outcomes(operation, address, body, 1, f"{M}Folders/*/{T}FolderId")[0]

    def _outcomes(self, operation: str, address: str, body: str, count: int, path: str) -> list[Outcome]:
        messages = self._session.call(operation, address, body, count).messages
        return [_outcome(m, lambda e: e.find(path)) for m in messages]


_FOLDER_SHAPE = (
    "<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>"
    '<t:FieldURI FieldURI="folder:DisplayName"/><t:FieldURI FieldURI="folder:ParentFolderId"/>'
    '<t:FieldURI FieldURI="folder:TotalCount"/><t:FieldURI FieldURI="folder:ChildFolderCount"/>'
    "</t:AdditionalProperties>"
)


_MIXED = Refused(ReplicationFault.ANSWER_MIXED, "no answer can be told to be about this item")


def _item_id_in(element: Element) -> Element | None:
    return element.find(f"{M}Items/*/{T}ItemId")


def _mime(message: ServerAnswer) -> bytes | Refused:
    mime = wire_values.base64_bytes(child_text(message.element, f"{M}Items/*/{T}MimeContent"))
    return Refused(ReplicationFault.NO_MIME) if mime is None else mime


def _quoted(value: str) -> str:
    return '"' + text(value).replace('"', "&quot;") + '"'


def _elements(message: ServerAnswer) -> bytes | Refused:
    item = message.element.find(f"{M}Items/*")
    return Refused(TransportFault.MALFORMED_ANSWER) if item is None else packed(item)


def _outcome(message: ServerAnswer, find: Callable[[Element], Element | None]) -> Outcome:
    if not message.is_done:
        return Refused(message.code, message.text)
    reference = find(message.element)
    if reference is None:
        # done, yet without the new id: only looking can tell
        return Refused("ErrorItemNotFound", "the answer lacks the id")
    return Done(_id(reference), str(reference.get("ChangeKey", "")))


def _id(element: Element | None) -> str:
    return "" if element is None else str(element.get("Id", ""))


def _folder(element: Element) -> HeldFolder:
    return HeldFolder(
        folder_id=_id(element.find(f"{T}FolderId")),
        parent_id=_id(element.find(f"{T}ParentFolderId")),
        name=child_text(element, f"{T}DisplayName"),
        total_count=wire_values.count(child_text(element, f"{T}TotalCount")),
        child_count=wire_values.count(child_text(element, f"{T}ChildFolderCount")),
    )


def _held(item: Element | None) -> Held:
    if item is None:
        return Held("", "", "", Marks(is_read=True))
    reference = item.find(f"{T}ItemId")
    stamp = ews.value_of(ews.extended_values(item), ews.STAMP)
    return Held(
        item_id=_id(reference),
        change_key="" if reference is None else str(reference.get("ChangeKey", "")),
        stamp=stamp,
        marks=ews.marks_of(item),
        message_id=child_text(item, f"{T}InternetMessageId"),
        subject=child_text(item, f"{T}Subject"),
    )
