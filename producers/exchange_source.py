"""A source server over EWS: MS-OXWSSYNC, MS-OXWSCORE (GetItem), MS-OXWSBTRF (ExportItems), MS-OXWSFOLD."""

import logging
from collections.abc import Callable, Sequence

from producers import fingerprint
from producers.source import (
    CursorLostError,
    Described,
    Failed,
    FolderSeen,
    HierarchyPage,
    ItemPage,
    Portable,
)
from schemas import ews, folder_probe, listing, wire_values
from schemas.answer_order import matched
from schemas.change import Summary
from schemas.element_values import SHAPE, packed
from schemas.ews import M, T, child_text
from schemas.faults import CURSOR_LOST, GONE, ReplicationFault, TransportFault
from schemas.ports import AnswerUnknown, CallRefused, Element, EwsSession, ServerAnswer

log = logging.getLogger(__name__)

SYNC_ITEMS_MAX = 512
SUMMARY_CHARACTERS_MAX = 8_000
_FIRST_FLAG_VERSION = (15, 0)

_PORTABLE_PROPERTIES = (
    ews.MESSAGE_FLAGS,
    ews.DELIVERY_TIME,
    ews.SUBMIT_TIME,
    ews.ICON_INDEX,
    ews.LAST_VERB,
    ews.LAST_VERB_TIME,
)


class ExchangeSource:
    """Reads mailboxes through one session; nothing is re-sent."""

    def __init__(self, session: EwsSession) -> None:
        self._session = session
        self._distinguished: dict[str, dict[str, str]] = {}
        self._is_export_nameless = False

    @property
    def version(self) -> str:
        """Version of the server as last seen."""
        return self._session.server_version

    def hierarchy(self, address: str, cursor: str) -> HierarchyPage:
        """Read one page of folders below msgfolderroot; the root itself comes with the first page."""
        state = f"<m:SyncState>{cursor}</m:SyncState>" if cursor else ""
        body = (
            "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>Default</t:BaseShape>"
            '<t:AdditionalProperties><t:FieldURI FieldURI="folder:ParentFolderId"/>'
            '<t:FieldURI FieldURI="folder:FolderClass"/></t:AdditionalProperties></m:FolderShape>'
            f"<m:SyncFolderId>{ews.distinguished_ref('msgfolderroot')}</m:SyncFolderId>{state}"
            "</m:SyncFolderHierarchy>"
        )
        names = self._distinguished_names(address)
        message = self._sync("SyncFolderHierarchy", address, body)
        seen, gone = [], []
        for change in message.iterfind(f"{M}Changes/*"):
            if change.tag == f"{T}Delete":
                gone.append(_id(change.find(f"{T}FolderId")))
            elif (folder := next(iter(change), None)) is not None and folder.tag != f"{T}SearchFolder":
                seen.append(_folder(folder, names))
        return HierarchyPage(
            seen=tuple(seen),
            gone=tuple(gone),
            cursor=child_text(message, f"{M}SyncState"),
            is_last=wire_values.boolean(child_text(message, f"{M}IncludesLastFolderInRange")),
        )

    def items(self, address: str, folder_id: str, cursor: str) -> ItemPage:
        """Read one page of at most 512 item changes, ids only."""
        state = f"<m:SyncState>{cursor}</m:SyncState>" if cursor else ""
        body = (
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>"
            f"<m:SyncFolderId>{ews.folder_ref(folder_id)}</m:SyncFolderId>{state}"
            f"<m:MaxChangesReturned>{SYNC_ITEMS_MAX}</m:MaxChangesReturned></m:SyncFolderItems>"
        )
        message = self._sync("SyncFolderItems", address, body)
        saved: dict[str, None] = {}
        flags: dict[str, bool] = {}
        gone: dict[str, None] = {}
        for change in message.iterfind(f"{M}Changes/*"):
            if change.tag == f"{T}Delete":
                gone[_id(change.find(f"{T}ItemId"))] = None
            elif change.tag == f"{T}ReadFlagChange":
                flags[_id(change.find(f"{T}ItemId"))] = wire_values.boolean(child_text(change, f"{T}IsRead"))
            else:
                saved[_id(change.find(f"*/{T}ItemId"))] = None
        return ItemPage(
            saved=tuple(saved),
            read_flags=tuple(flags.items()),
            gone=tuple(gone),
            cursor=child_text(message, f"{M}SyncState"),
            is_last=wire_values.boolean(child_text(message, f"{M}IncludesLastItemInRange")),
        )

    def describe(self, address: str, item_ids: list[str]) -> list[Described | Failed]:
        """Fetch small properties of items."""
        if not item_ids:
            return []
        fields = [
            "item:ItemClass", "item:Subject", "item:DateTimeSent", "item:DateTimeReceived", "item:Size",
            "item:HasAttachments", "item:IsDraft", "item:Categories", "item:Importance",
            "item:LastModifiedTime", "item:ParentFolderId", "message:IsRead", "message:From",
            "message:InternetMessageId",
        ]  # fmt: skip
        if self._has_flag_element():
            fields.append("item:Flag")
        uris = "".join(f'<t:FieldURI FieldURI="{f}"/>' for f in fields) + ews.SEARCH_KEY.uri + ews.STAMP.uri
        shape = f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uris}</t:AdditionalProperties>"
        time, answers = self._get_items(address, item_ids, shape)
        return [_described(m, time) if m.is_done else Failed(m.code) for m in answers]

    def change_keys(self, address: str, item_ids: list[str]) -> list[str | Failed]:
        """Fetch ids with ChangeKeys and nothing else."""
        if not item_ids:
            return []
        _, answers = self._get_items(address, item_ids, "<t:BaseShape>IdOnly</t:BaseShape>")
        return [_change_key(m) if m.is_done else Failed(m.code) for m in answers]

    def export(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        """Fetch export streams; one that is not whole is Failed.

        A stream says nothing that we can read of its item. Where the answers name no ids, each is asked for alone.
        """
        if not item_ids:
            return []
        if self._is_export_nameless and len(item_ids) > 1:
            return [stream for item_id in item_ids for stream in self.export(address, [item_id])]
        refs = "".join(map(ews.item_ref, item_ids))
        body = f"<m:ExportItems><m:ItemIds>{refs}</m:ItemIds></m:ExportItems>"
        messages = self._session.call("ExportItems", address, body, len(item_ids)).messages
        done = [m for m in messages if m.is_done]
        if done and all(m.element.find(f"{M}ItemId") is None for m in done):
            if len(item_ids) == 1:
                return [_stream(messages[0])]
            log.warning("exports name no ids, asked for one by one")
            self._is_export_nameless = True
            return self.export(address, item_ids)
        answers = _about(item_ids, messages, lambda element: element.find(f"{M}ItemId"))
        return [_stream(m) if m.is_done else Failed(m.code) for m in answers]

    def portable(self, address: str, item_ids: list[str]) -> list[Portable | Failed]:
        """Fetch MIME and the properties MIME does not hold."""
        if not item_ids:
            return []
        uris = '<t:FieldURI FieldURI="item:MimeContent"/>' + "".join(p.uri for p in _PORTABLE_PROPERTIES)
        shape = f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uris}</t:AdditionalProperties>"
        _, answers = self._get_items(address, item_ids, shape)
        return [_portable(m) if m.is_done else Failed(m.code) for m in answers]

    def elements(self, address: str, item_ids: list[str]) -> list[bytes | Failed]:
        """Fetch the elements that a client can set."""
        if not item_ids:
            return []
        _, answers = self._get_items(address, item_ids, SHAPE)
        return [_elements(m) if m.is_done else Failed(m.code) for m in answers]

    def listing(self, address: str, folder_id: str, offset: int) -> listing.ListingPage:
        """List one page of a folder's items by FindItem; CallRefused if the folder can't be listed."""
        with_flags = self._has_flag_element()
        body = listing.request(folder_id, offset, with_flags=with_flags)
        message = self._session.call("FindItem", address, body, 1).messages[0]
        if not message.is_done:
            raise CallRefused(message.code, message.text)
        return listing.page(message.element.find(f"{M}RootFolder"), offset, with_flags=with_flags)

    def probe(self, address: str, folder_ids: list[str]) -> dict[str, str]:
        """Read commit time, deletions and count of every folder in one call (`schemas.folder_probe`)."""
        return folder_probe.read(self._session, address, folder_ids)

    def _get_items(self, address: str, item_ids: list[str], shape: str) -> tuple[int, list[ServerAnswer]]:
        """Return the server's clock and the answer about each id."""
        refs = "".join(map(ews.item_ref, item_ids))
        body = f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{refs}</m:ItemIds></m:GetItem>"
        answers = self._session.call("GetItem", address, body, len(item_ids))
        about = _about(item_ids, answers.messages, lambda element: element.find(f"{M}Items/*/{T}ItemId"))
        return answers.server_time_seconds, about

    def _sync(self, operation: str, address: str, body: str) -> Element:
        message = self._session.call(operation, address, body, 1).messages[0]
        if message.code in CURSOR_LOST:
            raise CursorLostError(message.text)
        if not message.is_done:
            raise CallRefused(message.code, message.text)
        if not child_text(message.element, f"{M}SyncState"):
            raise AnswerUnknown(TransportFault.MALFORMED_ANSWER, f"{operation} answered without a sync state")
        return message.element

    def _has_flag_element(self) -> bool:
        return wire_values.version(self.version) >= _FIRST_FLAG_VERSION

    def _distinguished_names(self, address: str) -> dict[str, str]:
        """Return FolderId to distinguished id; asked once a mailbox, because 2010 does not say it in Sync.

        One that is missing is asked for twice: to take an odd answer for it would make the inbox any folder.
        """
        if address not in self._distinguished:
            names = self._ask_distinguished(address, ("msgfolderroot", *ews.DISTINGUISHED_FOLDERS))
            if missing := tuple(n for n in ("msgfolderroot", *ews.DISTINGUISHED_FOLDERS) if n not in names.values()):
                names |= self._ask_distinguished(address, missing)
            if "msgfolderroot" not in names.values():
                raise AnswerUnknown(TransportFault.MALFORMED_ANSWER, "GetFolder answered without the top folder")
            self._distinguished[address] = names
        return self._distinguished[address]

    def _ask_distinguished(self, address: str, wanted: tuple[str, ...]) -> dict[str, str]:
        refs = "".join(map(ews.distinguished_ref, wanted))
        field = '<t:FieldURI FieldURI="folder:DistinguishedFolderId"/>' if self._has_flag_element() else ""
        extra = f"<t:AdditionalProperties>{field}</t:AdditionalProperties>" if field else ""
        body = (
            f"<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>{extra}</m:FolderShape>"
            f"<m:FolderIds>{refs}</m:FolderIds></m:GetFolder>"
        )
        names: dict[str, str] = {}
        answers = self._session.call("GetFolder", address, body, len(wanted)).messages
        for name, message in zip(wanted, answers, strict=True):
            folder = message.element.find(f"{M}Folders/*")
            if message.is_done and folder is not None:
                # 2013 and later say which it is, whatever the order
                names[_id(folder.find(f"{T}FolderId"))] = child_text(folder, f"{T}DistinguishedFolderId") or name
            elif message.code not in GONE:
                raise CallRefused(message.code, "a distinguished folder can't be looked at")
        return names


def _about(
    item_ids: list[str], messages: Sequence[ServerAnswer], id_in: Callable[[Element], Element | None]
) -> list[ServerAnswer]:
    """Return the answer about each id; a refusal of our own where none can be told to be about it."""
    answers = matched(item_ids, messages, id_in)
    if any(a is None for a in answers):
        log.warning("answers about other items than asked", extra={"items": answers.count(None)})
    return [a or ServerAnswer(ReplicationFault.ANSWER_MIXED, None) for a in answers]


def _id(element: Element | None) -> str:
    if element is None or not element.get("Id"):
        raise AnswerUnknown(TransportFault.MALFORMED_ANSWER, "an answer lacks an id")
    return str(element.get("Id"))


def _folder(folder: Element, names: dict[str, str]) -> FolderSeen:
    folder_id = _id(folder.find(f"{T}FolderId"))
    parent = folder.find(f"{T}ParentFolderId")
    parent_id = _id(parent) if parent is not None else ""
    return FolderSeen(
        folder_id=folder_id,
        parent_id="" if names.get(parent_id) == "msgfolderroot" else parent_id,
        name=child_text(folder, f"{T}DisplayName"),
        folder_class=child_text(folder, f"{T}FolderClass"),
        distinguished=names.get(folder_id, ""),
    )


def _described(message: ServerAnswer, server_time_seconds: int) -> Described | Failed:
    item = message.element.find(f"{M}Items/*")
    if item is None:
        return Failed(TransportFault.MALFORMED_ANSWER)
    reference = item.find(f"{T}ItemId")
    modified = child_text(item, f"{T}LastModifiedTime")
    summary = Summary(
        item_class=_short(child_text(item, f"{T}ItemClass", "IPM.Note")),
        subject=_short(child_text(item, f"{T}Subject")),
        sender=_short(child_text(item, f"{T}From/{T}Mailbox/{T}EmailAddress")),
        message_id=_short(child_text(item, f"{T}InternetMessageId")),
        sent_at=_short(child_text(item, f"{T}DateTimeSent")),
        received_at=_short(child_text(item, f"{T}DateTimeReceived")),
        size_bytes=wire_values.count(child_text(item, f"{T}Size")),
        has_attachments=wire_values.boolean(child_text(item, f"{T}HasAttachments")),
        is_draft=wire_values.boolean(child_text(item, f"{T}IsDraft")),
    )
    is_at_rest = folder_probe.is_at_rest(modified, server_time_seconds)
    values = ews.extended_values(item)
    search_key = ews.value_of(values, ews.SEARCH_KEY)
    return Described(
        item_id=_id(reference),
        change_key=str(reference.get("ChangeKey", "")),
        folder_id=_id(item.find(f"{T}ParentFolderId")),
        search_key=_hex_of_base64(search_key),
        fingerprint=fingerprint.cheap(summary, modified, is_at_rest=is_at_rest),
        marks=ews.marks_of(item),
        summary=summary,
        stamp=ews.value_of(values, ews.STAMP),
    )


def _short(value: str) -> str:
    """Return a value of a summary, bounded so that its record fits the log; the content holds all of it."""
    return value[:SUMMARY_CHARACTERS_MAX]


def _change_key(message: ServerAnswer) -> str:
    reference = message.element.find(f"{M}Items/*/{T}ItemId")
    return "" if reference is None else str(reference.get("ChangeKey", ""))


def _stream(message: ServerAnswer) -> bytes | Failed:
    data = message.element.find(f".//{M}Data")
    body = wire_values.base64_bytes(child_text(data, "."))
    is_whole = body and not body.rstrip().endswith(ews.TRUNCATED)
    return body if body and is_whole else Failed(ReplicationFault.TRUNCATED_STREAM)


def _portable(message: ServerAnswer) -> Portable | Failed:
    item = message.element.find(f"{M}Items/*")
    content = child_text(item, f"{T}MimeContent")
    if item is None or not content:
        return Failed(ReplicationFault.NO_MIME)
    mime = wire_values.base64_bytes(content)
    if mime is None:
        return Failed(TransportFault.MALFORMED_ANSWER)
    values = ews.extended_values(item)
    found = {p.tag.lower(): ews.value_of(values, p) for p in _PORTABLE_PROPERTIES}
    return Portable(mime, {tag: value for tag, value in found.items() if value})


def _elements(message: ServerAnswer) -> bytes | Failed:
    item = message.element.find(f"{M}Items/*")
    return Failed(TransportFault.MALFORMED_ANSWER) if item is None else packed(item)


def _hex_of_base64(value: str) -> str:
    return (wire_values.base64_bytes(value) or b"").hex()
