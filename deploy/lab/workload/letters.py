"""Single messages of many makes, from plain text to what no standard allows."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from deploy.lab.workload.mime import date_text, header_text, leaf, mailbox_text, message, multipart, text_leaf
from deploy.lab.workload.people import People, Person

_CHARSETS = {
    "en_US": "us-ascii",
    "de_DE": "iso-8859-1",
    "fr_FR": "windows-1252",
    "ja_JP": "iso-2022-jp",
    "ru_RU": "koi8-r",
}
_RAW_CHARSETS = {"de_DE": "iso-8859-1", "fr_FR": "windows-1252", "ja_JP": "shift_jis", "ru_RU": "koi8-r"}
LONG_LINE_LENGTH = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a message says, before it is written as MIME."""

    sender: Person
    recipients: tuple[Person, ...]
    copied: tuple[Person, ...] = ()
    subject: str
    text: str
    sent: datetime
    message_id: str
    references: tuple[str, ...] = ()


Make = Callable[[People, Letter], bytes]


def headers_of(letter: Letter) -> list[tuple[str, str]]:
    """Return the usual headers of a letter, in ASCII."""
    headers = [
        ("From", mailbox_text(letter.sender.name, letter.sender.address)),
        ("To", ",\r\n ".join(mailbox_text(p.name, p.address) for p in letter.recipients)),
        ("Subject", header_text(letter.subject)),
        ("Date", date_text(letter.sent)),
        ("Message-ID", letter.message_id),
        ("X-Mailer", "Lab 1.0"),
    ]
    if letter.copied:
        headers.insert(2, ("Cc", ", ".join(mailbox_text(p.name, p.address) for p in letter.copied)))
    if letter.references:
        headers += [("In-Reply-To", letter.references[-1]), ("References", "\r\n ".join(letter.references))]
    return headers


def plain(people: People, letter: Letter) -> bytes:
    """Write plain text in one of the usual encodings and charsets."""
    encoding = people.chance.choice(("8bit", "quoted-printable", "base64"))
    charset = people.chance.choice(("utf-8", _CHARSETS[letter.sender.locale]))
    return message(headers_of(letter), text_leaf(letter.text, charset=charset, encoding=encoding))


def both_texts(people: People, letter: Letter) -> bytes:
    """Write plain text with HTML as its alternative."""
    return message(headers_of(letter), _alternative(people, letter))


def with_picture(people: People, letter: Letter) -> bytes:
    """Write HTML that shows an inline picture."""
    content_id = f"{people.token()}@lab"
    page = f'{_page(letter)}<p><img src="cid:{content_id}"></p>'
    picture = leaf(
        "image/png",
        b"\x89PNG\r\n\x1a\n" + people.chance.randbytes(900),
        encoding="base64",
        file_name="image001.png",
        content_id=content_id,
    )
    shown = text_leaf(page, subtype="html", encoding="quoted-printable")
    return message(headers_of(letter), multipart("related", [shown, picture], people.token()))


def with_files(people: People, letter: Letter) -> bytes:
    """Write text with one to three attached files."""
    files = [people.file() for _ in range(people.chance.choices((1, 2, 3), (70, 20, 10))[0])]
    attached = [leaf(f.content_type, f.data, encoding="base64", file_name=f.name) for f in files]
    return message(headers_of(letter), multipart("mixed", [_alternative(people, letter), *attached], people.token()))


def forwarded(people: People, letter: Letter) -> bytes:
    """Write text with another message attached."""
    inner = Letter(
        sender=people.chance.choice(people.strangers),
        recipients=(letter.sender,),
        subject=people.subject("en_US"),
        text=people.text("en_US"),
        sent=letter.sent,
        message_id=f"<{people.token()}@forwarded.test>",
    )
    attached = leaf("message/rfc822", plain(people, inner))
    return message(headers_of(letter), multipart("mixed", [text_leaf(letter.text), attached], people.token()))


def signed(people: People, letter: Letter) -> bytes:
    """Write a signed message, whose bytes must stay as they are."""
    signature = leaf(
        "application/pkcs7-signature; name=smime.p7s",
        people.chance.randbytes(1_200),
        encoding="base64",
        file_name="smime.p7s",
    )
    parameters = '; protocol="application/pkcs7-signature"; micalg=sha-256'
    body = multipart("signed", [text_leaf(letter.text), signature], people.token(), parameters)
    return message(headers_of(letter), body)


def raw_bytes(people: People, letter: Letter) -> bytes:
    """Write 8-bit bytes into subject and body as old programs do, without encoded words."""
    charset = _RAW_CHARSETS.get(letter.sender.locale, "windows-1252")
    headers = [(n, v) for n, v in headers_of(letter) if n != "Subject"]
    subject = f"{letter.subject} \N{EN DASH} {people.word('de_DE')}".encode(charset, "replace")
    headers.append(("Subject", subject.decode("ascii", "surrogateescape")))
    return message(headers, text_leaf(letter.text, charset=charset))


def bad_date(people: People, letter: Letter) -> bytes:
    """Write a Date that is none."""
    date = people.chance.choice(("yesterday", "Mon, 32 Foo 2024 25:61:00 +9999", "", "0"))
    return message(_replaced(letter, "Date", date), text_leaf(letter.text))


def unknown_charset(people: People, letter: Letter) -> bytes:
    """Write a body in a charset nobody knows."""
    data = letter.text.encode() + people.chance.randbytes(8).translate(None, b"\r\n\0")
    return message(headers_of(letter), leaf("text/plain; charset=x-lab-unknown", data, encoding="8bit"))


def without_id(people: People, letter: Letter) -> bytes:
    """Write a message that lacks Message-ID and Date."""
    headers = [(n, v) for n, v in headers_of(letter) if n not in {"Message-ID", "Date"}]
    return message([*headers, ("X-Number", people.token())], text_leaf(letter.text))


def truncated(people: People, letter: Letter) -> bytes:
    """Write a multipart that ends in the middle of its last part."""
    whole = with_files(people, letter)
    return whole[: len(whole) - people.chance.randint(40, 200)]


def long_lines(people: People, letter: Letter) -> bytes:
    """Write a header and a body line far longer than allowed."""
    words = " ".join(people.word() for _ in range(LONG_LINE_LENGTH // 8))
    headers = [*headers_of(letter), ("X-Long", words[:LONG_LINE_LENGTH])]
    return message(headers, text_leaf(f"{letter.text}\n{words}"))


def odd_addresses(people: People, letter: Letter) -> bytes:
    """Write recipients that are no addresses."""
    written = people.chance.choice(("undisclosed-recipients:;", "<>", '"unclosed <a@b', "all@@here, ,"))
    return message(_replaced(letter, "To", written), text_leaf(letter.text))


MAKES: tuple[tuple[Make, int], ...] = (
    (plain, 300),
    (both_texts, 320),
    (with_files, 170),
    (with_picture, 50),
    (forwarded, 25),
    (signed, 25),
    (raw_bytes, 50),
    (bad_date, 10),
    (unknown_charset, 10),
    (without_id, 10),
    (truncated, 10),
    (long_lines, 10),
    (odd_addresses, 10),
)
"""Every make of message with its share in a thousand."""


def write(people: People, letter: Letter) -> bytes:
    """Write a letter in a make drawn by its share."""
    makes, weights = zip(*MAKES, strict=True)
    make: Make = people.chance.choices(makes, weights)[0]
    return make(people, letter)


def _replaced(letter: Letter, name: str, value: str) -> list[tuple[str, str]]:
    return [(n, value if n == name else v) for n, v in headers_of(letter)]


def _page(letter: Letter) -> str:
    paragraphs = "".join(f"<p>{html.escape(part)}</p>\n" for part in letter.text.split("\n\n"))
    return f"<html><body>\n{paragraphs}</body></html>"


def _alternative(people: People, letter: Letter) -> bytes:
    texts = [
        text_leaf(letter.text, encoding="quoted-printable"),
        text_leaf(_page(letter), subtype="html", encoding="quoted-printable"),
    ]
    return multipart("alternative", texts, people.token())
