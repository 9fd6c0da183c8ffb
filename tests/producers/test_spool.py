from __future__ import annotations

import hashlib
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from producers.spool import CHUNK_SIZE_BYTES, Spool, SpoolError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; skips aloud where none can be mounted."""
    directory = tmp_path / "small"
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603
        pytest.skip("a full disk needs the right to mount a tmpfs")
    yield directory
    subprocess.run(["umount", str(directory)], check=True)  # noqa: S603, S607 - our own mount


@pytest.mark.parametrize("size_bytes", [1, CHUNK_SIZE_BYTES, CHUNK_SIZE_BYTES + 1, 3 * CHUNK_SIZE_BYTES])
def test_a_body_comes_back_whole_in_as_many_chunks_as_it_says_and_twice(tmp_path: Path, size_bytes: int) -> None:
    body = os.urandom(size_bytes)
    kept = Spool(tmp_path / "new" / "spool").keep(body)
    for _ in range(2):
        pieces = list(kept.chunks())
        assert len(pieces) == kept.chunk_count
        assert b"".join(pieces) == body
    assert (kept.sha256, kept.size_bytes) == (hashlib.sha256(body).hexdigest(), size_bytes)
    Spool.release(kept)


def test_nothing_is_left_in_the_directory_even_before_release(tmp_path: Path) -> None:
    kept = Spool(tmp_path).keep(b"body")
    assert list(tmp_path.iterdir()) == []
    Spool.release(kept)


def test_a_full_disk_is_an_error_that_says_where_and_what_to_do(small_disk: Path) -> None:
    with pytest.raises(SpoolError, match=r"small.*No space.*feed\.spool_directory"):
        Spool(small_disk).keep(os.urandom(2_000_000))
    assert list(small_disk.iterdir()) == []


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="file"):
        Spool(tmp_path / "file" / "spool")
