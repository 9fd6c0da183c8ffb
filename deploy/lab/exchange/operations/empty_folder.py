"""EmptyFolder: everything in a folder deleted, with or without the folders below it.

Versions: from 2010 SP1. Behaviour: DeleteSubFolders keeps distinguished folders. Skipped: nothing known.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.operations.delete_folder import empty_folder, remove_tree


def answer(call: Call) -> str:
    """Answer one EmptyFolder request."""
    delete_type = call.flag("DeleteType") or "HardDelete"
    with_folders = call.flag("DeleteSubFolders") == "true"

    def one(node: etree._Element) -> str:
        mailbox, folder = call.folder(node)
        empty_folder(call.server, folder, delete_type)
        if with_folders:
            for child in list(mailbox.children.get(folder.number, {}).values()):
                if not child.distinguished:
                    remove_tree(call.server, mailbox, child, delete_type)
        return ""

    return call.write(call.children("FolderIds"), one)
