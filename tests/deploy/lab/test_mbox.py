"""Where messages of an mbox begin and end."""

from io import BytesIO

import pytest

from deploy.lab.mbox import LINE_BYTES_MAX, split_mbox, without_from_line

FROM = b"From someone@example.org Thu Aug 22 12:36:23 2002\n"
UNDATED = b"From someone@example.org\n"


def split(content: bytes, size_bytes_max: int = 1 << 20) -> list[bytes | None]:
    return list(split_mbox(BytesIO(content), size_bytes_max))


def test_from_lines_and_the_empty_lines_before_them_belong_to_the_mbox() -> None:
    content = FROM + b"Subject: 1\n\none\n\n" + FROM + b"Subject: 2\n\ntwo\n\n"
    assert split(content) == [b"Subject: 1\n\none\n", b"Subject: 2\n\ntwo\n"]


def test_empty_lines_of_the_message_itself_stay() -> None:
    content = FROM + b"Subject: 1\n\none\n\n\n\n" + FROM + b"Subject: 2\n\ntwo"
    assert split(content) == [b"Subject: 1\n\none\n\n\n", b"Subject: 2\n\ntwo"]


def test_line_ends_stay_what_they_are() -> None:
    separator = FROM.replace(b"\n", b"\r\n")
    content = separator + b"Subject: 1\r\n\r\none\r\n\r\n" + separator + b"Subject: 2\r\n\r\n"
    assert split(content) == [b"Subject: 1\r\n\r\none\r\n", b"Subject: 2\r\n"]


@pytest.mark.parametrize(
    "body",
    [
        b"text\nFrom someone@example.org Thu Aug 22 12:36:23 2002\nSubject: x\n",  # no empty line before
        b"\nFrom then on: nothing\nNote: this is text\n",  # no date
        b"\nFrom someone@example.org Thu Aug 22 12:36:23 2002\nno field follows\n",
        b"\n>From then on\n\n>>From now\n",  # perhaps quoted, perhaps the author's
    ],
)
def test_a_line_of_the_text_that_begins_like_a_separator_stays(body: bytes) -> None:
    message = b"Subject: 1\n\n" + body
    assert split(FROM + message + b"\n" + FROM + b"Subject: 2\n\n") == [message, b"Subject: 2\n"]


def test_in_an_mbox_without_dates_every_from_line_before_a_field_separates() -> None:
    content = UNDATED + b"Subject: 1\n\none\n\n" + UNDATED + b"Subject: 2\n\ntwo\n"
    assert split(content) == [b"Subject: 1\n\none\n", b"Subject: 2\n\ntwo\n"]


def test_a_from_line_at_the_very_end_is_text() -> None:
    assert split(FROM + b"Subject: 1\n\n" + FROM) == [b"Subject: 1\n\n" + FROM]


def test_a_message_above_the_limit_is_left_out_and_the_next_one_is_found() -> None:
    content = FROM + b"Subject: 1\n\n" + b"x" * 99 + b"\n\n" + FROM + b"Subject: 2\n\ntwo\n"
    assert split(content, size_bytes_max=50) == [None, b"Subject: 2\n\ntwo\n"]


def test_a_line_longer_than_the_buffer_stays_whole() -> None:
    message = b"Subject: 1\n\n" + b"x" * LINE_BYTES_MAX + FROM
    assert split(FROM + message + b"\n" + FROM + b"Subject: 2\n\n", 1 << 22) == [message, b"Subject: 2\n"]


def test_a_from_line_is_taken_off_a_single_message_once() -> None:
    assert without_from_line(FROM + b"Subject: 1\n") == b"Subject: 1\n"
    assert without_from_line(b"From: a@example.org\n\n" + FROM) == b"From: a@example.org\n\n" + FROM
