"""Items in their full canonical form, read the same way from both servers (MS-OXWSCORE GetItem).

A message is its MIME and what the server shows beside it; anything else is its elements and its attachments.
"""

from collections.abc import Iterator, Sequence

from schemas import ews, wire_values
from schemas.answer_order import matched
from schemas.canonical import (
    VOLATILE_ELEMENTS,
    CanonicalAttachment,
    CanonicalItem,
    ShownFlag,
    ShownItem,
    from_elements,
    text_digest,
)
from schemas.canonical_message import from_message
from schemas.ews import M, T, child_text
from schemas.faults import ReplicationFault, TransportFault
from schemas.halving import Halving, may_be_one_items
from schemas.listing import ListedItem
from schemas.ports import CallFailed, CallRefused, Element, EwsSession, ServerAnswer

BATCH_ITEMS_MAX = 50
BATCH_SIZE_BYTES_MAX = 16_000_000
_MESSAGE_CLASSES = ("IPM.NOTE", "IPM.POST", "REPORT.")
_MESSAGE_FIELDS = (
    "item:MimeContent", "item:ItemClass", "item:Subject", "item:DateTimeSent", "item:DateTimeReceived",
    "item:IsDraft", "item:Categories", "item:Importance", "item:Sensitivity", "message:IsRead",
)  # fmt: skip
_SHOWN_APART = frozenset(
    {
        "ItemClass", "Subject", "Body", "DateTimeSent", "DateTimeReceived", "IsDraft", "IsRead", "Flag", "Categories",
        "Importance", "Sensitivity",
    }
)  # fmt: skip


class FullFormReader:
    """Reads canonical items from one server; `with_flags` must be the same on both sides of a comparison."""

    def __init__(self, session: EwsSession, *, with_flags: bool) -> None:
        self._session = session
        self._flag = '<t:FieldURI FieldURI="item:Flag"/>' if with_flags else ""
        self._with_flags = with_flags

    def read(self, address: str, items: Sequence[ListedItem]) -> Iterator[tuple[str, CanonicalItem | str]]:
        """Yield each item's id with its canonical form, or with the code why the server does not hand it out."""
        for is_message in (True, False):
            shape = self._shape(is_message=is_message)
            for batch in _batches([i for i in items if _is_message(i) == is_message]):
                answers = self._answers(address, [i.item_id for i in batch], shape)
                for listed, answer in zip(batch, answers, strict=True):
                    yield listed.item_id, self._form(address, answer, is_message=is_message)

    def _answers(self, address: str, item_ids: list[str], shape: str) -> list[ServerAnswer | CallFailed]:
        """Return the answer about each id; a call that fails is halved until the item at fault stands alone."""

        def ask(ids: list[str]) -> list[ServerAnswer]:
            refs = "".join(map(ews.item_ref, ids))
            body = f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{refs}</m:ItemIds></m:GetItem>"
            messages = self._session.call("GetItem", address, body, len(ids)).messages
            answers = matched(ids, messages, lambda element: element.find(f"{M}Items/*/{T}ItemId"))
            return [a or ServerAnswer(ReplicationFault.ANSWER_MIXED, None) for a in answers]

        top = (
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>"
            f"{ews.distinguished_ref('msgfolderroot')}</m:FolderIds></m:GetFolder>"
        )
        return Halving(item_ids, ask, lambda: self._session.call("GetFolder", address, top, 1)).answers()

    def _form(self, address: str, answer: ServerAnswer | CallFailed, *, is_message: bool) -> CanonicalItem | str:
        if isinstance(answer, CallFailed):
            return answer.code
        try:
            return self._canonical(address, answer, is_message=is_message)
        except CallFailed as failure:
            if not may_be_one_items(failure):
                raise
            return failure.code

    def _shape(self, *, is_message: bool) -> str:
        if not is_message:
            extra = f"<t:AdditionalProperties>{self._flag}</t:AdditionalProperties>" if self._flag else ""
            return f"<t:BaseShape>AllProperties</t:BaseShape>{extra}"
        uris = "".join(f'<t:FieldURI FieldURI="{f}"/>' for f in _MESSAGE_FIELDS) + self._flag
        return f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uris}</t:AdditionalProperties>"

    def _canonical(self, address: str, answer: ServerAnswer, *, is_message: bool) -> CanonicalItem | str:
        item = answer.element.find(f"{M}Items/*") if answer.is_done else None
        if item is None:
            return TransportFault.MALFORMED_ANSWER if answer.is_done else answer.code
        if is_message:
            return from_message(_decoded(child_text(item, f"{T}MimeContent")), self._shown(item))
        attachments = tuple(self._attachments(address, item))
        return from_elements(self._shown(item, tuple(_elements(item, "")), attachments))

    def _shown(
        self,
        item: Element,
        elements: tuple[tuple[str, str], ...] = (),
        attachments: tuple[CanonicalAttachment, ...] = (),
    ) -> ShownItem:
        marks = ews.marks_of(item)
        flag = ShownFlag(
            status=marks.flag_status,
            start=marks.flag_start or "",
            due=marks.flag_due or "",
            completed=marks.flag_completed or "",
        )
        return ShownItem(
            item_class=child_text(item, f"{T}ItemClass"),
            subject=child_text(item, f"{T}Subject"),
            body=child_text(item, f"{T}Body"),
            sent=child_text(item, f"{T}DateTimeSent"),
            received=child_text(item, f"{T}DateTimeReceived"),
            is_draft=wire_values.boolean(child_text(item, f"{T}IsDraft")),
            is_read=marks.is_read,
            flag=flag if self._with_flags else ShownFlag(),
            categories=marks.categories,
            importance=marks.importance,
            sensitivity=child_text(item, f"{T}Sensitivity", "Normal"),
            elements=elements,
            attachments=attachments,
        )

    def _attachments(self, address: str, item: Element) -> Iterator[CanonicalAttachment]:
        ids = [str(e.get("Id")) for e in item.iterfind(f"{T}Attachments/*/{T}AttachmentId")]
        for attachment_id in ids:
            body = (
                "<m:GetAttachment><m:AttachmentShape><t:IncludeMimeContent>true</t:IncludeMimeContent>"
                f"</m:AttachmentShape><m:AttachmentIds><t:AttachmentId Id={ews.quoted(attachment_id)}/>"
                "</m:AttachmentIds></m:GetAttachment>"
            )
            answer = self._session.call("GetAttachment", address, body, 1).messages[0]
            held = answer.element.find(f"{M}Attachments/*")
            if not answer.is_done or held is None:
                raise CallRefused(answer.code, "an attachment can't be read")
            yield CanonicalAttachment(
                name=child_text(held, f"{T}Name"),
                content_id=child_text(held, f"{T}ContentId").strip("<>"),
                sha256=self._attachment_digest(held),
            )

    def _attachment_digest(self, held: Element) -> str:
        """Return the digest of a file's bytes, or of an attached item's canonical form."""
        if held.find(f"{T}Content") is not None:
            return text_digest(_decoded(child_text(held, f"{T}Content")).hex())
        inner = next((child for child in held if child.find(f"{T}ItemClass") is not None), None)
        if inner is None:
            return ""
        mime = child_text(inner, f"{T}MimeContent")
        shown = self._shown(inner, () if mime else tuple(_elements(inner, "")))
        return (from_message(_decoded(mime), shown) if mime else from_elements(shown)).digest().hex()


def _is_message(item: ListedItem) -> bool:
    return item.row.item_class.startswith(_MESSAGE_CLASSES)


def _batches(items: list[ListedItem]) -> Iterator[list[ListedItem]]:
    batch: list[ListedItem] = []
    size_bytes = 0
    for item in items:
        if batch and (len(batch) == BATCH_ITEMS_MAX or size_bytes + item.size_bytes > BATCH_SIZE_BYTES_MAX):
            yield batch
            batch, size_bytes = [], 0
        batch.append(item)
        size_bytes += item.size_bytes
    if batch:
        yield batch


def _elements(item: Element, path: str) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of what is neither volatile nor compared by itself."""
    for child in item:
        name = str(child.tag).rpartition("}")[2]
        if name in VOLATILE_ELEMENTS or (not path and name in _SHOWN_APART):
            continue
        attributes = "".join(f"[{key!s}={value!s}]" for key, value in sorted(child.items()) if key != "ChangeKey")
        here = f"{path}/{name}{attributes}"
        if len(child):
            yield from _elements(child, here)
        else:
            yield here, str(child.text or "")


def _decoded(text: str) -> bytes:
    decoded = wire_values.base64_bytes(text)
    # equal dirt is equal, and no dirt is an exception
    return text.encode("utf-8", "surrogatepass") if decoded is None else decoded
