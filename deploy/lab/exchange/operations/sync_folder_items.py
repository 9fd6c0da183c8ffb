"""SyncFolderItems: what changed in a folder since a state.

Versions: all; SyncScope from 2010; newest first since 2010 SP2 (2010 SP1 answers oldest first, as does the switch
`sync_newest_first` when off). Behaviour: at most 512 changes a page; a move is a deletion here and a creation there;
a change of the read flag alone is ReadFlagChange; replaying an old state sends everything after it again.
Skipped: nothing known; bodies and MIME cannot be asked for, as on real servers.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.folders import Folder
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.shapes import Shape, compiled
from deploy.lab.exchange.soap import EwsError, M, element
from deploy.lab.exchange.sync_states import (
    CHANGES,
    CREATIONS,
    DELETIONS,
    ITEMS,
    SyncState,
    read_state,
    server_mark,
)

_ASSOCIATED: Final = {"NormalItems": (0,), None: (0,), "NormalAndAssociatedItems": (0, 1)}


class _Page:
    """One answer being filled: changes are collected until the page is full."""

    def __init__(self, call: Call, folder: Folder, shape: Shape, room: int) -> None:
        self.call = call
        self.folder = folder
        self.shape = shape
        self.view = call.view()
        self.room = room
        self.changes: list[str] = []
        self.ignored = _ignored(call)
        scope = call.request.findtext(f"{M}SyncScope")
        self.associated = _ASSOCIATED.get(scope, (0,))
        newest = call.server.switches.sync_newest_first and call.server.version.generation >= (15, 0)
        self.order = "DESC" if newest else "ASC"

    def fill(self, state: SyncState) -> SyncState:
        """Go through the phases from where the state stands; answers the state after this page."""
        if state.phase == CREATIONS:
            state = self._items(state, "created_sequence", "", self._creation)
        if state.phase == CHANGES and self.room > 0:
            condition = f" AND created_sequence <= {state.low}"
            state = self._items(state, "modified_sequence", condition, self._change)
        if state.phase == DELETIONS and self.room > 0:
            state = self._deletions(state)
        return state

    def _range(self, state: SyncState) -> tuple[int, int]:
        # Newest first the pass counts down from `place`; oldest first it counts up from `low + (high - place)`.
        if self.order == "DESC":
            return state.low, state.place
        return state.low + (state.high - state.place), state.high

    def _after(self, state: SyncState, last: int) -> int:
        return last - 1 if self.order == "DESC" else state.high - (last - state.low)

    def _items(
        self, state: SyncState, column: str, condition: str, write: Callable[[Item, SyncState], str]
    ) -> SyncState:
        low, high = self._range(state)
        marks = ",".join(str(value) for value in self.associated)
        found = self.call.server.items.select(
            f"WHERE folder = ? AND associated IN ({marks}) AND {column} > ? AND {column} <= ?{condition}"
            f" ORDER BY {column} {self.order} LIMIT ?",
            (state.scope, low, high, self.room),
        )
        for item in found:
            if item.number not in self.ignored:
                self.changes.append(write(item, state))
        full = len(found) == self.room
        self.room -= len(found)
        if full:
            return replace(state, place=self._after(state, getattr(found[-1], column)))
        return replace(state, phase=state.phase + 1, place=state.high)

    def _creation(self, item: Item, state: SyncState) -> str:  # noqa: ARG002 - called like _change
        return f"<t:Create>{self.shape.xml(item, self.view)}</t:Create>"

    def _change(self, item: Item, state: SyncState) -> str:
        if item.content_sequence > state.low:
            return f"<t:Update>{self.shape.xml(item, self.view)}</t:Update>"
        read = element("IsRead", "true" if item.is_read else "false")
        return f"<t:ReadFlagChange>{self.call.item_id_xml(item)}{read}</t:ReadFlagChange>"

    def _deletions(self, state: SyncState) -> SyncState:
        low, high = self._range(state)
        marks = ",".join(str(value) for value in self.associated)
        query = (
            f"SELECT sequence, number FROM item_tombstones WHERE folder = ? AND associated IN ({marks})"  # noqa: S608 - our own numbers and order
            f" AND sequence > ? AND sequence <= ? AND created_sequence <= ? ORDER BY sequence {self.order} LIMIT ?"
        )
        values = (state.scope, low, high, state.low, self.room)
        rows = self.call.server.store.database.execute(query, values).fetchall()
        identity, mailbox = self.call.server.identity, self.folder.mailbox
        for _, number in rows:
            self.changes.append(f'<t:Delete><t:ItemId Id="{identity.item(mailbox, number)}"/></t:Delete>')
        full = len(rows) == self.room
        self.room -= len(rows)
        if full:
            return replace(state, place=self._after(state, rows[-1][0]))
        return replace(state, phase=DELETIONS + 1, place=state.high)


def _ignored(call: Call) -> frozenset[int]:
    if not call.server.switches.ignore_list_honoured:
        return frozenset()
    numbers = set()
    for node in call.children("Ignore"):
        try:
            numbers.add(call.server.identity.item_reference(node.get("Id") or "").number)
        except EwsError:
            continue
    return frozenset(numbers)


def _room(call: Call) -> int:
    text = call.request.findtext(f"{M}MaxChangesReturned") or ""
    limit = call.server.switches.sync_page_items_max
    if not text.strip().isdigit() or not 1 <= int(text) <= 512:  # noqa: PLR2004 - the schema's own bound
        raise EwsError("ErrorSchemaValidation", "MaxChangesReturned must be 1 to 512.")
    return min(int(text), limit)


def answer(call: Call) -> str:
    """Answer one SyncFolderItems request."""

    def one(node: etree._Element) -> str:  # noqa: ARG001 - one request is one part
        server = call.server
        shape = compiled(call.child("ItemShape"), call.generation, listing=True)
        folder = call.target("SyncFolderId", "ErrorSyncFolderNotFound")[1]
        mark = server_mark(server.store.identity)
        text = call.request.findtext(f"{M}SyncState")
        state = read_state(text, ITEMS, folder.number, server.store.state_epoch, mark).begin(server.store.sequence)
        page = _Page(call, folder, shape, _room(call))
        state = page.fill(state)
        through = state.phase > DELETIONS
        call.parts_count += max(len(page.changes) - 1, 0)
        return (
            f"<m:SyncState>{(state.end() if through else state).text()}</m:SyncState>"
            f"<m:IncludesLastItemInRange>{'true' if through else 'false'}</m:IncludesLastItemInRange>"
            f"<m:Changes>{''.join(page.changes)}</m:Changes>"
        )

    return call.answer([call.request], one)
