"""Flags and folder names of a Maildir."""

from pathlib import Path

import pytest

from deploy.lab.maildir import decode_folder_name, is_maildir, maildir_flags


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("1.2.host:2,FS", "FS"),
        ("1.2.host,S=12:2,", ""),
        ("1.2.host;2,T", "T"),
        ("1.2.host!2,D", "D"),
        ("1.2.host:2,Sa", "SA"),
        ("1.2.host:1,x", ""),
        ("1.2.host", ""),
    ],
)
def test_flags_follow_the_mark_of_version_two(name: str, flags: str) -> None:
    assert maildir_flags(name) == frozenset(flags)


@pytest.mark.parametrize(
    ("name", "decoded"),
    [
        ("Entw&APw-rfe", "Entwürfe"),
        ("&U,BTFw-", "台北"),
        ("A &- B", "A & B"),
        ("&2D3eAA-", "😀"),
        ("Q & A", "Q & A"),
        ("&A-", "&A-"),
        ("plain", "plain"),
    ],
)
def test_a_folder_name_is_decoded_and_damage_stays(name: str, decoded: str) -> None:
    assert decode_folder_name(name) == decoded


def test_a_maildir_has_both_parts_that_hold_mail(tmp_path: Path) -> None:
    (tmp_path / "cur").mkdir()
    assert not is_maildir(tmp_path)
    (tmp_path / "new").mkdir()
    assert is_maildir(tmp_path)
