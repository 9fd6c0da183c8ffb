"""CreateFolder: folders below a parent.

Versions: all. Behaviour: a name that exists there answers ErrorFolderExists; class from FolderClass or else from the
element. Skipped: search folders are created as plain folders; PermissionSet is ignored.
"""

from typing import Final

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folder_shapes import folder_id_xml, folder_kind
from deploy.lab.exchange.folders import Folder
from deploy.lab.exchange.properties import read_property
from deploy.lab.exchange.soap import EwsError, T, local_name

_CLASSES: Final = {
    "Folder": "IPF.Note",
    "CalendarFolder": "IPF.Appointment",
    "ContactsFolder": "IPF.Contact",
    "TasksFolder": "IPF.Task",
    "SearchFolder": "IPF.Note",
}


def folder_xml(folder: Folder) -> str:
    """Return what answers about a written folder carry."""
    return f"<m:Folders><t:{folder_kind(folder)}>{folder_id_xml(folder)}</t:{folder_kind(folder)}></m:Folders>"


def answer(call: Call) -> str:
    """Answer one CreateFolder request."""

    def one(node: etree._Element) -> str:
        mailbox, parent = call.target("ParentFolderId", "ErrorParentFolderNotFound")
        kind, name = local_name(node), node.findtext(f"{T}DisplayName") or ""
        if kind not in _CLASSES or not name:
            raise EwsError("ErrorFolderSavePropertyError", "A new folder needs a known kind and a DisplayName.")
        properties = [read_property(found) for found in node.iterfind(f"{T}ExtendedProperty")]
        folder_class = node.findtext(f"{T}FolderClass") or _CLASSES[kind]
        folder = call.server.folders.create(mailbox, parent.number, name, folder_class)
        for path, value in properties:
            folder.extended[path.key] = value
        call.server.tell_folder("CreatedEvent", folder)
        return folder_xml(folder)

    return call.write(call.children("Folders"), one, "<m:Folders/>")
