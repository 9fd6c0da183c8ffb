import email
from datetime import UTC, datetime

import pytest

from deploy.lab.workload import letters
from deploy.lab.workload.letters import MAKES, Letter, Make
from deploy.lab.workload.people import People
from schemas.canonical import ShownItem
from schemas.canonical_message import from_message


def letter(people: People, locale: str) -> Letter:
    sender = next(person for person in people.strangers if person.locale == locale)
    return Letter(
        sender=sender,
        recipients=(people.owners[0],),
        subject=people.subject(locale),
        text=people.text(locale),
        sent=datetime(2026, 1, 1, tzinfo=UTC),
        message_id="<1@x.test>",
        references=("<0@x.test>",),
    )


@pytest.fixture
def people() -> People:
    return People(2, ("anna@source.test",))


@pytest.mark.parametrize("make", [make for make, _ in MAKES])
@pytest.mark.parametrize("locale", ["en_US", "de_DE", "ja_JP", "ru_RU"])
def test_every_make_can_be_written_in_every_language_and_read_in_canonical_form(
    people: People, make: Make, locale: str
) -> None:
    written = make(people, letter(people, locale))
    assert b"\r\n\r\n" in written
    assert from_message(written, ShownItem(item_class="IPM.Note")).headers


def test_texts_survive_their_encoding(people: People) -> None:
    wanted = letter(people, "ru_RU")
    found = email.message_from_bytes(letters.both_texts(people, wanted))
    part = next(p for p in found.walk() if p.get_content_type() == "text/plain")
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert payload.decode().replace("\r\n", "\n").rstrip("\n") == wanted.text


def test_a_bad_date_is_none(people: People) -> None:
    found = email.message_from_bytes(letters.bad_date(people, letter(people, "en_US")))
    assert str(found["Date"]) != "Thu, 01 Jan 2026 00:00:00 +0000"


def test_a_truncated_message_lacks_its_end(people: People) -> None:
    assert not letters.truncated(people, letter(people, "en_US")).endswith(b"--\r\n")


def test_a_message_without_id_has_neither_id_nor_date(people: People) -> None:
    found = email.message_from_bytes(letters.without_id(people, letter(people, "en_US")))
    assert found["Message-ID"] is None
    assert found["Date"] is None
