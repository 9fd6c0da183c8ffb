"""A mailbox with somebody at work in it: each action is one change of the kind users make."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from deploy.lab.comparison.folders import folders_of
from deploy.lab.comparison.items import listed
from deploy.lab.session import SessionError, UserSession, markup
from deploy.lab.workload.generator import CATEGORIES, NEWEST, Generator
from deploy.lab.workload.letters import write
from deploy.lab.workload.mail import INBOX, NewMail
from deploy.lab.workload.mailbox import UserMailbox

USER_FOLDERS_MAX: Final = 40
DELETIONS_AN_HOUR_MAX: Final = 80
"""Items a mailbox loses in any hour at most: fewer than trip the deletion breaker, as long as people work in it."""
HOUR_SECONDS: Final = 3600.0
_NOT_FOR_MAIL: Final = frozenset({"/calendar", "/contacts", "/tasks", "/notes", "/journal", "/outbox", "/drafts"})
_WAYS_TO_DELETE: Final = ("HardDelete", "SoftDelete", "MoveToDeletedItems")


@dataclass(slots=True)
class _Item:
    item_id: str
    folder_id: str
    is_read: bool
    is_flagged_by_us: bool = False


class ActiveMailbox:
    """One mailbox with what its user knows of it; constructing reads it, and every action may raise SessionError."""

    def __init__(
        self,
        session: UserSession,
        address: str,
        owner: int,
        generator: Generator,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mailbox = UserMailbox(session, address)
        self._owner = owner
        self._generator = generator
        self._chance = generator.people.chance
        self._has_flag = session.address.has_flag_element
        self._items: list[_Item] = []
        self._parents: dict[str, str] = {}
        self._numbers = count(1)
        self._monotonic = monotonic
        self._deleted_at: deque[float] = deque()
        self._look(session, address)

    def act(self, action: str) -> bool:
        """Do one action by its name in ACTIONS; return False if there was nothing to do it to."""
        return ACTIONS[action][0](self)

    def _look(self, session: UserSession, address: str) -> None:
        for key, folder in folders_of(session, address).items():
            if not key[-1].startswith("/"):
                self._parents[folder.folder_id] = folder.parent_id
            if key[0] not in _NOT_FOR_MAIL and folder.item_count:
                found = listed(session, address, folder.folder_id)
                self._items += [_Item(i.item_id, folder.folder_id, i.is_read) for i in found if i.is_message]

    def _may_delete(self, items: int) -> bool:
        """Count so many deletions if the last hour has room for them, and tell whether it had."""
        now = self._monotonic()
        while self._deleted_at and now - self._deleted_at[0] >= HOUR_SECONDS:
            self._deleted_at.popleft()
        if len(self._deleted_at) + items > DELETIONS_AN_HOUR_MAX:
            return False
        self._deleted_at.extend([now] * items)
        return True

    # -- new mail ------------------------------------------------------------------------------------------

    def receive(self) -> bool:
        """Let a message arrive."""
        folder_id = self._mailbox.folder(INBOX)
        self._items.append(_Item(self._create(folder_id, self._letter(is_draft=False)), folder_id, is_read=False))
        return True

    def draft(self) -> bool:
        """Write a draft and leave it."""
        self._create(self._mailbox.folder(("/drafts",)), self._letter(is_draft=True))
        return True

    def send(self) -> bool:
        """Write a draft and send it: what lies in Sent Items then is a new item, and the draft is gone."""
        if not self._may_delete(1):
            return False
        draft_id = self._create(self._mailbox.folder(("/drafts",)), self._letter(is_draft=True))
        self._mailbox.send(draft_id, self._mailbox.change_key(draft_id))
        return True

    def _letter(self, *, is_draft: bool) -> NewMail:
        people = self._generator.people
        me, other = people.owners[self._owner], self._chance.choice(people.strangers)
        moment = datetime.now(UTC).replace(microsecond=0)
        letter = self._generator.letter(me if is_draft else other, (other if is_draft else me,), moment)
        return NewMail(
            owner=self._owner,
            folder=INBOX,
            mime=write(people, letter),
            received=moment,
            is_read=is_draft,
            is_draft=is_draft,
        )

    def _create(self, folder_id: str, mail: NewMail) -> str:
        created = self._mailbox.create_mail(folder_id, [mail])[0]
        if created.startswith("!"):
            raise SessionError(created.removeprefix("!"), "CreateItem: refused")
        return created

    # -- items that are there ------------------------------------------------------------------------------

    def read(self) -> bool:
        """Turn the read flag of a message."""
        item = self._take()
        if item is not None:
            item.is_read = not item.is_read
        return self._update(
            item, "message:IsRead", f"<t:IsRead>{'true' if item and item.is_read else 'false'}</t:IsRead>"
        )

    def flag(self) -> bool:
        """Flag a message for a day that no other has, or take our flag away: never what is there already."""
        item = self._take()
        if item is None or not self._has_flag:
            return False
        item.is_flagged_by_us = not item.is_flagged_by_us
        day = f"{NEWEST + timedelta(days=next(self._numbers)):%Y-%m-%dT00:00:00Z}"
        dates = f"<t:StartDate>{day}</t:StartDate><t:DueDate>{day}</t:DueDate>" if item.is_flagged_by_us else ""
        status = "Flagged" if item.is_flagged_by_us else "NotFlagged"
        return self._update(item, "item:Flag", f"<t:Flag><t:FlagStatus>{status}</t:FlagStatus>{dates}</t:Flag>")

    def categorise(self) -> bool:
        """Give a message a category, and one that no other has: never what is there already."""
        names = (self._chance.choice(CATEGORIES), f"Project {next(self._numbers)}")
        strings = "".join(f"<t:String>{markup(name)}</t:String>" for name in names)
        return self._update(self._take(), "item:Categories", f"<t:Categories>{strings}</t:Categories>")

    def edit(self) -> bool:
        """Give a message another subject or body."""
        if self._chance.random() < 0.5:  # noqa: PLR2004 - half of them
            subject = markup(self._generator.people.subject("de_DE"))
            return self._update(self._take(), "item:Subject", f"<t:Subject>{subject}</t:Subject>")
        body = markup(self._generator.people.text("en_US"))
        return self._update(self._take(), "item:Body", f'<t:Body BodyType="Text">{body}</t:Body>')

    def move(self) -> bool:
        """Move a message to another folder."""
        item, folder_id = self._take(), self._any_folder()
        if item is None or item.folder_id == folder_id:
            return False
        item.item_id = self._mailbox.move(item.item_id, folder_id)
        item.folder_id = folder_id
        return True

    def copy(self) -> bool:
        """Copy a message."""
        item, folder_id = self._take(), self._any_folder()
        if item is None:
            return False
        self._items.append(_Item(self._mailbox.copy(item.item_id, folder_id), folder_id, item.is_read))
        return True

    def delete(self) -> bool:
        """Delete a message in one of the three ways."""
        item = self._take()
        if item is None or not self._may_delete(1):
            return False
        self._mailbox.delete(item.item_id, how=self._chance.choice(_WAYS_TO_DELETE))
        self._items.remove(item)
        return True

    def _take(self) -> _Item | None:
        """Return an item, newer ones more often, as people do."""
        if not self._items:
            return None
        place = int(self._chance.betavariate(4, 1) * len(self._items))
        return self._items[min(place, len(self._items) - 1)]

    def _update(self, item: _Item | None, field_uri: str, element: str) -> bool:
        if item is None:
            return False
        self._mailbox.update(item.item_id, field_uri, element)
        return True

    # -- folders -------------------------------------------------------------------------------------------

    def create_folder(self) -> bool:
        """Make a folder somewhere."""
        if len(self._parents) >= USER_FOLDERS_MAX:
            return False
        parent_id = self._any_folder()
        self._parents[self._mailbox.create_folder(parent_id, self._name())] = parent_id
        return True

    def rename_folder(self) -> bool:
        """Rename a folder of the user's own."""
        folder_id = self._own_folder()
        if folder_id:
            self._mailbox.rename_folder(folder_id, self._name())
        return bool(folder_id)

    def move_folder(self) -> bool:
        """Hang a folder below another that is not inside it."""
        folder_id, parent_id = self._own_folder(), self._any_folder()
        if not folder_id or self._is_within(parent_id, folder_id) or self._parents[folder_id] == parent_id:
            return False
        self._mailbox.move_folder(folder_id, parent_id)
        self._parents[folder_id] = parent_id
        return True

    def delete_folder(self) -> bool:
        """Delete a folder with everything in it."""
        folder_id = self._own_folder()
        within = sum(self._is_within(item.folder_id, folder_id) for item in self._items)
        if not folder_id or not self._may_delete(within):
            return False
        self._mailbox.delete_folder(folder_id, how=self._chance.choice(_WAYS_TO_DELETE))
        self._items = [item for item in self._items if not self._is_within(item.folder_id, folder_id)]
        self._parents = {f: p for f, p in self._parents.items() if not self._is_within(f, folder_id)}
        return True

    def _is_within(self, folder_id: str, ancestor_id: str) -> bool:
        at: str | None = folder_id
        while at is not None and at != ancestor_id:
            at = self._parents.get(at)
        return at is not None

    def _own_folder(self) -> str:
        return self._chance.choice(list(self._parents)) if self._parents else ""

    def _any_folder(self) -> str:
        ends = [self._mailbox.folder(INBOX), self._mailbox.folder(("/deleteditems",))]
        return self._chance.choice([*ends, *self._parents])

    def _name(self) -> str:
        return f"{self._generator.people.word()} ({next(self._numbers)})"


ACTIONS: Final[Mapping[str, tuple[Callable[[ActiveMailbox], bool], int]]] = {
    "receive": (ActiveMailbox.receive, 24),
    "read": (ActiveMailbox.read, 22),
    "flag": (ActiveMailbox.flag, 6),
    "categorise": (ActiveMailbox.categorise, 6),
    "move": (ActiveMailbox.move, 12),
    "copy": (ActiveMailbox.copy, 3),
    "edit": (ActiveMailbox.edit, 5),
    "draft": (ActiveMailbox.draft, 3),
    "send": (ActiveMailbox.send, 6),
    "delete": (ActiveMailbox.delete, 7),
    "create_folder": (ActiveMailbox.create_folder, 2),
    "rename_folder": (ActiveMailbox.rename_folder, 2),
    "move_folder": (ActiveMailbox.move_folder, 1),
    "delete_folder": (ActiveMailbox.delete_folder, 1),
}
"""Every action with its share in a hundred."""
