"""A torn write at the end of Kafka's logs, as a machine leaves it that loses power: bytes nobody was told of.

Only appended to what was acknowledged, so nothing that was promised is touched: Kafka cuts them off at its next start.
"""

import random
from pathlib import Path
from typing import Final

ZEROES_MAX: Final = 4_096
_LENGTH_AT, _HEAD_BYTES = 8, 12
"""Where a record batch says how many bytes follow its first 12 (Kafka's message format 2)."""


def tear(log_directory: Path, stem: str, chance: random.Random) -> int:
    """Append half a batch or zeroes to the newest segment of every partition whose topic begins so; return how many."""
    torn = 0
    for partition in sorted(log_directory.glob(f"{stem}*-[0-9]*")):
        segments = sorted(partition.glob("*.log"))
        if segments and (piece := _half_a_batch(segments[-1], chance)):
            with segments[-1].open("ab") as file:
                file.write(piece)
            torn += 1
    return torn


def _half_a_batch(segment: Path, chance: random.Random) -> bytes:
    """Return the first part of the segment's first batch, or zeroes; nothing of an empty segment."""
    with segment.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if len(head) < _HEAD_BYTES:
            return b""
        batch = head + file.read(int.from_bytes(head[_LENGTH_AT:], "big"))
    return chance.choice((batch[: chance.randint(1, len(batch) - 1)], bytes(chance.randint(1, ZEROES_MAX))))
