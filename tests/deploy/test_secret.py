"""A secret in a file is what it holds at the moment, and a replaced file is noticed."""

import os
from pathlib import Path

from deploy.secret import current, read_secret, stamp_of


def test_the_end_of_the_line_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b" a b \r\n")
    assert read_secret(tmp_path / "s") == " a b "


def test_a_file_that_is_gone_or_empty_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert current(None, "known") == current(path, "known") == "known"
    path.write_text("")
    assert current(path, "known") == "known"
    path.write_bytes(b"\xff")
    assert current(path, "known") == "known"
    path.write_text("new\n")
    assert current(path, "known") == "new"


def test_a_link_that_points_elsewhere_is_another_file_as_in_a_mounted_secret(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "s").write_text("same")
        os.utime(tmp_path / name / "s", (1, 1))
    (tmp_path / "data").symlink_to("one")
    before = stamp_of([tmp_path / "data" / "s"])
    assert stamp_of([tmp_path / "data" / "s"]) == before
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "data")
    assert stamp_of([tmp_path / "data" / "s"]) != before


def test_a_file_that_is_not_there_has_a_stamp_too(tmp_path: Path) -> None:
    assert stamp_of([tmp_path / "nowhere"]) == (None,)
