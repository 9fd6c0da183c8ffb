"""A mailbox as its user's program drives it under chaos: contents name their item and the act that made them so."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

from deploy.lab.comparison.folders import folders_of
from deploy.lab.session import M, SessionError, T, UserSession, attribute, markup
from deploy.lab.workload.mail import INBOX, NewMail
from deploy.lab.workload.mailbox import UserMailbox

_LABEL = re.compile(r"(i[0-9]+) v([0-9]+)")
_PAGE_ITEMS_MAX = 1_000
_NO_MAIL = frozenset({"/calendar", "/contacts", "/tasks", "/notes", "/journal", "/outbox", "/drafts"})


@dataclass(slots=True)
class HeldItem:
    """An item as its user knows it."""

    item_id: str
    folder_id: str
    label: str
    is_read: bool = False


class Letterbox(UserMailbox):
    """One mailbox; every method raises SessionError."""

    def __init__(self, session: UserSession, address: str) -> None:
        super().__init__(session, address)
        self._user_session = session
        self.items: list[HeldItem] = []
        self.parents: dict[str, str] = {}  # the user's own folders, each with its parent

    def look(self) -> None:
        """Read everything that is there, as after a call whose answer never came."""
        folders = folders_of(self._user_session, self.address)
        items: list[HeldItem] = []
        for key, folder in folders.items():
            if key[0] not in _NO_MAIL and folder.item_count:
                items += self._listed(folder.folder_id)
        self.items = items
        self.parents = {f.folder_id: f.parent_id for key, f in folders.items() if not key[-1].startswith("/")}

    def _listed(self, folder_id: str) -> Iterator[HeldItem]:
        body = (
            '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
            '<t:FieldURI FieldURI="item:Subject"/><t:FieldURI FieldURI="message:IsRead"/></t:AdditionalProperties>'
            f'</m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="{_PAGE_ITEMS_MAX}" Offset="0" '
            f'BasePoint="Beginning"/><m:ParentFolderIds><t:FolderId Id={attribute(folder_id)}/></m:ParentFolderIds>'
            "</m:FindItem>"
        )
        answer = self._user_session.one("FindItem", self.address, body)
        for item in answer.findall(f"{M}RootFolder/{T}Items/*"):
            named = _LABEL.match(str(item.findtext(f"{T}Subject") or ""))
            reference = item.find(f"{T}ItemId")
            if named and reference is not None:
                is_read = item.findtext(f"{T}IsRead") == "true"
                yield HeldItem(str(reference.get("Id")), folder_id, named.group(1), is_read)

    def update_together(self, item_id: str, fields: list[tuple[str, str]]) -> None:
        """Set several fields of a message in one call, given as (field URI, element)."""
        updates = "".join(
            f"<t:SetItemField><t:FieldURI FieldURI={attribute(uri)}/><t:Message>{element}</t:Message></t:SetItemField>"
            for uri, element in fields
        )
        self._user_session.one(
            "UpdateItem",
            self.address,
            '<m:UpdateItem MessageDisposition="SaveOnly" ConflictResolution="AlwaysOverwrite"><m:ItemChanges>'
            f"<t:ItemChange><t:ItemId Id={attribute(item_id)}/><t:Updates>{updates}</t:Updates></t:ItemChange>"
            "</m:ItemChanges></m:UpdateItem>",
        )

    def put(self, folder_id: str, mail: NewMail) -> str:
        """Create a message and return its id."""
        created = self.create_mail(folder_id, [mail])[0]
        if created.startswith("!"):
            raise SessionError(created.removeprefix("!"), "CreateItem: refused")
        return created

    def is_within(self, folder_id: str, ancestor_id: str) -> bool:
        """Whether a folder is the other or lies below it."""
        at: str | None = folder_id
        while at is not None and at != ancestor_id:
            at = self.parents.get(at)
        return at is not None


def subject_of(label: str, version: int, words: str) -> str:
    """Return the subject that says which item this is and which act made it so."""
    return f"{label} v{version} {words}"


def message(seed: int, label: str, version: int, words: str, *, sent: datetime, attachment_bytes: int = 0) -> bytes:
    """Return a message whose identity is its label's and whose subject and body name the version."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Sender <sender@elsewhere.test>"
    mail["To"] = "Recipient <recipient@source.test>"
    mail["Subject"] = subject_of(label, version, words)
    mail["Date"] = sent
    mail["Message-ID"] = f"<{label}.{seed}@chaos.test>"
    mail.set_content(f"{subject_of(label, version, words)}\n\n{words} " * 3)
    if attachment_bytes:
        block = f"{label} {version} ".encode()
        content = (block * (attachment_bytes // len(block) + 1))[:attachment_bytes]
        mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=f"{label}.bin")
        mail.set_boundary(f"=-{label}-{version}-=")
    return mail.as_bytes()


def new_mail(mime: bytes, received: datetime, *, is_draft: bool = False) -> NewMail:
    """Return what to create from a MIME message; where is said by the folder's id."""
    return NewMail(owner=0, folder=INBOX, mime=mime, received=received, is_read=is_draft, is_draft=is_draft)


def body_element(label: str, version: int, words: str) -> str:
    """Return the Body element of a new version."""
    return f'<t:Body BodyType="Text">{markup(subject_of(label, version, words))}</t:Body>'
