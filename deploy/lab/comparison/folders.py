"""The folders of a mailbox by a key that is the same on both servers: distinguished ids and names below them."""

from dataclasses import dataclass

from deploy.lab.session import M, T, UserSession, attribute

FolderKey = tuple[str, ...]

_ROOT = "msgfolderroot"
_WITHIN = (
    "inbox", "drafts", "sentitems", "deleteditems", "outbox", "junkemail", "calendar", "contacts", "tasks", "notes",
    "journal",
)  # fmt: skip
_STAGING_PREFIX = "mailshadow-staging-"
_FOLDERS_MAX = 1_000
_DEPTH_MAX = 300


@dataclass(frozen=True, slots=True)
class SeenFolder:
    """A folder: id, id of its parent, name, number of items."""

    folder_id: str
    parent_id: str
    name: str
    item_count: int


def folders_of(session: UserSession, mailbox: str) -> dict[FolderKey, SeenFolder]:
    """Return all folders below the mailbox's visible root; raises SessionError."""
    distinguished = _distinguished(session, mailbox)
    found = {f.folder_id: f for f in _find(session, mailbox, _ROOT, "Deep")}
    return {_key(folder, found, distinguished): folder for folder in found.values()}


def staging_of(session: UserSession, mailbox: str) -> list[SeenFolder]:
    """Return the replay's staging folders, which lie outside the visible tree."""
    return [f for f in _find(session, mailbox, "root", "Shallow") if f.name.startswith(_STAGING_PREFIX)]


def _key(folder: SeenFolder, found: dict[str, SeenFolder], distinguished: dict[str, str]) -> FolderKey:
    names: list[str] = []
    at: SeenFolder | None = folder
    while at is not None and len(names) < _DEPTH_MAX:
        if at.folder_id in distinguished:
            # a slash cannot stand in a folder's name, so no name can be taken for one of these
            names.append(f"/{distinguished[at.folder_id]}")
            break
        names.append(at.name)
        at = found.get(at.parent_id)
    return tuple(reversed(names))


def _distinguished(session: UserSession, mailbox: str) -> dict[str, str]:
    refs = "".join(f'<t:DistinguishedFolderId Id="{name}"/>' for name in _WITHIN)
    body = (
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        f"<m:FolderIds>{refs}</m:FolderIds></m:GetFolder>"
    )
    answers = session.answers("GetFolder", mailbox, body)
    ids = (answer.find(f"{M}Folders/*/{T}FolderId") for answer in answers)
    return {str(found.get("Id")): name for name, found in zip(_WITHIN, ids, strict=True) if found is not None}


def _find(session: UserSession, mailbox: str, root: str, traversal: str) -> list[SeenFolder]:
    folders: list[SeenFolder] = []
    is_last = False
    while not is_last:
        body = (
            f"<m:FindFolder Traversal={attribute(traversal)}><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>"
            '<t:AdditionalProperties><t:FieldURI FieldURI="folder:DisplayName"/>'
            '<t:FieldURI FieldURI="folder:ParentFolderId"/><t:FieldURI FieldURI="folder:TotalCount"/>'
            "</t:AdditionalProperties></m:FolderShape>"
            f'<m:IndexedPageFolderView MaxEntriesReturned="{_FOLDERS_MAX}" Offset="{len(folders)}" '
            f'BasePoint="Beginning"/><m:ParentFolderIds><t:DistinguishedFolderId Id="{root}"/></m:ParentFolderIds>'
            "</m:FindFolder>"
        )
        page = session.one("FindFolder", mailbox, body).find(f"{M}RootFolder")
        if page is None:
            break
        before = len(folders)
        for element in page.iterfind(f"{T}Folders/*"):
            folder_id, parent_id = element.find(f"{T}FolderId"), element.find(f"{T}ParentFolderId")
            folders.append(
                SeenFolder(
                    "" if folder_id is None else str(folder_id.get("Id")),
                    "" if parent_id is None else str(parent_id.get("Id")),
                    str(element.findtext(f"{T}DisplayName") or ""),
                    int(element.findtext(f"{T}TotalCount") or 0),
                )
            )
        is_last = page.get("IncludesLastItemInRange") != "false" or len(folders) == before
    return folders
