"""SyncFolderHierarchy: which folders were created, changed or deleted since a state.

Versions: all. Behaviour: everything below SyncFolderId, or below the top of the visible tree without one; counts are no
changes; a folder that was moved out of the tree is a deletion. Skipped: nothing known.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folder_shapes import FolderShape
from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.soap import M
from deploy.lab.exchange.sync_states import HIERARCHY, read_state, server_mark


def answer(call: Call) -> str:
    """Answer one SyncFolderHierarchy request."""
    shape = FolderShape(call.child("FolderShape"), call.generation)

    def one(node: etree._Element) -> str:  # noqa: ARG001 - one request is one part
        server = call.server
        if call.child("SyncFolderId") is not None:
            mailbox, root = call.target("SyncFolderId", "ErrorSyncFolderNotFound")
        else:
            mailbox, root = call.mailbox, call.mailbox.distinguished["msgfolderroot"]
        mark = server_mark(server.store.identity)
        text = call.request.findtext(f"{M}SyncState")
        state = read_state(text, HIERARCHY, root.number, server.store.state_epoch, mark)
        changes = _changes(call, mailbox, root, shape, state.low)
        return (
            f"<m:SyncState>{state.begin(server.store.sequence).end().text()}</m:SyncState>"
            "<m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange>"
            f"<m:Changes>{''.join(changes)}</m:Changes>"
        )

    return call.answer([call.request], one)


def _changes(call: Call, mailbox: Mailbox, root: Folder, shape: FolderShape, low: int) -> list[str]:
    changes = []
    for folder in mailbox.descendants(root):
        if folder.created_sequence > low:
            changes.append(f"<t:Create>{shape.xml(mailbox, folder)}</t:Create>")
        elif folder.modified_sequence > low:
            changes.append(f"<t:Update>{shape.xml(mailbox, folder)}</t:Update>")
    gone = [
        folder.id
        for folder in mailbox.folders.values()
        if low >= folder.created_sequence
        and folder.modified_sequence > low
        and not mailbox.is_below(folder, root.number)
    ]
    rows = call.server.store.database.execute(
        "SELECT number FROM folder_tombstones WHERE mailbox = ? AND sequence > ? AND created_sequence <= ?",
        (mailbox.number, low, low),
    )
    gone += [call.server.identity.folder(mailbox.number, row[0]) for row in rows]
    return changes + [f'<t:Delete><t:FolderId Id="{ident}"/></t:Delete>' for ident in gone]
