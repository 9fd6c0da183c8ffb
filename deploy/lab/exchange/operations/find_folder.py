"""FindFolder: folders below others, by restriction, paged.

Versions: all. Behaviour: Shallow and Deep traversal, parents before children. Skipped: SoftDeleted traversal answers
nothing; FractionalPageFolderView is read as its start.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folder_shapes import FolderShape, folder_value
from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.properties import Value, read_path
from deploy.lab.exchange.restrictions import Reader, Restriction
from deploy.lab.exchange.soap import SoapFaultError, local_name


def answer(call: Call) -> str:
    """Answer one FindFolder request."""
    shape = FolderShape(call.child("FolderShape"), call.generation)
    node = call.child("Restriction")
    restriction = Restriction(node, _folder_reader) if node is not None else None
    view = call.child("IndexedPageFolderView")
    offset = int(view.get("Offset") or "0") if view is not None else 0
    limit = int(view.get("MaxEntriesReturned") or "1000") if view is not None else 1000
    traversal = call.flag("Traversal")

    def one(node: etree._Element) -> str:
        mailbox, parent = call.folder(node)
        found = _below(mailbox, parent, traversal or "Shallow")
        if restriction is not None:
            found = [folder for folder in found if restriction.matches((mailbox, folder))]
        page = found[offset : offset + limit]
        following = offset + len(page)
        last = "true" if following >= len(found) else "false"
        inner = "".join(shape.xml(mailbox, folder) for folder in page)
        return (
            f'<m:RootFolder IndexedPagingOffset="{following}" TotalItemsInView="{len(found)}" '
            f'IncludesLastItemInRange="{last}"><t:Folders>{inner}</t:Folders></m:RootFolder>'
        )

    return call.answer(call.children("ParentFolderIds"), one)


def _below(mailbox: Mailbox, parent: Folder, traversal: str) -> list[Folder]:
    if traversal == "SoftDeleted":
        return []
    if traversal == "Deep":
        return list(mailbox.descendants(parent))
    return list(mailbox.children.get(parent.number, {}).values())


def _folder_reader(node: etree._Element) -> Reader:
    if local_name(node) == "ExtendedFieldURI":
        key = read_path(node).key
        return lambda pair: folder_value(pair[0], pair[1], key)
    name = (node.get("FieldURI") or "").removeprefix("folder:")

    def read(pair: tuple[Mailbox, Folder]) -> Value | None:
        mailbox, folder = pair
        return {
            "DisplayName": folder.name,
            "FolderClass": folder.folder_class,
            "TotalCount": str(folder.total),
            "UnreadCount": str(folder.unread),
            "ChildFolderCount": str(len(mailbox.children.get(folder.number, ()))),
            "FolderId": folder.id,
        }.get(name)

    if name not in {
        "DisplayName",
        "FolderClass",
        "TotalCount",
        "UnreadCount",
        "ChildFolderCount",
        "FolderId",
    }:
        raise SoapFaultError("ErrorSchemaValidation", f"'{node.get('FieldURI')}' is no property of a folder.")
    return read
