"""What users and operators do in the crash-point tests: stories in stages, each stage done while the feed rests.

Stage 0 is what was there before; a worker may die from stage 1 on.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import Producer

from deploy.kafka import KafkaSettings
from deploy.lab.comparison.folders import folders_of
from deploy.lab.session import M, T, UserSession, attribute
from deploy.lab.workload.mail import INBOX, FolderPath, NewMail
from deploy.lab.workload.mailbox import UserMailbox
from schemas.codec import encode
from schemas.identity import item_key, mailbox_id
from schemas.state import Order
from schemas.topics import Topics

WORK: Final = ("Work",)
PLANS: Final = ("Work", "Plans")
NEWER: Final = ("Newer",)
LARGE_LINES = 32_000
WANTING_TARGET = "one"


class Actor:
    """A user who knows items by their subject, and an operator who writes orders."""

    def __init__(
        self, session: UserSession, address: str, settings: KafkaSettings, topics: Topics, partition: int
    ) -> None:
        self.mailbox = UserMailbox(session, address)
        self._session = session
        self._settings = settings
        self._topics = topics
        self._partition = partition

    def put(self, name: str, path: FolderPath = INBOX, *, lines: int = 1, is_draft: bool = False) -> None:
        head = (
            f"From: Anna <anna@elsewhere.test>\r\nTo: <anna@elsewhere.test>\r\nSubject: {name}\r\n"
            f"Message-ID: <{name}@elsewhere.test>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n\r\n"
        )
        body = "".join(f"line {n} of {name}, which is no shorter than it has to be\r\n" for n in range(lines))
        mail = NewMail(
            owner=0, folder=path, mime=(head + body).encode(), received=datetime(2026, 11, 22, tzinfo=UTC),
            is_read=is_draft, is_draft=is_draft,
        )  # fmt: skip
        created = self.mailbox.create_mail(self.mailbox.folder(path), [mail])[0]
        assert not created.startswith("!"), created

    def item(self, name: str) -> str:
        """Return the id of the one item with this subject, wherever it is."""
        found = [i for i, subject in self._subjects() if subject == name]
        assert len(found) == 1, f"{len(found)} items named {name}"
        return found[0]

    def _subjects(self) -> list[tuple[str, str]]:
        found = []
        for folder in folders_of(self._session, self.mailbox.address).values():
            if folder.item_count:
                body = (
                    '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
                    '<t:AdditionalProperties><t:FieldURI FieldURI="item:Subject"/></t:AdditionalProperties>'
                    f"</m:ItemShape><m:ParentFolderIds><t:FolderId Id={attribute(folder.folder_id)}/>"
                    "</m:ParentFolderIds></m:FindItem>"
                )
                answer = self._session.one("FindItem", self.mailbox.address, body)
                for item in answer.iterfind(f"{M}RootFolder/{T}Items/*"):
                    reference = item.find(f"{T}ItemId")
                    assert reference is not None
                    found.append((str(reference.get("Id")), str(item.findtext(f"{T}Subject"))))
        return found

    def mark(self, name: str) -> None:
        item_id = self.item(name)
        self.mailbox.update(item_id, "message:IsRead", "<t:IsRead>true</t:IsRead>")
        self.mailbox.update(item_id, "item:Categories", "<t:Categories><t:String>red</t:String></t:Categories>")

    def edit(self, name: str) -> None:
        body = f'<t:Body BodyType="Text">{name}, edited</t:Body>'
        self.mailbox.update(self.item(name), "item:Body", body)

    def move(self, name: str, path: FolderPath) -> None:
        self.mailbox.move(self.item(name), self.mailbox.folder(path))

    def copy(self, name: str, path: FolderPath, new_name: str) -> None:
        copy_id = self.mailbox.copy(self.item(name), self.mailbox.folder(path))
        self.mailbox.update(copy_id, "item:Subject", f"<t:Subject>{new_name}</t:Subject>")

    def delete(self, name: str, how: str = "SoftDelete") -> None:
        self.mailbox.delete(self.item(name), how=how)

    def send(self, name: str) -> None:
        item_id = self.item(name)
        self.mailbox.send(item_id, self.mailbox.change_key(item_id))

    def order(self, kind: str, *names: str) -> None:
        """Write an order for the feed; names are those of items that still have the id they were first seen by."""
        mailbox = mailbox_id(self.mailbox.address)
        items = tuple(item_key(mailbox, self.item(n)) for n in names)
        target = WANTING_TARGET if items else ""
        order = Order(mailbox=mailbox, kind=kind, items=items, target=target, reason="test", issued_at=0)
        producer = Producer({"bootstrap.servers": self._settings.bootstrap_servers, "acks": "all"})
        topic = self._topics.orders(self._topics.source)
        producer.produce(topic, key=mailbox, value=encode(order), partition=self._partition)
        assert producer.flush(10) == 0


Deed = Callable[[Actor], None]


def known(actor: Actor) -> None:
    """Items and folders that are mirrored before anything dies."""
    actor.put("a")
    actor.put("b", WORK)
    actor.put("c", PLANS)
    actor.put("d")


def known_and_large(actor: Actor) -> None:
    known(actor)
    actor.put("large", lines=LARGE_LINES)


def new_items(actor: Actor) -> None:
    actor.put("e")
    actor.put("f", WORK)


def items_changed(actor: Actor) -> None:
    """One of everything that happens to items, together."""
    actor.put("e")
    actor.mark("a")
    actor.move("b", INBOX)
    actor.delete("c", "HardDelete")
    actor.edit("d")


def marks(actor: Actor) -> None:
    actor.mark("a")
    actor.mark("c")


def moves(actor: Actor) -> None:
    actor.move("a", WORK)
    actor.move("b", INBOX)
    actor.move("c", INBOX)


def deletions(actor: Actor) -> None:
    actor.delete("a")
    actor.delete("c", "HardDelete")


def edits(actor: Actor) -> None:
    actor.edit("a")
    actor.edit("b")


def copies_and_large(actor: Actor) -> None:
    actor.copy("a", WORK, "a, copied")
    actor.put("large", lines=LARGE_LINES)


def folders_made_and_renamed(actor: Actor) -> None:
    actor.put("e", NEWER)
    actor.mailbox.rename_folder(actor.mailbox.folder(WORK), "Werk")
    actor.mailbox.move_folder(actor.mailbox.folder(PLANS), actor.mailbox.folder(INBOX))


def folders_deleted(actor: Actor) -> None:
    actor.move("b", INBOX)
    actor.mailbox.delete_folder(actor.mailbox.folder(PLANS), how="SoftDelete")
    actor.mailbox.delete_folder(actor.mailbox.folder(WORK), how="HardDelete")


def a_draft(actor: Actor) -> None:
    known(actor)
    actor.put("draft", ("/drafts",), is_draft=True)


def draft_sent(actor: Actor) -> None:
    actor.send("draft")


def wanted_then_paused(actor: Actor) -> None:
    actor.order("WANT", "a")
    actor.order("PAUSE")
    actor.put("e")
    actor.delete("c")


def resumed(actor: Actor) -> None:
    actor.order("RESUME")


def seeded(actor: Actor) -> None:
    actor.delete("d")
    actor.order("SEED")


STORIES: Final[Mapping[str, tuple[Deed, ...]]] = {
    "first copy": (known_and_large,),
    "items changed": (known, items_changed),
    "copies and large items": (known, copies_and_large),
    "folders made, renamed and moved": (known, folders_made_and_renamed),
    "folders deleted": (known, folders_deleted),
    "a draft that is sent": (a_draft, draft_sent),
    "wanted, paused and resumed": (known, wanted_then_paused, resumed),
    "seeded": (known, seeded),
    "new items": (known, new_items),
    "marks": (known, marks),
    "moves": (known, moves),
    "deletions": (known, deletions),
    "new content": (known, edits),
}
"""Every story with its stages."""
