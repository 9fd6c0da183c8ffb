"""GetFolder: folders by id, with counts and the change probes.

Versions: all; DistinguishedFolderId in answers from 2013. Behaviour: PidTagLocalCommitTimeMax (0x670A) and
PidTagDeletedCountTotal (0x670B) move with every change of a folder's contents. Skipped: PermissionSet.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folder_shapes import FolderShape


def answer(call: Call) -> str:
    """Answer one GetFolder request."""
    shape = FolderShape(call.child("FolderShape"), call.generation)

    def one(node: etree._Element) -> str:
        mailbox, folder = call.folder(node)
        return f"<m:Folders>{shape.xml(mailbox, folder)}</m:Folders>"

    return call.answer(call.children("FolderIds"), one, "<m:Folders/>")
