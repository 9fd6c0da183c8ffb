import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.exchange.headers import addresses, date_header, fields_of, header_of, readable, sent_time, topic_of


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a@b.c", [["", "a@b.c", "SMTP"]]),
        ("Jane Doe <a@b.c>", [["Jane Doe", "a@b.c", "SMTP"]]),
        ('"Doe, Jane" <a@b.c>', [["Doe, Jane", "a@b.c", "SMTP"]]),
        ("=?utf-8?q?J=C3=A4ne?= <a@b.c>", [["Jäne", "a@b.c", "SMTP"]]),
        ("a@b.c, X <d@e.f>", [["", "a@b.c", "SMTP"], ["X", "d@e.f", "SMTP"]]),
        ("a@b.c (Jane)", [["Jane", "a@b.c", "SMTP"]]),
        ("", []),
    ],
)
def test_addresses_are_read(value: str, expected: list[list[str]]) -> None:
    assert addresses(value) == expected


@given(st.text(max_size=60))
def test_no_text_raises(text: str) -> None:
    addresses(text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    readable(text)
    sent_time(text)


def test_raw_bytes_are_read_as_utf_8_or_else_as_windows_1252() -> None:
    assert readable("gr\udcc3\udcbcn") == "grün"
    assert readable("gr\udcfcn") == "grün"
    assert readable("=?nonsense?q?x?=") == "x"


def test_times_are_utc_and_what_is_none_is_nothing() -> None:
    assert sent_time("Sun, 22 Nov 2026 10:00:00 +0200") == "2026-11-22T08:00:00Z"
    assert sent_time("yesterday") is None
    assert sent_time("Sun, 22 Nov 99999 10:00:00") is None
    assert date_header("2026-11-22T08:00:00Z") == "Sun, 22 Nov 2026 08:00:00 -0000"


def test_the_first_of_a_repeated_header_counts_and_recipients_add_up() -> None:
    fields = fields_of([("Subject", "1"), ("subject", "2"), ("To", "a@b.c"), ("TO", "d@e.f"), ("Importance", "high")])
    assert fields["Subject"] == "1"
    assert [entry[1] for entry in fields["ToRecipients"]] == ["a@b.c", "d@e.f"]
    assert fields["Importance"] == "High"


def test_a_topic_has_no_prefixes() -> None:
    assert topic_of("Re: FW: Aw: x") == "x"


def test_fields_become_headers_that_are_read_back() -> None:
    for field, value in (
        ("Subject", "grün " * 40),
        ("From", ["Jäne, D", "a@b.c", "SMTP"]),
        ("ToRecipients", [['A "q"', "a@b.c", "SMTP"], ["", "d@e.f", "SMTP"]]),
        ("DateTimeSent", "2026-11-22T08:00:00Z"),
    ):
        header = header_of(field, value)
        assert header is not None
        found = fields_of([header])[field]
        assert found == (value.strip() if isinstance(value, str) else value)
    assert header_of("Subject", "") is None
    assert header_of("Unknown", "x") is None
