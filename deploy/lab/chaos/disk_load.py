"""Keeps the disk busy until it is ended: writes beside those of the run, each forced to the disk.

A slow disk as a shared store has it: whoever waits for a write to be safe waits for these too.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Final

WRITERS: Final = 4
PIECE_BYTES: Final = 4 << 20
FILE_BYTES_MAX: Final = 64 << 20


def write(path: Path) -> None:
    """Write piece by piece and wait for each, for ever; the file is begun again when it is long."""
    piece = os.urandom(PIECE_BYTES)
    with path.open("wb", buffering=0) as file:
        while True:
            if file.tell() >= FILE_BYTES_MAX:
                file.seek(0)
            file.write(piece)
            os.fsync(file.fileno())


if __name__ == "__main__":
    for number in range(WRITERS):
        threading.Thread(target=write, args=(Path(sys.argv[1]) / f"load-{number}",), daemon=True).start()
    threading.Event().wait()
