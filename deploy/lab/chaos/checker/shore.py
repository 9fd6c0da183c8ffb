"""One mailbox at one server, read off the server's own history: its folders over time, and the life of every item."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from deploy.lab.chaos.checker.names import PRODUCT_AGENT
from deploy.lab.exchange.history import Write

VISIBLE_ROOT = "msgfolderroot"
_DEPTH_MAX = 300

Marks = tuple[bool, str, tuple[str, ...], str]


@dataclass(frozen=True, slots=True)
class Moment:
    """One write in an item's life, and whether users can see the item after it."""

    write: Write
    is_visible: bool

    @property
    def marks(self) -> Marks:
        """What a user can set without touching the content, none of it in an order of its own."""
        write = self.write
        return write.is_read, write.flag, tuple(sorted(write.categories)), write.importance or "Normal"


@dataclass(slots=True)
class Life:
    """One item from its creation to its end, through all its ids."""

    moments: list[Moment] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        """Every id it had, in order."""
        return list(dict.fromkeys(m.write.id for m in self.moments))

    @property
    def last(self) -> Moment:
        """Its last write."""
        return self.moments[-1]

    @property
    def is_ours(self) -> bool:
        """Whether the product made it."""
        return self.moments[0].write.agent == PRODUCT_AGENT

    @property
    def is_visible(self) -> bool:
        """Whether users can see it at the end."""
        return self.last.is_visible

    @property
    def seen(self) -> list[Moment]:
        """Its moments that users can see."""
        return [m for m in self.moments if m.is_visible]


@dataclass(frozen=True, slots=True)
class _Folder:
    parent: str
    name: str
    distinguished: str
    agent: str


class Tree:
    """The folders of a mailbox as they are after the writes so far."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}

    def apply(self, write: Write) -> None:
        """Take in one write of a folder."""
        if write.kind == "delete":
            self._folders.pop(write.id, None)
        else:
            known = self._folders.get(write.id)
            maker = known.agent if known else write.agent
            self._folders[write.id] = _Folder(write.folder_id, write.name, write.distinguished, maker)

    def path(self, folder_id: str) -> tuple[str, ...] | None:
        """Return the names from the visible root down, distinguished ones by id; None outside the visible tree."""
        names: list[str] = []
        current = folder_id
        for _ in range(_DEPTH_MAX):
            folder = self._folders.get(current)
            if folder is None:
                return None
            if folder.distinguished == VISIBLE_ROOT:
                return tuple(reversed(names))
            names.append(f"<{folder.distinguished}>" if folder.distinguished else folder.name.casefold())
            current = folder.parent
        return None

    def is_visible(self, folder_id: str) -> bool:
        """Whether users see what lies in a folder: it hangs below the visible root."""
        return self.path(folder_id) is not None

    def visible_paths(self) -> set[tuple[str, ...]]:
        """Return the paths of all visible folders."""
        return {path for folder_id in self._folders if (path := self.path(folder_id))}

    def paths_above(self, folder_ids: Iterable[str]) -> set[tuple[str, ...]]:
        """Return the paths of visible folders and of everything above them."""
        paths = [path for folder_id in folder_ids if (path := self.path(folder_id))]
        return {path[:length] for path in paths for length in range(1, len(path) + 1)}

    def made_by_users(self) -> list[str]:
        """Return the folders that somebody else than the product made, distinguished ones apart."""
        return [i for i, f in self._folders.items() if f.agent not in {"", PRODUCT_AGENT} and not f.distinguished]


class Shore:
    """The folders and lives of one mailbox."""

    def __init__(self) -> None:
        self.tree = Tree()
        self.lives: list[Life] = []
        self.by_id: dict[str, Life] = {}

    def apply(self, write: Write) -> None:
        """Take in one write, in the server's order."""
        if write.object == "folder":
            self.tree.apply(write)
            return
        life = self.by_id.get(write.previous_id if write.kind == "move" else write.id)
        if life is None:
            life = Life()
            self.lives.append(life)
        self.by_id[write.id] = life
        life.moments.append(Moment(write, write.kind != "delete" and self.tree.is_visible(write.folder_id)))

    @property
    def moments(self) -> list[tuple[Moment, Life]]:
        """Every moment of every life, in the server's order."""
        found = [(moment, life) for life in self.lives for moment in life.moments]
        return sorted(found, key=lambda pair: pair[0].write.position)


def shores_of(history: Iterable[Write]) -> dict[str, Shore]:
    """Return the mailboxes of a server, by address."""
    shores: dict[str, Shore] = {}
    for write in history:
        shores.setdefault(write.mailbox, Shore()).apply(write)
    return shores
