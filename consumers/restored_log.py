"""The log that a restore replays: one seed that says a folded mailbox, with content read from the real log.

State: the sequence of the seed, and how far the real log was read. Memory holds no more than the pieces of one item.
Order: seed begin, folders parents first, then items in the order in which the log holds their content, seed end. A
generation of its own a run makes a run that is begun again skip what the ledger holds already.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from consumers.folding import Folded, FoldedItem
from schemas.change import Change, Chunk, ItemSaved, Operation, SeedBegin, SeedEnd
from schemas.codec import decode, encode
from schemas.ports import Incoming

ReadLog = Callable[[int, int], Iterator[Incoming]]
"""The records of the real log from an offset up to another, in order."""


class RestoredLog:
    """`schemas.ports.LogReader` over a folded mailbox."""

    def __init__(self, mailbox: str, folded: Folded, read_log: ReadLog, generation: int) -> None:
        self._mailbox = mailbox
        self._generation = generation
        self._sequence = 0
        self._offset = 0
        self._said = 0
        self._records = self._all(folded, read_log)
        self.is_at_end = False

    @property
    def position(self) -> int:
        """Offset of the next record, in this log of its own."""
        return self._offset

    def read(self, count_max: int, timeout_seconds: float) -> list[Incoming]:  # noqa: ARG002 - the port's
        """Return the next records; none means that there are no more."""
        found: list[Incoming] = []
        while len(found) < count_max:
            record = next(self._records, None)
            if record is None:
                self.is_at_end = not found
                break
            found.append(record)
        return found

    def seek(self, offset: int) -> None:
        """Refuse: a restore is begun again as a whole, and skips what is done."""
        raise OSError(f"a restore can't go back to {offset}: begin it again, and it goes on from there")

    def end(self) -> int:
        """Return the offset after the last record."""
        return self.position + self.lag_records()

    def lag_records(self) -> int:
        """Return 0 at the end, 1 before it: how many there are is not known."""
        return int(not self.is_at_end)

    def _all(self, folded: Folded, read_log: ReadLog) -> Iterator[Incoming]:
        yield self._write(SeedBegin(previous=None, reason="restore"))
        for folder in folded.parents_first():
            yield self._write(folder)
        wanted = folded.restorable()
        if wanted:
            begin = min(item.begins_at for item in wanted.values())
            yield from self._contents(wanted, read_log(begin, max(wanted) + 1))
        yield self._write(SeedEnd(begun=1, items=self._said))

    def _contents(self, wanted: dict[int, FoldedItem], records: Iterator[Incoming]) -> Iterator[Incoming]:
        """Yield the wanted saves with the chunks right before them."""
        chunks: list[Chunk] = []
        for incoming in records:
            if incoming.value is None or not incoming.key.startswith(self._mailbox):
                continue
            record = decode(incoming.value)
            if isinstance(record, Chunk):
                chunks = [*(c for c in chunks if c.item == record.item), record]
            elif isinstance(record, Change):
                if (item := wanted.get(incoming.offset)) and isinstance(record.operation, ItemSaved):
                    for chunk in chunks:
                        yield self._record(chunk)
                    self._said += 1
                    yield self._write(_as_folded(record.operation, item))
                chunks = []

    def _write(self, operation: Operation) -> Incoming:
        self._sequence += 1
        return self._record(
            Change(
                mailbox=self._mailbox, generation=self._generation, sequence=self._sequence, captured_at=0,
                source_version="", operation=operation,
            )
        )  # fmt: skip

    def _record(self, record: Change | Chunk) -> Incoming:
        incoming = Incoming(self._offset, 0, self._mailbox, encode(record))
        self._offset += 1
        return incoming


def _as_folded(saved: ItemSaved, item: FoldedItem) -> ItemSaved:
    return replace(saved, ref=replace(saved.ref, folder_id=item.folder_id), marks=item.marks or saved.marks, targets=())
