"""The mbox format (RFC 4155 and older habits): one file, messages after `From ` lines.

Where a message ends is a guess in every mbox: writers differ in how they quote a body line that begins with
`From `. Here a separator is a `From ` line with a weekday and a time, after an empty line and before a header
field; if the file's first line has no such date, any `From ` line in that position is one. Quoted lines
(`>From `) stay as they are: whether a writer added that `>` (mboxo, mboxrd) or the author did (mboxcl) cannot
be told from the file, and taking it away wrongly would alter a mail, perhaps a signed one, in silence.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

LINE_BYTES_MAX = 1 << 20  # longer lines are read in pieces; only their first piece can be a separator
FROM_LINE = re.compile(rb"From [^\r\n]*\r?\n")
DATED_FROM_LINE = re.compile(rb"From .*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b.*\b\d?\d:\d\d\b.*\r?\n")
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")  # RFC 5322 §2.2, with the white space that §4.5.8 tolerates
EMPTY_LINES = (b"\n", b"\r\n")


def without_from_line(content: bytes) -> bytes:
    """Return a message without the `From ` line that an mbox left at its start."""
    found = FROM_LINE.match(content)
    return content[found.end() :] if found else content


def split_mbox(file: BinaryIO, size_bytes_max: int) -> Iterator[bytes | None]:
    """Yield each message of an mbox without its `From ` line; None for one above `size_bytes_max` bytes."""
    separator: re.Pattern[bytes] | None = None
    message = _Message(size_bytes_max)
    waiting = b""  # a From line whose next line will tell whether it separates
    is_line_start, is_after_empty = True, True
    while line := file.readline(LINE_BYTES_MAX):
        if separator is None:
            separator = DATED_FROM_LINE if DATED_FROM_LINE.match(line) else FROM_LINE
        if waiting:
            if FIELD.match(line):
                if message.has_lines:
                    yield message.content()
                message = _Message(size_bytes_max)
            else:
                message.add(waiting)
            waiting = b""
        if is_line_start and is_after_empty and separator.fullmatch(line):
            waiting, is_after_empty = line, False
            continue
        message.add(line)
        is_after_empty = is_line_start and line in EMPTY_LINES
        is_line_start = line.endswith(b"\n")
    if waiting:
        message.add(waiting)
    if message.has_lines:
        yield message.content()


class _Message:
    """The lines of one message, as long as they are not too many."""

    def __init__(self, size_bytes_max: int) -> None:
        self._lines: list[bytes] = []
        self._size_bytes = 0
        self._size_bytes_max = size_bytes_max

    @property
    def has_lines(self) -> bool:
        return self._size_bytes > 0

    def add(self, line: bytes) -> None:
        self._size_bytes += len(line)
        if self._size_bytes <= self._size_bytes_max:
            self._lines.append(line)
        else:
            self._lines.clear()

    def content(self) -> bytes | None:
        """Return the message without the empty line that belongs to the mbox."""
        if self._size_bytes > self._size_bytes_max:
            return None
        if len(self._lines) > 1 and self._lines[-1] in EMPTY_LINES:
            self._lines.pop()
        return b"".join(self._lines)
