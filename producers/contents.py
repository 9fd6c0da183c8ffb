"""Fetches the content of items in the forms the targets take, in bounded calls.

Large bodies go to the spool at once, so what is in memory stays bounded whatever the mailbox holds. Description and
content are read by several calls, so the ChangeKey is asked once more after the last: content under the ChangeKey of an
older one would be taken for known where that is known already (chaos, seed 104).
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from producers.fingerprint import digest
from producers.round import Content as Judgement
from producers.round import judge
from producers.source import Described, Failed, Portable, Source
from producers.splitting_source import SplittingSource
from producers.spool import INLINE_SIZE_BYTES_MAX, Spool, SpooledBody
from schemas.change import Content, Form
from schemas.faults import ReplicationFault
from schemas.state import IndexEntry

CALL_ITEMS_MAX = 50
CALL_SIZE_BYTES_MAX = 8_000_000
Needed = tuple[IndexEntry, Described]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one item: its contents (none if proven unchanged), or why it failed."""

    entry: IndexEntry
    found: Described
    contents: tuple[Content, ...] = ()
    digest: str = ""
    failure: str = ""
    spooled: dict[str, SpooledBody] = field(default_factory=dict)


class ContentReader:
    """Reads contents from a source in the configured forms."""

    def __init__(self, source: Source, spool: Spool, forms: tuple[Form, ...]) -> None:
        self._source = SplittingSource(source)
        self._spool = spool
        self._forms = forms

    def fetch(self, address: str, needed: list[Needed]) -> Iterator[Fetched]:
        """Yield one result an item, in order; SpoolError if the disk is full."""
        for batch in _batches(needed):
            yield from self._fetch_batch(address, batch)

    def _fetch_batch(self, address: str, batch: list[Needed]) -> Iterator[Fetched]:
        ids = [found.item_id for _, found in batch]
        self._source.know_folder(address, batch[0][1].folder_id)
        portable = self._portable(address, batch)
        elements = self._elements(address, batch)
        streams: list[bytes | Failed] = []
        if Form.STREAM in self._forms:
            changed = [i for i, (need, p) in enumerate(zip(batch, portable, strict=True)) if not _is_same(need, p)]
            exported = self._source.export(address, [ids[i] for i in changed]) if changed else []
            answers = dict(zip(changed, exported, strict=True))
            streams = [answers.get(i, Failed("unchanged")) for i in range(len(batch))]
        keys = self._source.change_keys(address, ids)
        for number, (entry, found) in enumerate(batch):
            if keys[number] == found.change_key:
                whole = {Form.STREAM: streams[number]} if streams else {}
                if shown := elements.get(found.item_id):
                    whole[Form.ELEMENTS] = shown
                yield self._one(entry, found, portable[number], whole)
            else:
                yield Fetched(entry, found, failure=_why_not(keys[number]))

    def _portable(self, address: str, batch: list[Needed]) -> list[Portable | Failed | None]:
        """Fetch MIME where it is published, or where an edit has to be told from new marks."""
        asked = [
            i for i, (entry, found) in enumerate(batch)
            if is_message(found.summary.item_class) and (Form.PORTABLE in self._forms or entry.change_key)
        ]  # fmt: skip
        answers: list[Portable | Failed | None] = [None] * len(batch)
        if asked:
            ids = [batch[i][1].item_id for i in asked]
            for i, answer in zip(asked, self._source.portable(address, ids), strict=True):
                answers[i] = answer
        return answers

    def _elements(self, address: str, batch: list[Needed]) -> dict[str, bytes | Failed]:
        """Fetch elements, by item id, of what MIME does not hold all of."""
        if Form.ELEMENTS not in self._forms:
            return {}
        ids = [found.item_id for _, found in batch if not is_message(found.summary.item_class)]
        return dict(zip(ids, self._source.elements(address, ids), strict=True)) if ids else {}

    def _one(
        self, entry: IndexEntry, found: Described, portable: Portable | Failed | None, whole: dict[Form, bytes | Failed]
    ) -> Fetched:
        known = _digest_of(found, portable)
        if _is_same((entry, found), portable):
            return Fetched(entry, found, digest=known)
        stream = whole.get(Form.STREAM)
        failure = next((p.code for p in (stream, portable, *whole.values()) if isinstance(p, Failed)), "")
        if failure and not isinstance(stream, bytes):
            return Fetched(entry, found, failure=failure)
        contents: list[Content] = []
        spooled: dict[str, SpooledBody] = {}
        bodies: list[tuple[Form, bytes, dict[str, str]]] = []
        if isinstance(stream, bytes):
            bodies.append((Form.STREAM, stream, {}))
        if isinstance(portable, Portable) and Form.PORTABLE in self._forms:
            bodies.append((Form.PORTABLE, portable.mime, portable.properties))
        if isinstance(shown := whole.get(Form.ELEMENTS), bytes):
            bodies.append((Form.ELEMENTS, shown, {}))
        if not bodies:
            return Fetched(entry, found, failure=ReplicationFault.NO_PORTABLE_FORM)
        for form, body, properties in bodies:
            content, on_disk = self._content(form, body, properties)
            contents.append(content)
            if on_disk:
                spooled[on_disk.sha256] = on_disk
        return Fetched(entry, found, tuple(contents), known, spooled=spooled)

    def _content(self, form: Form, body: bytes, properties: dict[str, str]) -> tuple[Content, SpooledBody | None]:
        # all forms of a change share one record
        inline_max = INLINE_SIZE_BYTES_MAX // len(self._forms)
        on_disk = self._spool.keep(body) if len(body) > inline_max else None
        content = Content(
            form=form,
            size_bytes=len(body),
            sha256=on_disk.sha256 if on_disk else hashlib.sha256(body).hexdigest(),
            chunk_count=on_disk.chunk_count if on_disk else 0,
            body=b"" if on_disk else body,
            properties=properties,
        )
        return content, on_disk


def _why_not(key: str | Failed) -> str:
    return key.code if isinstance(key, Failed) else ReplicationFault.CHANGED_MEANWHILE


def is_message(item_class: str) -> bool:
    """Tell whether MIME holds all of an item's content: mail, posts and reports do, others do not."""
    upper = item_class.upper()
    return upper.startswith(("IPM.NOTE", "IPM.POST", "REPORT."))


def _is_same(need: Needed, portable: Portable | Failed | None) -> bool:
    entry, found = need
    return judge(entry, found) is Judgement.COMPARE and entry.digest == _digest_of(found, portable) != ""


def _digest_of(found: Described, portable: Portable | Failed | None) -> str:
    if not isinstance(portable, Portable) or not is_message(found.summary.item_class):
        return ""
    return digest(portable.mime, portable.properties, is_draft=found.summary.is_draft)


def _batches(needed: list[Needed]) -> Iterator[list[Needed]]:
    """Split by count and bytes; one item larger than the bound goes alone."""
    batch: list[Needed] = []
    size_bytes = 0
    for need in needed:
        item_size_bytes = need[1].summary.size_bytes
        if batch and (len(batch) == CALL_ITEMS_MAX or size_bytes + item_size_bytes > CALL_SIZE_BYTES_MAX):
            yield batch
            batch, size_bytes = [], 0
        batch.append(need)
        size_bytes += item_size_bytes
    if batch:
        yield batch
