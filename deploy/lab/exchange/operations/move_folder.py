"""MoveFolder: folders under another parent, with everything in them.

Versions: all. Behaviour: the FolderId stays inside a mailbox; a distinguished folder answers
ErrorMoveDistinguishedFolder, a name that exists there ErrorFolderExists. Skipped: moves to another mailbox.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.operations.create_folder import folder_xml
from deploy.lab.exchange.soap import EwsError
from deploy.lab.exchange.subscriptions import Event


def answer(call: Call) -> str:
    """Answer one MoveFolder request."""

    def one(node: etree._Element) -> str:
        mailbox, target = call.target("ToFolderId")
        owner, folder = call.folder(node)
        if folder.distinguished:
            raise EwsError("ErrorMoveDistinguishedFolder", "A distinguished folder cannot be moved.")
        if owner is not mailbox:
            raise EwsError("ErrorCrossMailboxMoveCopy", "Folders cannot be moved between mailboxes here.")
        if target is folder or mailbox.is_below(target, folder.number):
            raise EwsError("ErrorMoveCopyFailed", "A folder cannot be moved into itself.")
        old = folder.parent
        call.server.folders.place(mailbox, folder, target.number, folder.name)
        call.server.tell(
            Event(
                "MovedEvent",
                mailbox.number,
                target.number,
                folder.number,
                is_folder=True,
                old_folder=old,
                old_number=folder.number,
            )
        )
        return folder_xml(folder)

    return call.write(call.children("FolderIds"), one, "<m:Folders/>")
