"""Which properties of a folder an answer carries, and their XML."""

import base64
from collections.abc import Callable
from typing import Final

from lxml import etree

from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.identity import change_key
from deploy.lab.exchange.items import utc_text
from deploy.lab.exchange.properties import Path, Value, property_xml, read_path
from deploy.lab.exchange.soap import SoapFaultError, T, element, local_name

_KINDS: Final = (
    ("ipf.appointment", "CalendarFolder"),
    ("ipf.contact", "ContactsFolder"),
    ("ipf.task", "TasksFolder"),
)
_RIGHTS: Final = (
    "<t:EffectiveRights><t:CreateAssociated>true</t:CreateAssociated><t:CreateContents>true</t:CreateContents>"
    "<t:CreateHierarchy>true</t:CreateHierarchy><t:Delete>true</t:Delete><t:Modify>true</t:Modify>"
    "<t:Read>true</t:Read></t:EffectiveRights>"
)
_DEFAULT: Final = frozenset({"FolderId", "DisplayName", "TotalCount", "ChildFolderCount", "UnreadCount"})
_UNKNOWN_BUT_VALID: Final = frozenset(
    {"ManagedFolderInformation", "PermissionSet", "SearchParameters", "SharingEffectiveRights", "PolicyTag",
     "ArchiveTag",
     "ReplicaList"}
)  # fmt: skip

FOLDER_READERS: Final[dict[str, Callable[[Mailbox, Folder], Value | None]]] = {
    "0x3001:String": lambda mailbox, folder: folder.name,  # noqa: ARG005
    "0x3013:String": lambda mailbox, folder: folder.folder_class,  # noqa: ARG005
    "0x3602:Integer": lambda mailbox, folder: str(folder.total),  # noqa: ARG005
    "0x3603:Integer": lambda mailbox, folder: str(folder.unread),  # noqa: ARG005
    "0x360a:Boolean": lambda mailbox, folder: "true" if mailbox.children.get(folder.number) else "false",
    "0x3617:Integer": lambda mailbox, folder: str(folder.associated),  # noqa: ARG005
    "0x670a:SystemTime": lambda mailbox, folder: utc_text(folder.committed),  # noqa: ARG005
    "0x670b:Integer": lambda mailbox, folder: str(folder.deleted),  # noqa: ARG005
    "0x0fff:Binary": lambda mailbox, folder: _key(folder),  # noqa: ARG005
    "0x65e0:Binary": lambda mailbox, folder: _key(folder),  # noqa: ARG005
}


def _key(folder: Folder) -> str:
    return base64.b64encode(folder.mailbox.to_bytes(16, "big") + folder.number.to_bytes(6, "big")).decode()


def folder_kind(folder: Folder) -> str:
    """Return the element that shows a folder."""
    lowered = folder.folder_class.lower()
    return next((kind for prefix, kind in _KINDS if lowered.startswith(prefix)), "Folder")


def folder_id_xml(folder: Folder) -> str:
    """Return the FolderId element of a folder."""
    return f'<t:FolderId Id="{folder.id}" ChangeKey="{change_key(folder.change)}"/>'


def folder_value(mailbox: Mailbox, folder: Folder, key: str) -> Value | None:
    """Return the value of an extended property of a folder, or None."""
    reader = FOLDER_READERS.get(key)
    return reader(mailbox, folder) if reader is not None else folder.extended.get(key)


class FolderShape:
    """A FolderShape element: `xml(mailbox, folder)` writes one folder."""

    __slots__ = ("_extended", "_late", "_names")

    def __init__(self, node: etree._Element | None, generation: tuple[int, int]) -> None:
        """Read a FolderShape element; raises `EwsError` or `SoapFaultError` for paths that name nothing."""
        base = (node.findtext(f"{T}BaseShape") if node is not None else None) or "AllProperties"
        self._late = generation >= (15, 0)
        self._extended: list[Path] = []
        self._names: set[str] = {"FolderId"}
        if base == "Default":
            self._names |= _DEFAULT
        elif base == "AllProperties":
            self._names |= _DEFAULT | {"ParentFolderId", "FolderClass", "EffectiveRights"}
            self._names |= {"DistinguishedFolderId"} if self._late else set()
        paths = node.find(f"{T}AdditionalProperties") if node is not None else None
        for path in paths if paths is not None else ():
            if local_name(path) == "ExtendedFieldURI":
                self._extended.append(read_path(path))
                continue
            prefix, _, name = (path.get("FieldURI") or "").partition(":")
            if prefix != "folder" or (name not in _WRITERS and name not in _UNKNOWN_BUT_VALID):
                raise SoapFaultError("ErrorSchemaValidation", f"'{path.get('FieldURI')}' is no property of a folder.")
            self._names.add(name)

    def xml(self, mailbox: Mailbox, folder: Folder) -> str:
        """Return the element of one folder with the asked properties it has."""
        kind = folder_kind(folder)
        pieces = [write(mailbox, folder) for name, write in _WRITERS.items() if name in self._names]
        place = len([name for name in _BEFORE_EXTENDED if name in self._names])
        for path in self._extended:
            value = folder_value(mailbox, folder, path.key)
            if value is not None:
                pieces.insert(place, property_xml(path, value))
                place += 1
        if kind in {"CalendarFolder", "ContactsFolder"} and "UnreadCount" in self._names:
            pieces.pop()
        return f"<t:{kind}>{''.join(pieces)}</t:{kind}>"


def _parent(mailbox: Mailbox, folder: Folder) -> str:
    parent = mailbox.folders.get(folder.parent)
    return f'<t:ParentFolderId Id="{(parent or folder).id}" ChangeKey="{change_key((parent or folder).change)}"/>'


def _distinguished(mailbox: Mailbox, folder: Folder) -> str:  # noqa: ARG001 - all writers are called alike
    return element("DistinguishedFolderId", folder.distinguished) if folder.distinguished else ""


def _class(mailbox: Mailbox, folder: Folder) -> str:  # noqa: ARG001 - all writers are called alike
    return element("FolderClass", folder.folder_class) if folder.folder_class else ""


_BEFORE_EXTENDED: Final = (
    "FolderId",
    "ParentFolderId",
    "FolderClass",
    "DisplayName",
    "TotalCount",
    "ChildFolderCount",
)
_WRITERS: Final[dict[str, Callable[[Mailbox, Folder], str]]] = {
    "FolderId": lambda mailbox, folder: folder_id_xml(folder),  # noqa: ARG005
    "ParentFolderId": _parent,
    "FolderClass": _class,
    "DisplayName": lambda mailbox, folder: element("DisplayName", folder.name),  # noqa: ARG005
    "TotalCount": lambda mailbox, folder: element("TotalCount", str(folder.total)),  # noqa: ARG005
    "ChildFolderCount": lambda mailbox, folder: element(
        "ChildFolderCount", str(len(mailbox.children.get(folder.number, ())))
    ),
    "EffectiveRights": lambda mailbox, folder: _RIGHTS,  # noqa: ARG005
    "DistinguishedFolderId": _distinguished,
    "UnreadCount": lambda mailbox, folder: element("UnreadCount", str(folder.unread)),  # noqa: ARG005
}
