"""UpdateFolder: names, classes and extended properties of folders.

Versions: all. Behaviour: a distinguished folder keeps its id whatever its name; a name that exists beside it answers
ErrorFolderExists. Skipped: permissions and search parameters are ignored.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.operations.create_folder import folder_xml
from deploy.lab.exchange.properties import read_path, read_property
from deploy.lab.exchange.soap import EwsError, T, local_name


def answer(call: Call) -> str:
    """Answer one UpdateFolder request."""

    def one(node: etree._Element) -> str:
        mailbox, folder = call.folder(node[0])
        for change in node.iterfind(f"{T}Updates/*"):
            _apply(call, mailbox, folder, change)
        call.server.folders.modified(folder)
        call.server.tell_folder("ModifiedEvent", folder)
        return folder_xml(folder)

    return call.write(call.children("FolderChanges"), one, "<m:Folders/>")


def _apply(call: Call, mailbox: Mailbox, folder: Folder, change: etree._Element) -> None:
    path = change[0]
    value = change[1][0] if len(change) > 1 and len(change[1]) else None
    if local_name(path) == "ExtendedFieldURI":
        if local_name(change) == "DeleteFolderField" or value is None:
            folder.extended.pop(read_path(path).key, None)
        else:
            found, given = read_property(value)
            folder.extended[found.key] = given
        return
    uri = path.get("FieldURI")
    text = (value.text or "") if value is not None else ""
    if uri == "folder:DisplayName" and text:
        call.server.folders.place(mailbox, folder, folder.parent, text)
    elif uri == "folder:FolderClass":
        folder.folder_class = text
    elif uri not in {"folder:PermissionSet", "folder:SearchParameters"}:
        raise EwsError("ErrorFolderSavePropertyError", "The property of the folder cannot be set.")
