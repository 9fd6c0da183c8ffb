from __future__ import annotations

from typing import TYPE_CHECKING

from producers.lineage import last_versions
from schemas.change import Change, Chunk, FolderDeleted, Version
from schemas.codec import encode
from schemas.ports import Outgoing
from schemas.state import TargetFolder, TargetMailbox

if TYPE_CHECKING:
    from .conftest import Rig


def change(mailbox: str, generation: int, sequence: int) -> Change:
    return Change(
        mailbox=mailbox, generation=generation, sequence=sequence, captured_at=0, source_version="",
        operation=FolderDeleted(folder_id="f"),
    )  # fmt: skip


def test_the_last_version_of_each_mailbox_counts_whatever_the_order(rig: Rig) -> None:
    records: list[Change | Chunk] = [change("a", 1, 7), change("b", 1, 1), change("a", 2, 1), change("a", 1, 9)]
    records.append(Chunk(mailbox="a", item="i", sha256="s", index=0, count=1, body=b""))
    rig.owned.transact([Outgoing(rig.topics.changes, "", encode(r)) for r in records], {})
    in_log, in_ledgers = last_versions(rig.owned, rig.topics, ["one"])
    assert in_log == {"a": Version(generation=2, sequence=1), "b": Version(generation=1, sequence=1)}
    assert in_ledgers == {}


def test_the_highest_generation_of_any_ledger_counts(rig: Rig) -> None:
    folder = TargetFolder(
        folder_id="f", target_id="t", parent_id="", name="", folder_class="", distinguished="", created=True,
        generation=9, sequence=1,
    )  # fmt: skip
    for target, generation in (("one", 4), ("two", 3)):
        topic = rig.topics.target_state(target)
        record = TargetMailbox(mailbox="a", generation=generation)
        rig.owned.transact([Outgoing(topic, "", encode(r)) for r in (record, folder)], {})
    rig.owned.transact([Outgoing(rig.topics.target_state("one"), "", None)], {})
    assert last_versions(rig.owned, rig.topics, ["one", "two"]) == ({}, {"a": 4})
