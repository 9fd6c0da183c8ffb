"""What a user at the source does: each action is one act with its truth; the table says how often each is done."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from deploy.lab.chaos.truth import Intent, Scribe
from deploy.lab.chaos.user import HeldItem, Letterbox, body_element, message, new_mail, subject_of
from deploy.lab.session import markup
from deploy.lab.workload.mail import INBOX

_FOLDERS_MAX: Final = 12
_WAYS: Final = ("HardDelete", "SoftDelete", "MoveToDeletedItems")
_ATTACHMENTS_BYTES: Final = (*[0] * 20, 2_000, 2_000, 60_000, 1_200_000)
_WORDS: Final = ("invoice", "meeting", "Grüße", "draft of the plan", "質問", "re: numbers", "holiday", "offer & price")


class User:
    """One mailbox with somebody at work in it; every action is one call, or None if there is nothing to do it to."""

    def __init__(self, box: Letterbox, scribe: Scribe, chance: random.Random, seed: int) -> None:
        self.box = box
        self._scribe = scribe
        self._chance = chance
        self._seed = seed

    def act(self, action: str) -> bool:
        """Do one action of ACTIONS; return whether there was anything to do. Raises SessionError."""
        number = self._scribe.numbers.next("act")
        return ACTIONS[action][0](self, number)

    def _do(self, number: int, intent: Intent) -> str:
        return self._scribe.act(self.box.address, number, intent)

    # -- items -----------------------------------------------------------------------------------------------

    def receive(self, number: int) -> bool:
        """Let a message arrive, some with an attachment."""
        folder_id = self.box.folder(INBOX) if self._chance.random() < 0.7 else self._any_folder()  # noqa: PLR2004
        item = self._new(number, "receive", folder_id, attachment_bytes=self._chance.choice(_ATTACHMENTS_BYTES))
        self.box.items.append(item)
        return True

    def draft(self, number: int) -> bool:
        """Write a draft and send it: a new item in Sent Items, and the draft is gone."""
        item = self._new(number, "draft", self.box.folder(("/drafts",)), is_draft=True)
        key = self.box.change_key(item.item_id)
        number = self._scribe.numbers.next("act")

        def send() -> str:
            self.box.send(item.item_id, key)
            return ""

        self._do(number, Intent("send", send, label=item.label, item_id=item.item_id))
        return True

    def _new(
        self, number: int, action: str, folder_id: str, *, attachment_bytes: int = 0, is_draft: bool = False
    ) -> HeldItem:
        label = f"i{self._scribe.numbers.next('item')}"
        sent = datetime.now(UTC).replace(microsecond=0)
        mime = message(self._seed, label, number, self._words(), sent=sent, attachment_bytes=attachment_bytes)
        mail = new_mail(mime, sent, is_draft=is_draft)
        call = lambda: self.box.put(folder_id, mail)  # noqa: E731 - the call of the intent
        return HeldItem(
            self._do(number, Intent(action, call, label=label, folder_id=folder_id)), folder_id, label, is_draft
        )

    def mark(self, number: int) -> bool:
        """Turn the read flag and name the act in the category, in one call."""
        item = self._take()
        if item is None:
            return False
        is_read = not item.is_read
        fields = [
            ("message:IsRead", f"<t:IsRead>{'true' if is_read else 'false'}</t:IsRead>"),
            (
                "item:Categories",
                f"<t:Categories><t:String>{markup(f'{item.label} m{number}')}</t:String></t:Categories>",
            ),
        ]
        self._update(number, "mark", item, fields)
        item.is_read = is_read
        return True

    def edit(self, number: int) -> bool:
        """Give a message another subject and body, in one call."""
        item = self._take()
        if item is None:
            return False
        words = self._words()
        subject = markup(subject_of(item.label, number, words))
        fields = [
            ("item:Subject", f"<t:Subject>{subject}</t:Subject>"),
            ("item:Body", body_element(item.label, number, words)),
        ]
        self._update(number, "edit", item, fields)
        return True

    def _update(self, number: int, action: str, item: HeldItem, fields: list[tuple[str, str]]) -> None:
        def call() -> str:
            self.box.update_together(item.item_id, fields)
            return ""

        self._do(number, Intent(action, call, label=item.label, item_id=item.item_id, folder_id=item.folder_id))

    def move(self, number: int) -> bool:
        """Move a message to another folder."""
        item, folder_id = self._take(), self._any_folder()
        if item is None or item.folder_id == folder_id:
            return False
        call = lambda: self.box.move(item.item_id, folder_id)  # noqa: E731 - the call of the intent
        intent = Intent("move", call, label=item.label, item_id=item.item_id, folder_id=folder_id)
        item.item_id = self._do(number, intent)
        item.folder_id = folder_id
        return True

    def copy(self, number: int) -> bool:
        """Copy a message."""
        item, folder_id = self._take(), self._any_folder()
        if item is None:
            return False
        call = lambda: self.box.copy(item.item_id, folder_id)  # noqa: E731 - the call of the intent
        intent = Intent("copy", call, label=item.label, item_id=item.item_id, folder_id=folder_id)
        self.box.items.append(HeldItem(self._do(number, intent), folder_id, item.label, item.is_read))
        return True

    def delete(self, number: int) -> bool:
        """Delete a message in one of the three ways."""
        item = self._take()
        if item is None:
            return False
        how = self._chance.choice(_WAYS)

        def call() -> str:
            self.box.delete(item.item_id, how=how)
            return ""

        self._do(number, Intent("delete", call, label=item.label, item_id=item.item_id, how=how))
        self.box.items.remove(item)
        return True

    # -- folders ---------------------------------------------------------------------------------------------

    def create_folder(self, number: int) -> bool:
        """Make a folder somewhere."""
        if len(self.box.parents) >= _FOLDERS_MAX:
            return False
        parent_id, name = self._any_folder(), f"Folder {number}"
        call = lambda: self.box.create_folder(parent_id, name)  # noqa: E731 - the call of the intent
        self.box.parents[self._do(number, Intent("create_folder", call, folder_id=parent_id))] = parent_id
        return True

    def rename_folder(self, number: int) -> bool:
        """Rename a folder of the user's own."""
        folder_id = self._own_folder()
        if not folder_id:
            return False

        def call() -> str:
            self.box.rename_folder(folder_id, f"Renamed {number}")
            return ""

        self._do(number, Intent("rename_folder", call, item_id=folder_id))
        return True

    def move_folder(self, number: int) -> bool:
        """Hang a folder below another that is not inside it."""
        folder_id, parent_id = self._own_folder(), self._any_folder()
        if not folder_id or self.box.is_within(parent_id, folder_id) or self.box.parents[folder_id] == parent_id:
            return False

        def call() -> str:
            self.box.move_folder(folder_id, parent_id)
            return ""

        self._do(number, Intent("move_folder", call, item_id=folder_id, folder_id=parent_id))
        self.box.parents[folder_id] = parent_id
        return True

    def delete_folder(self, number: int) -> bool:
        """Delete a folder with everything in it."""
        folder_id = self._own_folder()
        if not folder_id:
            return False
        how = self._chance.choice(_WAYS)

        def call() -> str:
            self.box.delete_folder(folder_id, how=how)
            return ""

        self._do(number, Intent("delete_folder", call, item_id=folder_id, how=how))
        self.box.look()
        return True

    # -- choosing --------------------------------------------------------------------------------------------

    def _take(self) -> HeldItem | None:
        """Return an item, newer ones more often, as people do."""
        items = self.box.items
        return items[min(int(self._chance.betavariate(3, 1) * len(items)), len(items) - 1)] if items else None

    def _own_folder(self) -> str:
        return self._chance.choice(list(self.box.parents)) if self.box.parents else ""

    def _any_folder(self) -> str:
        ends = [self.box.folder(INBOX), self.box.folder(("/deleteditems",))]
        return self._chance.choice([*ends, *self.box.parents])

    def _words(self) -> str:
        return self._chance.choice(_WORDS)


ACTIONS: Final[Mapping[str, tuple[Callable[[User, int], bool], int]]] = {
    "receive": (User.receive, 24),
    "mark": (User.mark, 26),
    "edit": (User.edit, 12),
    "move": (User.move, 14),
    "copy": (User.copy, 4),
    "draft": (User.draft, 4),
    "delete": (User.delete, 8),
    "create_folder": (User.create_folder, 3),
    "rename_folder": (User.rename_folder, 2),
    "move_folder": (User.move_folder, 1),
    "delete_folder": (User.delete_folder, 2),
}
"""Every action with its share in a hundred."""
