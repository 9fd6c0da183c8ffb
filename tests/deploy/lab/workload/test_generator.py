from collections import Counter

from deploy.lab.workload.generator import CATEGORIES, Generator
from deploy.lab.workload.mail import NewMail

OWNERS = ("anna@source.test", "bob@source.test")


def made(seed: int, count: int = 300) -> list[NewMail]:
    return list(Generator(seed, OWNERS).mails(0, count))


def test_one_seed_makes_the_same_mail_and_another_makes_other_mail() -> None:
    assert made(3, 60) == made(3, 60)
    assert made(3, 60) != made(4, 60)


def test_exactly_as_many_messages_come_as_were_asked_for() -> None:
    assert len(made(1, 37)) == 37


def test_replies_name_the_message_they_answer() -> None:
    mails = made(1)
    ids = {line for mail in mails for line in mail.mime.split(b"\r\n") if line.lower().startswith(b"message-id:")}
    answered = [line for mail in mails for line in mail.mime.split(b"\r\n") if line.startswith(b"In-Reply-To:")]
    assert answered
    assert all(line.replace(b"In-Reply-To", b"Message-ID") in ids for line in answered[:5])


def test_mail_has_what_real_mail_has() -> None:
    mails = made(1)
    everything = b"\n".join(mail.mime for mail in mails)
    for sign in (b"multipart/alternative", b"attachment;", b"=?utf-8?", b"koi8-r", b"iso-2022-jp", b"message/rfc822"):
        assert sign in everything
    assert any(not mail.mime.isascii() for mail in mails)
    kinds = Counter((mail.is_read, mail.is_draft, mail.is_flagged) for mail in mails)
    assert len(kinds) >= 4
    assert {category for mail in mails for category in mail.categories} <= set(CATEGORIES)


def test_folders_are_nested_and_not_only_ascii() -> None:
    folders = Generator(1, OWNERS).folders[0]
    assert max(map(len, folders)) >= 3
    assert any(not name.isascii() for path in folders for name in path)


def test_entries_are_of_every_kind() -> None:
    kinds = {entry.folder for entry in Generator(1, OWNERS).entries(0, 8)}
    assert kinds == {("/calendar",), ("/contacts",), ("/tasks",), ("/notes",)}
