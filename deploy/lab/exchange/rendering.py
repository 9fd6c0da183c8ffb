"""Parts to MIME: rendered anew at every fetch, differently by server generation, with the decoded content unchanged."""

import binascii
import re
import secrets
from dataclasses import dataclass
from typing import Final

from deploy.lab.exchange.content import Content, Headers, Part
from deploy.lab.exchange.mime import encode_quoted_printable

_FOLD: Final = re.compile(r"(?<=[^ \t])[ \t]+(?=[^ \t])")
_BOUNDARY_PARAMETER: Final = re.compile(r';\s*boundary\*?\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^;]*)', re.IGNORECASE)
_BOUNDARY_RFC2231: Final = re.compile(r"boundary\*(?:\d|=)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Habit:
    """How one server generation writes MIME: line widths, and which headers it puts first."""

    base64_width: int
    quoted_width: int
    fold_width: int
    first: tuple[str, ...]
    boundary: str


_HABITS: Final = {
    (14, 1): Habit(76, 76, 76, ("from", "to", "cc", "subject", "thread-topic", "date", "message-id"), "_000_{0}_"),
    (15, 0): Habit(76, 72, 78, ("from", "to", "cc", "subject", "date", "message-id"), "_002_{0}_"),
    (15, 1): Habit(72, 76, 100, ("received", "from", "to", "subject", "date"), "_004_{0}_"),
    (15, 2): Habit(64, 74, 120, ("received", "subject", "from", "to", "message-id", "date"), "_009_{0}_"),
}
_CONTENT_LAST: Final = 1000


def render(content: Content, generation: tuple[int, int], date: str = "") -> bytes:
    """Return the MIME of an item as this server generation writes it; `date` replaces the Date header of a draft."""
    habit = _HABITS[generation]
    root = content.root
    headers = root.headers
    if date:
        headers = [("Date", date), *((name, value) for name, value in headers if name.lower() != "date")]
    order = {name: place for place, name in enumerate(habit.first)}
    headers = sorted(headers, key=lambda field: order.get(field[0].lower(), _CONTENT_LAST))
    pieces: list[bytes] = []
    _write(Part(headers, root.media_type, root.encoding, root.data, root.children), habit, pieces)
    return b"".join(pieces)


def _write(part: Part, habit: Habit, pieces: list[bytes]) -> bool:
    """Write a part; answers whether it is cut short, so that no boundary can follow it."""
    if part.children is None:
        pieces.append(_header_block(part.headers, habit))
        pieces.append(_encoded(part, habit))
        # A composite leaf keeps the line break before the boundary in its own bytes; only a cut one has none.
        return bool(part.data) and _is_composite(part) and not part.data.endswith((b"\n", b"\r"))
    boundary = habit.boundary.format(secrets.token_hex(16))
    pieces.append(_header_block(_with_boundary(part, boundary), habit))
    mark = b"--" + boundary.encode()
    for child in part.children:
        pieces += (mark, b"\r\n")
        if _write(child, habit, pieces):
            return True
        if child.children is not None or not _is_composite(child):
            pieces.append(b"\r\n")
    pieces += (mark, b"--\r\n")
    return False


def _is_composite(part: Part) -> bool:
    return part.media_type.startswith(("multipart/", "message/"))


def _with_boundary(part: Part, boundary: str) -> Headers:
    headers: Headers = []
    done = False
    for name, value in part.headers:
        if not done and name.lower() == "content-type":
            done = True
            kept = _BOUNDARY_PARAMETER.sub("", value)
            if _BOUNDARY_RFC2231.search(kept):
                kept = part.media_type
            headers.append((name, f'{kept.rstrip().rstrip(";")}; boundary="{boundary}"'))
        else:
            headers.append((name, value))
    if not done:
        headers.append(("Content-Type", f'{part.media_type}; boundary="{boundary}"'))
    return headers


def _header_block(headers: Headers, habit: Habit) -> bytes:
    lines = [_folded(name, value, habit.fold_width) for name, value in headers]
    return "".join([*lines, "\r\n"]).encode("ascii", "surrogateescape")


def _folded(name: str, value: str, width: int) -> str:
    """One field; folds stand only before white space that is there, so that unfolding gives the value back."""
    if value[:1] in {" ", "\t"}:
        return f"{name}:\r\n{value}\r\n"
    if len(name) + 2 + len(value) <= width:
        return f"{name}: {value}\r\n"
    pieces = []
    start, room = 0, width - len(name) - 2
    last = 0
    for gap in _FOLD.finditer(value):
        if gap.start() - start > room and last > start:
            pieces.append(value[start:last])
            start, room = last, width
        last = gap.start()
    if len(value) - start > room and last > start:
        pieces.append(value[start:last])
        start = last
    pieces.append(value[start:])
    return f"{name}: " + "\r\n".join(pieces) + "\r\n"


def _encoded(part: Part, habit: Habit) -> bytes:
    if part.encoding == "base64":
        text = binascii.b2a_base64(part.data, newline=False)
        width = habit.base64_width
        return b"\r\n".join([text[at : at + width] for at in range(0, len(text), width)]) + b"\r\n"
    if part.encoding == "quoted-printable":
        return encode_quoted_printable(part.data, habit.quoted_width)
    return part.data
