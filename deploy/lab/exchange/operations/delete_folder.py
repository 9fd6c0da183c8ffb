"""DeleteFolder: folders with everything in them, hard, soft, or into Deleted Items.

Versions: all. Behaviour: distinguished folders answer ErrorDeleteDistinguishedFolder; a soft deletion puts the items
into Recoverable Items; one with content is refused by the switch `delete_folder_requires_empty`; by the switch
`soft_deleted_folder_reachable` a softly deleted folder goes there whole, and stays readable and writable by its id.
Skipped: without that switch, a softly deleted folder's own place and name cannot be recovered.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.subscriptions import Event


def answer(call: Call) -> str:
    """Answer one DeleteFolder request."""
    delete_type = call.flag("DeleteType") or "HardDelete"

    def one(node: etree._Element) -> str:
        mailbox, folder = call.folder(node)
        _refuse(call.server, mailbox, folder)
        if delete_type == "MoveToDeletedItems":
            _discard(call.server, mailbox, folder, "deleteditems")
        elif delete_type == "SoftDelete" and call.server.switches.soft_deleted_folder_reachable:
            _discard(call.server, mailbox, folder, "recoverableitemsdeletions")
        else:
            remove_tree(call.server, mailbox, folder, delete_type)
        return ""

    return call.write(call.children("FolderIds"), one)


def _refuse(server: MailboxServer, mailbox: Mailbox, folder: Folder) -> None:
    if folder.distinguished or any(below.distinguished for below in mailbox.descendants(folder)):
        raise EwsError("ErrorDeleteDistinguishedFolder", "A distinguished folder cannot be deleted.")
    if not server.switches.delete_folder_requires_empty:
        return
    if folder.total or folder.associated or mailbox.children.get(folder.number):
        raise EwsError("ErrorCannotDeleteObject", "The folder is not empty.")


def empty_folder(server: MailboxServer, folder: Folder, delete_type: str) -> None:
    """Delete every item of a folder."""
    for item in server.items.select("WHERE folder = ? ORDER BY row", (folder.number,)):
        server.delete(item, delete_type)


def remove_tree(server: MailboxServer, mailbox: Mailbox, folder: Folder, delete_type: str) -> None:
    """Delete a folder with all folders and items below it."""
    for one in [*reversed(list(mailbox.descendants(folder))), folder]:
        empty_folder(server, one, delete_type)
        server.folders.remove(mailbox, one)
        server.tell_folder("DeletedEvent", one)


def _discard(server: MailboxServer, mailbox: Mailbox, folder: Folder, place: str) -> None:
    """Move a folder with everything in it below a distinguished one."""
    bin_folder = mailbox.distinguished[place]
    name, count = folder.name, 0
    while name.casefold() in mailbox.children.get(bin_folder.number, {}):
        count += 1
        name = f"{folder.name} ({count})"
    old = folder.parent
    server.folders.place(mailbox, folder, bin_folder.number, name)
    server.tell(
        Event(
            "MovedEvent",
            mailbox.number,
            bin_folder.number,
            folder.number,
            is_folder=True,
            old_folder=old,
            old_number=folder.number,
        )
    )
