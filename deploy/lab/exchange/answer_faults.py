"""What fault rules do to an answer that is written already: order, characters, ends and sizes. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from lxml import etree

from deploy.lab.exchange.soap import M

PADDING: Final = "~"
"""What stands between a sync state and its padding; the server ignores both when the state returns."""
_LAST: Final = re.compile(rb"(IncludesLast(?:Item|Folder)InRange(?:>|=\"))true")
_STATE: Final = re.compile(rb"(SyncState>[^<]+)")
_BODY_END: Final = re.compile(rb"</[A-Za-z]+:Body>")


def _reordered(answer: bytes, size_bytes: int) -> bytes:  # noqa: ARG001 - one signature
    """Turn the order of the response messages around."""
    root = etree.fromstring(answer)
    for messages in root.iter(f"{M}ResponseMessages"):
        messages[:] = list(reversed(messages))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)


def _with_control_byte(answer: bytes, size_bytes: int) -> bytes:  # noqa: ARG001 - one signature
    """Write a raw 0x0B, which XML can't hold, before the body's end."""
    return _BODY_END.sub(lambda end: b"\x0b" + end.group(), answer, count=1)


def _never_last(answer: bytes, size_bytes: int) -> bytes:  # noqa: ARG001 - one signature
    """Say of the last page that it isn't."""
    return _LAST.sub(rb"\1false", answer)


def _large_sync_state(answer: bytes, size_bytes: int) -> bytes:
    """Make the sync state so much larger."""
    padding = (PADDING + "A" * size_bytes).encode()
    return _STATE.sub(lambda state: state.group() + padding, answer)


ACTIONS: Final[Mapping[str, Callable[[bytes, int], bytes]]] = {
    "reorder": _reordered,
    "control_byte": _with_control_byte,
    "never_last": _never_last,
    "large_sync_state": _large_sync_state,
}
"""Action of a rule to what it does to an answer; the number is the rule's `size_bytes`."""
