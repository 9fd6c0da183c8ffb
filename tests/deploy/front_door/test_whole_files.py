"""Files others read are whole, and one writer that stands still does not hold another for ever."""

from pathlib import Path

import pytest

from deploy.front_door import whole_files
from deploy.front_door.whole_files import only_writer, write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "new" / "map"
    write_whole(path, "one")
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert [p.name for p in path.parent.iterdir()] == ["map"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_writer_that_stands_still_is_named_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole_files, "LOCK_SECONDS_MAX", 0.1)
    path = tmp_path / "map"
    with only_writer(path), pytest.raises(OSError, match="held by a process that stands still"), only_writer(path):
        pass
    with only_writer(path):
        pass
