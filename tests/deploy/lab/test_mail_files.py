"""The user's own mail: everything that is mail is loaded whole, everything else is refused with a reason."""

import os
import socket
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.lab import mail_files
from deploy.lab.mail_files import MailFile, MailPathError, read

FROM = b"From someone@example.org Thu Aug 22 12:36:23 2002\n"
CORPUS_MESSAGES = 6_046
NOBODY = 65_534


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be an ordinary user for a while: root may read everything."""
    user = os.geteuid()
    if user:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def message(number: int, *fields: bytes) -> bytes:
    return b"".join([b"Subject: %d\n" % number, *(field + b"\n" for field in fields), b"\nbody\n"])


def mail(folder: tuple[str, ...], content: bytes, flags: str = "") -> MailFile:
    return MailFile(folder, content, is_read="S" in flags, is_flagged="F" in flags, is_draft="D" in flags)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def load(path: Path) -> tuple[list[MailFile], dict[str, str]]:
    """What was loaded, and the reason of each refusal by its path below `path`."""
    refused: dict[str, str] = {}

    def refuse(file: Path, reason: str) -> None:
        refused[file.relative_to(path).as_posix()] = reason

    return list(read(path, on_refused=refuse)), refused


def test_sub_folders_become_folders_in_a_stable_order(tmp_path: Path) -> None:
    write(tmp_path / "b" / "c" / "3.eml", message(3))
    write(tmp_path / "b" / "2.txt", message(2))
    write(tmp_path / "1.eml", message(1))
    expected = [mail((), message(1)), mail(("b",), message(2)), mail(("b", "c"), message(3))]
    assert load(tmp_path) == (expected, {})


@pytest.mark.parametrize("name", ["1.eml", "1.txt", "00001.7c53336b"])
def test_a_from_line_is_no_part_of_a_single_message(tmp_path: Path, name: str) -> None:
    write(tmp_path / name, FROM + message(1) + b"\n" + FROM + message(2))
    assert load(tmp_path) == ([mail((), message(1) + b"\n" + FROM + message(2))], {})


def test_a_single_message_may_be_named_itself(tmp_path: Path) -> None:
    assert load(write(tmp_path / "1.eml", message(1)))[0] == [mail((), message(1))]


def test_an_mbox_that_is_named_has_no_folder_and_one_in_a_folder_is_one(tmp_path: Path) -> None:
    content = FROM + message(1) + b"\n" + FROM + message(2) + b"\n"
    write(tmp_path / "Inbox", content)
    write(tmp_path / "Inbox.sbd" / "Old.mbox", content)
    assert [item.folder for item in load(tmp_path / "Inbox")[0]] == [(), ()]
    assert [item.folder for item in load(tmp_path)[0]] == [("Inbox",)] * 2 + [("Inbox", "Old")] * 2


def test_an_mbox_tells_flags_in_status_fields(tmp_path: Path) -> None:
    headers: list[tuple[bytes, ...]] = [
        (b"Status: RO",),
        (b"Status: O", b"X-Status: F"),
        (b"X-Status: T",),
        (b"Status: Undecided",),
        (b"X-Status: D",),
    ]
    write(tmp_path / "box", b"\n".join(FROM + message(n, *fields) for n, fields in enumerate(headers)))
    found, _ = load(tmp_path / "box")
    assert [(item.is_read, item.is_flagged, item.is_draft) for item in found] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
        (False, False, False),
    ]


def test_one_bad_message_of_an_mbox_is_refused_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_files, "MESSAGE_BYTES_MAX", 1 << 20)
    large = message(2) + b"x" * (1 << 20)
    box = write(tmp_path / "box", FROM + message(1) + b"\n" + FROM + large + b"\n\n" + FROM + message(3))
    reasons: list[str] = []
    found = list(read(box, on_refused=lambda _, reason: reasons.append(reason)))
    assert found == [mail((), message(1)), mail((), message(3))]
    assert reasons == ["message 2 of the mbox: larger than 1 MiB"]


def test_a_maildir_tells_flags_in_names_and_folders_in_dots(tmp_path: Path) -> None:
    for part in (
        "cur",
        "new",
        "tmp",
        ".Sent/cur",
        ".Sent/new",
        ".Sent.Entw&APw-rfe/cur",
        "plain/cur",
        "plain/new",
    ):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / ".Sent.Entw&APw-rfe" / "new").mkdir()
    write(tmp_path / "cur" / "1:2,FS", message(1))
    write(tmp_path / "cur" / "2:2,DS", message(2))
    write(tmp_path / "cur" / "3:2,ST", message(3))
    write(tmp_path / "new" / "4", message(4, b"Status: RO"))
    write(tmp_path / "tmp" / "5", message(5))
    write(tmp_path / ".Sent" / "cur" / "6:2,S", message(6))
    write(tmp_path / ".Sent.Entw&APw-rfe" / "cur" / "7:2,", message(7))
    write(tmp_path / "plain" / "new" / "8", message(8))
    write(tmp_path / "dovecot-uidlist", b"3 V1\n")
    found, refused = load(tmp_path)
    assert found == [
        mail((), message(1), "FS"),
        mail((), message(2), "DS"),
        mail((), message(4, b"Status: RO")),
        mail(("Sent",), message(6), "S"),
        mail(("Sent", "Entwürfe"), message(7)),
        mail(("plain",), message(8)),
    ]
    assert refused == {
        "cur/3:2,ST": "marked as deleted",
        "dovecot-uidlist": "in a Maildir only cur and new hold mail",
    }


def test_what_is_no_mail_is_refused_one_by_one_and_the_rest_is_loaded(tmp_path: Path) -> None:
    write(tmp_path / "0.eml", message(0))
    write(tmp_path / "binary.eml", bytes(range(256)) * 9)
    write(tmp_path / "empty.eml", b"")
    write(tmp_path / "blank.eml", b" \n\n")
    write(tmp_path / "only-from.eml", FROM)
    write(tmp_path / "notes.txt", b"Note: buy milk\n\nFrom: the shop\n")
    write(tmp_path / "prose.txt", b"Dear reader,\nSubject: none\n")
    write(tmp_path / "z.eml", message(9))
    found, refused = load(tmp_path)
    assert found == [mail((), message(0)), mail((), message(9))]
    assert refused == {
        "binary.eml": "binary, not a mail message",
        "blank.eml": "empty",
        "empty.eml": "empty",
        "notes.txt": "does not begin with the header of a mail message",
        "only-from.eml": "empty",
        "prose.txt": "does not begin with the header of a mail message",
    }


def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.eml", message(1))
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "self.eml").symlink_to(tmp_path / "self.eml")
    (tmp_path / "gone.eml").symlink_to(tmp_path / "nothing")
    (tmp_path / "other.eml").symlink_to(tmp_path / "a" / "1.eml")
    found, refused = load(tmp_path)
    assert found == [mail(("a",), message(1)), mail((), message(1))]
    assert refused == {
        "a/up": "a link to a folder that is read under another name",
        "again": "a link to a folder that is read under another name",
        "gone.eml": "No such file or directory",
        "self.eml": "a loop of links",
    }


def test_a_pipe_or_socket_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    write(tmp_path / "1.eml", message(1))
    os.mkfifo(tmp_path / "pipe.eml")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.eml"))
        found, refused = load(tmp_path)
    assert len(found) == 1
    assert refused == {"pipe.eml": "not a regular file", "socket.eml": "No such device or address"}


def test_a_folder_where_a_maildir_has_mail_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "new" / "1", message(1))
    (tmp_path / "cur" / "folder").mkdir(parents=True)
    assert load(tmp_path)[1] == {"cur/folder": "not a regular file"}


def test_what_may_not_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        with without_privileges():
            path = Path(name, "mail")
            write(path / "1.eml", message(1))
            write(path / "secret.eml", message(2)).chmod(0)
            write(path / "closed" / "3.eml", message(3)).parent.chmod(0)
            write(path / "locked" / "4.eml", message(4)).parent.chmod(0o400)
            found, refused = load(path)
            for folder in ("closed", "locked"):
                (path / folder).chmod(0o700)
    assert len(found) == 1
    assert refused == dict.fromkeys(("closed", "locked/4.eml", "secret.eml"), "Permission denied")


def test_folders_that_never_end_are_refused_at_a_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_files, "DEPTH_MAX", 2)
    write(tmp_path / "a" / "b" / "1.eml", message(1))
    write(tmp_path / "a" / "b" / "c" / "2.eml", message(2))
    found, refused = load(tmp_path)
    assert len(found) == 1
    assert refused == {"a/b/c": "more than 2 folders deep"}


def test_a_name_that_is_no_text_becomes_one(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    write(folder / "1.eml", message(1))
    assert load(tmp_path)[0][0].folder == ("caf\N{REPLACEMENT CHARACTER}",)


def test_a_path_that_is_missing_or_empty_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name, text in (("nowhere", "cannot be read: No such file"), ("folder", "the folder is empty")):
        with pytest.raises(MailPathError, match=text):
            read(tmp_path / name, on_refused=lambda *_: None)


@pytest.mark.parametrize("name", ["file", "folder/file"])
def test_a_path_without_any_mail_is_an_error_with_the_first_reason(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "top" / name, b"just text\n")
    root = path if name == "file" else path.parent
    with pytest.raises(MailPathError, match=r"holds no mail\. Refused first: .*file: does not begin"):
        list(read(root, on_refused=lambda *_: None))


@pytest.mark.slow
def test_every_message_of_the_corpus_is_loaded(tmp_path: Path, shared: Path) -> None:
    with tarfile.open(shared / "corpus" / "spam-assassin.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    found, refused = load(tmp_path)
    assert refused == {}
    assert len(found) == CORPUS_MESSAGES
    assert len({item.folder for item in found}) == 5
    assert not any(item.content.startswith(b"From ") for item in found)
