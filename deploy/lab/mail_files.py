"""The user's own mail: an mbox file, a Maildir, or a folder of single messages, read and never altered.

What a file is, is told by its content: a message begins with header fields, an mbox with a `From ` line.
Whatever is not mail is refused by itself with a reason, and the rest goes on.
"""

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from deploy.lab.maildir import MAILDIR_PARTS, decode_folder_name, is_maildir, maildir_flags
from deploy.lab.mbox import FIELD, FROM_LINE, LINE_BYTES_MAX, split_mbox, without_from_line

MESSAGE_BYTES_MAX = 150 << 20  # the largest message size that Exchange Online can be set to
DEPTH_MAX = 64
MBOX_SUFFIXES = frozenset({"", ".mbox", ".mbx"})
FOLDER_SUFFIXES = frozenset({".sbd", ".mbox"})  # Thunderbird's and Apple Mail's directories beside an mbox
HEADER_BYTES_MAX = 1 << 18
KNOWN_FIELD = re.compile(
    rb"(?im)^(?:from|to|cc|date|subject|received|return-path|message-id|sender|reply-to|delivered-to"
    rb"|mime-version|content-type)[ \t]*:"
)
HEADER_END = re.compile(rb"\r?\n\r?\n")
STATUS_FIELD = re.compile(rb"(?m)^(?i:(?:x-)?status)[ \t]*:[ \t]*([RODAFTN]{1,7})[ \t]*\r?$")

OnRefused = Callable[[Path, str], None]


class MailPathError(Exception):
    """A path that was given as mail does not exist, cannot be read, or holds no mail."""


class _RefusedError(Exception):
    """One file is not loaded; the text says why."""


@dataclass(frozen=True, slots=True)
class MailFile:
    """One message as it lies in the user's files, byte for byte but for an mbox's `From ` line."""

    folder: tuple[str, ...]  # path of folder names below the one that was named, which is ()
    content: bytes
    is_read: bool
    is_flagged: bool
    is_draft: bool
    origin: str = field(default="", compare=False)  # the file, and which message of an mbox: what a refusal names


def read(path: Path, *, on_refused: OnRefused) -> Iterator[MailFile]:
    """Yield the mail below `path` in an order that is the same each time; refused files are reported.

    Raises MailPathError: at once when the path is missing or an empty folder, at the end when no mail was
    found.
    """
    try:
        is_directory = stat.S_ISDIR(path.stat().st_mode)
        if is_directory and not any(path.iterdir()):
            raise MailPathError(f"{path}: the folder is empty. Name an mbox, a Maildir or a folder of messages.")
    except OSError as error:
        raise MailPathError(f"{path}: cannot be read: {_reason(error)}. Name a path that holds mail.") from error
    return _Reading(path, on_refused).run(is_directory=is_directory)


class _Reading:
    """One pass over the user's files; it knows where it was, so that links cannot lead it in circles."""

    def __init__(self, root: Path, on_refused: OnRefused) -> None:
        self._root = root
        self._on_refused = on_refused
        self._seen: set[tuple[int, int]] = set()
        self._first_refusal = ""

    def run(self, *, is_directory: bool) -> Iterator[MailFile]:
        count = 0
        for mail in self._directory(self._root, (), 0) if is_directory else self._file(self._root, ()):
            count += 1
            yield mail
        if not count:
            raise MailPathError(f"{self._root}: holds no mail.{self._first_refusal}")

    def _refuse(self, path: Path, reason: str) -> None:
        self._first_refusal = self._first_refusal or f" Refused first: {path}: {reason}."
        self._on_refused(path, reason)

    def _directory(self, path: Path, folder: tuple[str, ...], depth: int) -> Iterator[MailFile]:
        try:
            self._enter(path, depth)
            entries = sorted(path.iterdir(), key=os.fsencode)
        except _RefusedError as refusal:
            self._refuse(path, str(refusal))
            return
        except OSError as error:
            self._refuse(path, _reason(error))
            return
        in_maildir = is_maildir(path)
        if in_maildir:
            for part in MAILDIR_PARTS:
                yield from self._maildir_part(path / part, folder)
        for entry in entries:
            if in_maildir and entry.name in {*MAILDIR_PARTS, "tmp"}:
                continue
            if _is_directory(entry):
                yield from self._directory(entry, (*folder, *_folder_names(entry, in_maildir)), depth + 1)
            elif in_maildir:
                self._refuse(entry, "in a Maildir only cur and new hold mail")
            else:
                yield from self._file(entry, folder)

    def _enter(self, path: Path, depth: int) -> None:
        """Refuse a directory that was read before under another name, and depths no mail store has."""
        status = path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            raise _RefusedError("a link to a folder that is read under another name")
        if depth > DEPTH_MAX:
            raise _RefusedError(f"more than {DEPTH_MAX} folders deep")
        self._seen.add(identity)

    def _maildir_part(self, path: Path, folder: tuple[str, ...]) -> Iterator[MailFile]:
        try:
            entries = sorted(path.iterdir(), key=os.fsencode)
        except OSError as error:
            self._refuse(path, _reason(error))
            return
        for entry in entries:
            flags = maildir_flags(entry.name)
            if "T" in flags:
                self._refuse(entry, "marked as deleted")
                continue
            for mail in self._file(entry, folder, is_single=True):
                yield replace(mail, is_read="S" in flags, is_flagged="F" in flags, is_draft="D" in flags)

    def _file(self, path: Path, folder: tuple[str, ...], *, is_single: bool = False) -> Iterator[MailFile]:
        try:
            with _open_regular(path) as file:
                if not is_single and self._is_mbox(path, file):
                    inner = folder if path == self._root else (*folder, _shown(path.stem))
                    yield from self._mbox(path, file, inner)
                else:
                    content = _whole(file)
                    yield _mail_of(folder, content and without_from_line(content), str(path))
        except _RefusedError as refusal:
            self._refuse(path, str(refusal))
        except OSError as error:
            self._refuse(path, _reason(error))

    def _is_mbox(self, path: Path, file: BinaryIO) -> bool:
        suffix = path.suffix.lower()
        is_candidate = suffix != ".eml" if path == self._root else suffix in MBOX_SUFFIXES
        line = file.readline(LINE_BYTES_MAX)
        file.seek(0)
        return is_candidate and FROM_LINE.fullmatch(line) is not None

    def _mbox(self, path: Path, file: BinaryIO, folder: tuple[str, ...]) -> Iterator[MailFile]:
        for number, content in enumerate(split_mbox(file, MESSAGE_BYTES_MAX), start=1):
            try:
                yield _mail_of(folder, content, f"{path}: message {number} of the mbox")
            except _RefusedError as refusal:
                self._refuse(path, f"message {number} of the mbox: {refusal}")


def _is_directory(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False  # opening it as a file will say why


def _open_regular(path: Path) -> BinaryIO:
    """Open a file that can hold mail: never one that would wait for a writer, or read a device for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        os.close(descriptor)
        raise _RefusedError("empty" if stat.S_ISREG(status.st_mode) else "not a regular file")
    return os.fdopen(descriptor, "rb")


def _whole(file: BinaryIO) -> bytes | None:
    content = file.read(MESSAGE_BYTES_MAX + 1)
    return None if len(content) > MESSAGE_BYTES_MAX else content


def _mail_of(folder: tuple[str, ...], content: bytes | None, origin: str) -> MailFile:
    """Make a MailFile, its flags from the Status fields that mbox writers add; refuse what is no message."""
    if content is None:
        raise _RefusedError(f"larger than {MESSAGE_BYTES_MAX >> 20} MiB")
    if not content.strip():
        raise _RefusedError("empty")
    header = HEADER_END.split(content[:HEADER_BYTES_MAX], maxsplit=1)[0]
    if b"\0" in header:
        raise _RefusedError("binary, not a mail message")
    if not FIELD.match(header) or not KNOWN_FIELD.search(header):
        raise _RefusedError("does not begin with the header of a mail message")
    flags = b"".join(STATUS_FIELD.findall(header)).decode("ascii")
    if "D" in flags:
        raise _RefusedError("marked as deleted")
    return MailFile(
        folder, content, is_read="R" in flags, is_flagged="F" in flags, is_draft="T" in flags, origin=origin
    )


def _folder_names(path: Path, in_maildir: bool) -> tuple[str, ...]:  # noqa: FBT001 - one use, above
    """Name a sub-directory's folder: in a Maildir `.A.B` is B in A (Maildir++), elsewhere the plain name."""
    if in_maildir and path.name.startswith("."):
        return tuple(decode_folder_name(_shown(name)) for name in path.name.split(".") if name)
    name = path.stem if path.suffix.lower() in FOLDER_SUFFIXES and path.stem else path.name
    return (_shown(name),)


def _shown(name: str) -> str:
    """Replace what is not text in a file's name, so that a server can take it as a folder's name."""
    return os.fsencode(name).decode("utf-8", "replace")


def _reason(error: OSError) -> str:
    return "a loop of links" if error.errno == errno.ELOOP else error.strerror or type(error).__name__
