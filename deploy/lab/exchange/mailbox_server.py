"""One simulated Exchange server: its data, switches, subscriptions and the rules that several operations share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lxml import etree

from deploy.lab.exchange.directory import Directory
from deploy.lab.exchange.fields import kind_of
from deploy.lab.exchange.folders import Folder, Folders, Mailbox
from deploy.lab.exchange.identity import Identity
from deploy.lab.exchange.items import Item, Items
from deploy.lab.exchange.soap import EwsError, T, local_name
from deploy.lab.exchange.store import Store
from deploy.lab.exchange.subscriptions import Event, Subscriptions
from deploy.lab.exchange.switches import Switches
from deploy.lab.exchange.versions import Version

# Item kind -> the folder class it needs, and the refusal of any other.
_HOMES: Final = {
    "CalendarItem": ("ipf.appointment", "ErrorCannotCreateCalendarItemInNonCalendarFolder"),
    "Contact": ("ipf.contact", "ErrorCannotCreateContactInNonContactFolder"),
    "DistributionList": ("ipf.contact", "ErrorCannotCreateContactInNonContactFolder"),
    "Task": ("ipf.task", "ErrorCannotCreateTaskInNonTaskFolder"),
}


class MailboxServer:
    """Everything one server knows; operations change it only inside `writing()`."""

    def __init__(
        self,
        directory: Path,
        version: Version,
        switches: Switches,
        clock: Callable[[], float],
        *,
        keeps_history: bool = False,
    ) -> None:
        """Open the data in `directory`; raises `DataError`."""
        self.clock = clock
        self.version = version
        self.switches = switches
        self.store = Store(directory, clock, keeps_history=keeps_history)
        self.identity = Identity(self.store.identity)
        self.folders = Folders(self.store, self.identity)
        self.items = Items(self.folders)
        self.subscriptions = Subscriptions(self.identity, clock)
        self.directory = Directory()
        self._events: list[Event] = []

    @contextmanager
    def writing(self, operation: str) -> Iterator[None]:
        """One transaction; its events go out when it is committed."""
        outer = not self.store.writes
        if outer:
            self._events = []
        with self.store.writing(operation):
            yield
        if outer and self._events:
            self.subscriptions.publish(self._events)
            self._events = []

    # Events

    def tell(self, event: Event) -> None:
        """Return an event of the running transaction, followed by the folder's own when an item is concerned."""
        self._events.append(event)
        if not event.is_folder:
            self._tell_counts(event.mailbox, event.folder)
            if event.kind == "MovedEvent":
                self._tell_counts(event.mailbox, event.old_folder)

    def _tell_counts(self, mailbox: int, number: int) -> None:
        folder = self.folders.by_number[mailbox].folders.get(number)
        if folder is not None:
            self._events.append(
                Event(
                    "ModifiedEvent",
                    mailbox,
                    folder.parent,
                    number,
                    is_folder=True,
                    unread=max(folder.unread, 0),
                )
            )

    def tell_item(self, kind: str, item: Item) -> None:
        """Return a created, modified or deleted item."""
        self.tell(Event(kind, item.mailbox, item.folder, item.number))

    def tell_folder(self, kind: str, folder: Folder) -> None:
        """Return a created, modified or deleted folder."""
        self.tell(Event(kind, folder.mailbox, folder.parent, folder.number, is_folder=True))

    # Finding

    def folder(self, node: etree._Element, own: Mailbox) -> tuple[Mailbox, Folder]:
        """Return the folder of a FolderId or DistinguishedFolderId element; raises `EwsError`."""
        ident = node.get("Id") or ""
        if local_name(node) == "DistinguishedFolderId":
            address = node.findtext(f"{T}Mailbox/{T}EmailAddress")
            named = self.directory.mailbox(address.lower(), self.folders.mailboxes) if address else own
            mailbox = named or self.folders.mailbox(address or "")
            found = mailbox.distinguished.get(ident)
            if found is None:
                raise EwsError("ErrorFolderNotFound", "The specified folder could not be found in the store.")
            return mailbox, found
        return self.folders.find(self.identity.folder_reference(ident))

    def target(
        self, node: etree._Element | None, own: Mailbox, code: str = "ErrorToFolderNotFound"
    ) -> tuple[Mailbox, Folder]:
        """Return the folder inside a ToFolderId, ParentFolderId or SavedItemFolderId element; raises `EwsError`."""
        if node is None or len(node) == 0:
            raise EwsError("ErrorInvalidRequest", "The request names no folder.")
        try:
            return self.folder(node[0], own)
        except EwsError as error:
            if error.code == "ErrorFolderNotFound":
                raise EwsError(code, "The target folder could not be found.") from error
            raise

    def item(self, node: etree._Element) -> Item:
        """Return the living item of an ItemId element; raises `EwsError` (ErrorItemNotFound for a dead id)."""
        reference = self.identity.item_reference(node.get("Id") or "")
        return self.items.find(reference.number)

    # Rules

    def admit(self, mailbox: Mailbox, size_bytes: int) -> None:
        """Refuse what is too large for one message or for the mailbox; raises `EwsError`."""
        if size_bytes > self.switches.message_size_bytes_max:
            raise EwsError("ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
        if mailbox.size + size_bytes > self.switches.mailbox_size_bytes_max:
            raise EwsError("ErrorQuotaExceeded", "The mailbox is over its quota.")

    def recover_folder(self, mailbox: Mailbox) -> Folder:
        """Where softly deleted items go."""
        return mailbox.distinguished["recoverableitemsdeletions"]

    def delete(self, item: Item, delete_type: str) -> None:
        """Delete an item hard, softly or into Deleted Items."""
        mailbox = self.folders.by_number[item.mailbox]
        target = {
            "SoftDelete": self.recover_folder(mailbox),
            "MoveToDeletedItems": mailbox.distinguished["deleteditems"],
        }.get(delete_type)
        if target is None or target.number == item.folder:
            self.items.remove(item)
            self.tell_item("DeletedEvent", item)
            return
        self.move(item, target, recovered=delete_type == "SoftDelete")

    def move(self, item: Item, target: Folder, *, recovered: bool = False) -> None:
        """Move an item, with its events."""
        old_mailbox, old_folder = item.mailbox, item.folder
        old = self.items.move(item, target, keeps_modified=self.switches.move_keeps_modified_time)
        if old_mailbox != item.mailbox:
            self.tell(Event("DeletedEvent", old_mailbox, old_folder, old))
            self.tell_item("CreatedEvent", item)
            return
        self.tell(
            Event(
                "MovedEvent", item.mailbox, item.folder, item.number,
                old_folder=old_folder, old_number=old, recovered=recovered,
            )
        )  # fmt: skip


def refuse_wrong_folder(folder: Folder, item_class: str) -> None:
    """Refuse a class in the wrong kind of folder, as CreateItem does; raises `EwsError`."""
    home = _HOMES.get(kind_of(item_class))
    folder_class = folder.folder_class.lower()
    if home is None or not folder_class or folder.distinguished == "deleteditems":
        return
    if not folder_class.startswith(home[0]):
        raise EwsError(home[1], "Items of this class cannot be created in a folder of another kind.")
