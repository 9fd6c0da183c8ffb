"""Compares two servers item by item in the canonical form, mailbox by mailbox, both sides read at once."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from deploy.lab.comparison.folders import FolderKey, folders_of, staging_of
from deploy.lab.comparison.items import ListedItem, ReadItem, listed, read
from deploy.lab.comparison.matching import Match, Seen, match
from deploy.lab.session import ServerAddress, UserSession
from schemas.canonical import differences
from schemas.identity import mailbox_id

PROBLEMS_MAX = 1_000
OnProgress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, without content: whose mailbox, which folder (by number), what, which fields."""

    mailbox: str
    folder: int
    kind: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a comparison found; counts are items unless named otherwise, `problems` at most PROBLEMS_MAX."""

    mailboxes: int = 0
    folders: int = 0
    folders_missing: int = 0
    folders_extra: int = 0
    items_source: int = 0
    items_target: int = 0
    identical: int = 0
    missing: int = 0
    extra: int = 0
    differing: int = 0
    foreign: int = 0
    staged: int = 0
    problems: tuple[Problem, ...] = field(default=(), repr=False)

    @property
    def is_clean(self) -> bool:
        """Whether the target holds exactly what the source holds; foreign items and folders don't count."""
        wrong = (self.missing, self.extra, self.differing, self.staged, self.folders_missing)
        return not any(wrong) and self.identical == self.items_source

    def plus(self, other: "Comparison") -> "Comparison":
        """Return the sum of two."""
        names = (
            "mailboxes", "folders", "folders_missing", "folders_extra", "items_source", "items_target", "identical",
            "missing", "extra", "differing", "foreign", "staged",
        )  # fmt: skip
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return replace(self, problems=(*self.problems, *other.problems)[:PROBLEMS_MAX], **sums)


@dataclass(slots=True)
class Side:
    """One mailbox of one server as it was read: items by folder, what was listed, how many are staged."""

    folders: dict[FolderKey, list[Seen]] = field(default_factory=dict)
    listed: dict[str, ListedItem] = field(default_factory=dict)
    staged: int = 0

    @property
    def item_count(self) -> int:
        """How many items lie in its folders."""
        return sum(map(len, self.folders.values()))


def compare(
    source: ServerAddress,
    target: ServerAddress,
    mailboxes: Iterable[tuple[str, str]],
    on_progress: OnProgress = lambda _: None,
) -> Comparison:
    """Compare mailboxes, given as (address at the source, address at the target); raises SessionError."""
    total = Comparison()
    sessions = UserSession(source), UserSession(target)
    try:
        with ThreadPoolExecutor(2) as threads:
            for pair in mailboxes:
                sides = list(threads.map(read_side, sessions, pair))
                total = total.plus(_compare_mailbox(sessions, pair, (sides[0], sides[1])))
                on_progress(total.items_source)
    finally:
        for session in sessions:
            session.close()
    return total


def read_side(session: UserSession, mailbox: str) -> Side:
    """Read one mailbox of one server; raises SessionError."""
    side = Side()
    for key, folder in folders_of(session, mailbox).items():
        found = list(listed(session, mailbox, folder.folder_id)) if folder.item_count else []
        side.folders[key] = [_seen(item) for item in read(session, mailbox, found)]
        side.listed.update((item.item_id, item) for item in found)
    side.staged = sum(folder.item_count for folder in staging_of(session, mailbox))
    return side


def _seen(item: ReadItem) -> Seen:
    canonical = item.canonical
    return Seen(
        digest=canonical.digest(), identity=canonical.identity(), item_id=item.item_id, is_stamped=item.is_stamped
    )


def _compare_mailbox(
    sessions: tuple[UserSession, UserSession], pair: tuple[str, str], sides: tuple[Side, Side]
) -> Comparison:
    source, target = sides
    total = Comparison(
        mailboxes=1,
        folders=len(source.folders),
        folders_missing=len(source.folders.keys() - target.folders.keys()),
        folders_extra=len(target.folders.keys() - source.folders.keys()),
        items_source=source.item_count,
        items_target=target.item_count,
        staged=target.staged,
    )
    mailbox = mailbox_id(pair[0])
    for number, key in enumerate(sorted(source.folders.keys() | target.folders.keys())):
        found = match(source.folders.get(key, ()), target.folders.get(key, ()))
        rows = [Problem(mailbox, number, "missing")] * len(found.missing)
        rows += [Problem(mailbox, number, "extra")] * len(found.extra)
        rows += [Problem(mailbox, number, "foreign")] * len(found.foreign)
        if found.differing:
            room = PROBLEMS_MAX - len(rows)
            names = _differing_fields(sessions, pair, sides, found.differing[: max(room, 0)])
            rows += [Problem(mailbox, number, "differing", tuple(n)) for n in names]
        if key not in source.folders or key not in target.folders:
            rows.append(Problem(mailbox, number, "folder " + ("missing" if key in source.folders else "extra")))
        total = total.plus(_counted(found, rows))
    return total


def _counted(found: Match, rows: list[Problem]) -> Comparison:
    return Comparison(
        identical=found.identical,
        missing=len(found.missing),
        extra=len(found.extra),
        differing=len(found.differing),
        foreign=len(found.foreign),
        problems=tuple(rows),
    )


def _differing_fields(
    sessions: tuple[UserSession, UserSession],
    pair: tuple[str, str],
    sides: tuple[Side, Side],
    pairs: Sequence[tuple[Seen, Seen]],
) -> list[list[str]]:
    """Read differing items once more, because only their digests were kept, and name what differs."""
    forms = []
    for number in range(2):
        wanted = [sides[number].listed[seen[number].item_id] for seen in pairs]
        forms.append({i.item_id: i.canonical for i in read(sessions[number], pair[number], wanted)})
    return [differences(forms[0][one.item_id], forms[1][other.item_id]) for one, other in pairs]
