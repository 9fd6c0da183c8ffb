"""Fills source mailboxes over EWS, in bounded batches."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from deploy.lab.session import NO_ANSWER, SessionError, UserSession
from deploy.lab.workload.mail import FolderPath, NewEntry, NewMail
from deploy.lab.workload.mailbox import UserMailbox

BATCH_ITEMS_MAX = 100
BATCH_SIZE_BYTES_MAX = 8_000_000
BUFFERED_SIZE_BYTES_MAX = 64_000_000
REFUSALS_NAMED_MAX = 10
OnProgress = Callable[["Filled"], None]
_Batch = tuple[int, FolderPath]


@dataclass(slots=True)
class Filled:
    """What was put into the source: items, bytes of mail, and how many items it refused, by ResponseCode.

    `refusals` names the first of the user's own files that were refused, each with its ResponseCode.
    """

    items: int = 0
    mail_bytes: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[str, str]] = field(default_factory=list)


class Filling:
    """Collects what comes for each folder and creates it a batch at a time."""

    def __init__(self, session: UserSession, addresses: Sequence[str], on_progress: OnProgress) -> None:
        self._mailboxes = [UserMailbox(session, address) for address in addresses]
        self._on_progress = on_progress
        self._waiting: defaultdict[_Batch, list[NewMail]] = defaultdict(list)
        self._waiting_bytes: Counter[_Batch] = Counter()
        self.filled = Filled()

    def add(self, mail: NewMail) -> None:
        """Take a message; a full batch is created at once."""
        batch = mail.owner, mail.folder
        if self._waiting_bytes[batch] + len(mail.mime) > BATCH_SIZE_BYTES_MAX:
            self._create(batch)
        self._waiting[batch].append(mail)
        self._waiting_bytes[batch] += len(mail.mime)
        if len(self._waiting[batch]) == BATCH_ITEMS_MAX:
            self._create(batch)
        elif self._waiting_bytes.total() > BUFFERED_SIZE_BYTES_MAX:
            self.flush()

    def add_entries(self, entries: Iterable[NewEntry]) -> None:
        """Create items that are no mail."""
        groups: defaultdict[_Batch, list[str]] = defaultdict(list)
        for entry in entries:
            groups[entry.owner, entry.folder].append(entry.element)
        for (owner, path), elements in groups.items():
            mailbox = self._mailboxes[owner]
            for start in range(0, len(elements), BATCH_ITEMS_MAX):
                part = elements[start : start + BATCH_ITEMS_MAX]
                self._count(mailbox.create_entries(mailbox.folder(path), part))

    def make_folders(self, owner: int, paths: Iterable[FolderPath]) -> None:
        """Make folders, empty ones too."""
        for path in paths:
            self._mailboxes[owner].folder(path)

    def flush(self) -> None:
        """Create everything that still waits."""
        for batch in list(self._waiting):
            self._create(batch)

    def _create(self, batch: _Batch) -> None:
        mails = self._waiting.pop(batch, [])
        del self._waiting_bytes[batch]
        if mails:
            self._create_halving(self._mailboxes[batch[0]], batch[1], mails)

    def _create_halving(self, mailbox: UserMailbox, path: FolderPath, mails: list[NewMail]) -> None:
        """Create messages in one call; a call refused as a whole is halved until the message it fails on is alone."""
        try:
            created = mailbox.create_mail(mailbox.folder(path), mails)
        except SessionError as error:
            if error.code == NO_ANSWER:
                raise
            if len(mails) > 1:
                middle = len(mails) // 2
                self._create_halving(mailbox, path, mails[:middle])
                self._create_halving(mailbox, path, mails[middle:])
                return
            created = [f"!{error.code}"]
        for mail, result in zip(mails, created, strict=True):
            if not result.startswith("!"):
                self.filled.mail_bytes += len(mail.mime)
            elif mail.origin and len(self.filled.refusals) < REFUSALS_NAMED_MAX:
                self.filled.refusals.append((mail.origin, result.removeprefix("!")))
        self._count(created)

    def _count(self, created: list[str]) -> None:
        codes = [found.removeprefix("!") for found in created if found.startswith("!")]
        self.filled.refused.update(codes)
        self.filled.items += len(created) - len(codes)
        self._on_progress(self.filled)


def fill(
    session: UserSession,
    addresses: Sequence[str],
    mails: Iterable[NewMail],
    on_progress: OnProgress = lambda _: None,
) -> Filled:
    """Put messages into the mailboxes and return what came of it; raises SessionError."""
    filling = Filling(session, addresses, on_progress)
    for mail in mails:
        filling.add(mail)
    filling.flush()
    return filling.filled
