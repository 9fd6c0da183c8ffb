"""Seeded realistic mailboxes: folders, threads, flags, categories, and what dirt real mail has."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from deploy.lab.workload.entries import entries_of
from deploy.lab.workload.letters import Letter, write
from deploy.lab.workload.mail import INBOX, FolderPath, NewEntry, NewMail
from deploy.lab.workload.people import People, Person

NEWEST = datetime(2026, 1, 31, 10, 0, 0, tzinfo=UTC)
"""When the newest generated mail was sent; fixed, so that one seed always makes the same mail."""
AGE_DAYS_MAX = 730
CATEGORIES = ("Blue category", "Customer", "Follow up", "Travel", "Über wichtig")
_REPLIES_MAX = 6


class Generator:
    """Makes the content of one mailbox after another, from one seed."""

    def __init__(self, seed: int, owners: tuple[str, ...]) -> None:
        self.people = People(seed, owners)
        self.folders = [self._tree() for _ in owners]
        self._number = 0

    def mails(self, owner: int, count: int) -> Iterator[NewMail]:
        """Yield `count` messages of one mailbox, thread by thread."""
        left = count
        while left > 0:
            for mail in self._thread(owner)[:left]:
                left -= 1
                yield mail

    def entries(self, owner: int, count: int) -> list[NewEntry]:
        """Return appointments, contacts, tasks and notes of one mailbox, `count` of them altogether."""
        return entries_of(self.people, owner, NEWEST, count)

    def letter(self, sender: Person, recipients: tuple[Person, ...], sent: datetime) -> Letter:
        """Return a new letter that belongs to no thread."""
        return Letter(
            sender=sender,
            recipients=recipients,
            subject=self.people.subject(sender.locale),
            text=self.people.text(sender.locale),
            sent=sent,
            message_id=self._message_id(sender),
        )

    def _tree(self) -> list[FolderPath]:
        """Return the folders a user made: some in the inbox, some beside it, some deep, some not in ASCII."""
        chance, word = self.people.chance, self.people.word
        top = [(f"{word()} {n}",) for n in range(chance.randint(2, 4))]
        below_inbox: list[FolderPath] = [(*INBOX, f"{word('de_DE')} {n}") for n in range(chance.randint(1, 2))]
        deep: list[FolderPath] = [(*path, self.people.company(), str(NEWEST.year)) for path in top[:1]]
        foreign: list[FolderPath] = [(*top[-1], word("ja_JP")), (*top[-1], "100 % & <more>")]
        return [*top, *below_inbox, *deep, *foreign]

    def _thread(self, owner: int) -> list[NewMail]:
        people, chance = self.people, self.people.chance
        me = people.owners[owner]
        other = chance.choice(people.strangers)
        copied = tuple(chance.sample(people.strangers, chance.choice((0, 0, 0, 1, 3))))
        at = NEWEST - timedelta(seconds=chance.randint(3_600, AGE_DAYS_MAX * 86_400))
        folder = INBOX if chance.random() < 0.55 else chance.choice(self.folders[owner])  # noqa: PLR2004 - a share
        first = self.letter(other, (me,), at)
        mails: list[NewMail] = []
        references: tuple[str, ...] = ()
        for number in range(1 + chance.choices(range(_REPLIES_MAX), (60, 15, 10, 7, 5, 3))[0]):
            is_mine = number % 2 == 1
            sender, recipient = (me, other) if is_mine else (other, me)
            letter = Letter(
                sender=sender,
                recipients=(recipient,),
                copied=copied,
                subject=first.subject if number == 0 else f"Re: {first.subject}",
                text=people.text(sender.locale),
                sent=at,
                message_id=first.message_id if number == 0 else self._message_id(sender),
                references=references,
            )
            mails.append(self._mail(owner, ("/sentitems",) if is_mine else folder, letter, is_mine=is_mine))
            references = (*references, letter.message_id)
            at = min(at + timedelta(seconds=chance.randint(60, 86_400)), NEWEST)
        return mails

    def _mail(self, owner: int, folder: FolderPath, letter: Letter, *, is_mine: bool) -> NewMail:
        chance = self.people.chance
        is_draft = is_mine and chance.random() < 0.04  # noqa: PLR2004 - a share
        return NewMail(
            owner=owner,
            folder=("/drafts",) if is_draft else folder,
            mime=write(self.people, letter),
            received=letter.sent,
            is_read=is_mine or chance.random() < 0.8,  # noqa: PLR2004 - a share
            is_draft=is_draft,
            is_flagged=chance.random() < 0.06,  # noqa: PLR2004 - a share
            categories=tuple(chance.sample(CATEGORIES, chance.choices((0, 1, 2), (88, 9, 3))[0])),
            importance=chance.choices(("Normal", "High", "Low"), (92, 6, 2))[0],
        )

    def _message_id(self, sender: Person) -> str:
        self._number += 1
        return f"<{self._number}.{self.people.token()}@{sender.address.rpartition('@')[2]}>"
