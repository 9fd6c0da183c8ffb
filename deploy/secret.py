"""Secrets in files: read when a connection is made, and noticed when a file is replaced.

A stamp of the files is compared before use, so that a rotated password or certificate is taken up without a restart.
A file that can't be read for a moment, as in the middle of a rotation, changes nothing.
"""

import os
from collections.abc import Iterable
from pathlib import Path

Stamp = tuple[tuple[int, int, int] | None, ...]
"""Modification time in ns, size in bytes and inode of each file; None where it is not there."""


def read_secret(path: Path) -> str:
    """Return what a secret's file holds, without the line's end; raises OSError or UnicodeDecodeError."""
    return path.read_text(encoding="utf-8").rstrip("\r\n")


def current(path: Path | None, known: str) -> str:
    """Return what the file holds now, or what was known where there is no file or nothing in it."""
    if path is None:
        return known
    try:
        return read_secret(path) or known
    except (OSError, UnicodeDecodeError):
        return known


def stamp_of(paths: Iterable[Path]) -> Stamp:
    """Return what changes when one of the files is written anew, or a link to it set anew (as Kubernetes does)."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - half the cost, and asked before every call
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
