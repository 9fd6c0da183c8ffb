"""The cheap question whether a folder changed: commit time, deletions and count of many folders in one GetFolder.

Asked of the source before its folders are read, and of a target between two comparisons. PidTagLocalCommitTimeMax
(0x670A) and PidTagDeletedCountTotal (0x670B) are of [MS-OXCFOLD]; a value proves something only when it is certain.
"""

from collections.abc import Sequence
from typing import Final

from schemas import ews, wire_values
from schemas.ews import M, T, child_text
from schemas.ports import Element, EwsSession

REST_SECONDS: Final = 3
"""How long an item or folder must have been at rest on the server's own clock before equality is believed."""
UNCERTAIN: Final = "?"
"""Ends a probe value that a later change could leave equal: times come in whole seconds."""


def read(session: EwsSession, address: str, folder_ids: Sequence[str]) -> dict[str, str]:
    """Return the probe value of each folder that is there, by FolderId; CallFailed if the server does not answer."""
    if not folder_ids:
        return {}
    uris = '<t:FieldURI FieldURI="folder:TotalCount"/>' + ews.COMMIT_TIME_MAX.uri + ews.DELETED_COUNT.uri
    body = (
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape>"
        f"<t:AdditionalProperties>{uris}</t:AdditionalProperties></m:FolderShape>"
        f"<m:FolderIds>{''.join(map(ews.folder_ref, folder_ids))}</m:FolderIds></m:GetFolder>"
    )
    answers = session.call("GetFolder", address, body, len(folder_ids))
    folders = [m.element.find(f"{M}Folders/*") for m in answers.messages if m.is_done]
    values = {_id(f): _value(f, answers.server_time_seconds) for f in folders if f is not None}
    return {folder_id: values[folder_id] for folder_id in folder_ids if folder_id in values}


def is_unchanged(before: str, now: str) -> bool:
    """Tell whether two values prove that nothing happened in a folder between them."""
    return bool(now) and not now.endswith(UNCERTAIN) and now == before


def is_at_rest(written: str, server_time_seconds: int) -> bool:
    """Tell whether a time of the server lies long enough before its own clock to be told from a later one."""
    changed = wire_values.moment_seconds(written)
    return changed is not None and 0 < changed + REST_SECONDS <= server_time_seconds


def _id(folder: Element) -> str:
    reference = folder.find(f"{T}FolderId")
    return "" if reference is None else str(reference.get("Id", ""))


def _value(folder: Element, server_time_seconds: int) -> str:
    values = ews.extended_values(folder)
    committed = ews.value_of(values, ews.COMMIT_TIME_MAX)
    deleted = ews.value_of(values, ews.DELETED_COUNT)
    total = child_text(folder, f"{T}TotalCount")
    if not committed:
        # a folder that never held anything has no commit time; a server that has none proves nothing
        return f"/{deleted}/{total}" if total == "0" else ""
    return f"{committed}/{deleted}/{total}" + ("" if is_at_rest(committed, server_time_seconds) else UNCERTAIN)
