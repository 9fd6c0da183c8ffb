from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import wire_values

if TYPE_CHECKING:
    from collections.abc import Callable

DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
DATE_SECONDS = 1_445_412_480


@pytest.mark.parametrize(
    ("written", "number"),
    [
        *(("12", 12), (" -3 ", -3), ("+4", 4), ("", 0), ("²", 0), ("٣", 0), ("1.5", 0), ("0x1", 0), ("1_000", 0)),
        *(("9" * 19, wire_values.NUMBER_MAX), ("-" + "9" * 19, -wire_values.NUMBER_MAX), ("9" * 5000, 0)),
    ],
)
def test_a_whole_number_fits_the_log_and_anything_else_is_the_default(written: str, number: int) -> None:
    assert wire_values.whole_number(written) == number


def test_a_count_is_never_negative() -> None:
    assert (wire_values.count("-5"), wire_values.count("7"), wire_values.count("many")) == (0, 7, 0)


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("1", True), (" True", True), ("false", False), ("0", False), ("yes", None), ("", None)],
)
def test_a_boolean_may_be_in_words_or_digits(written: str, value: bool | None) -> None:  # noqa: FBT001 - from a table
    for default in (True, False):
        assert wire_values.boolean(written, default=default) is (default if value is None else value)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *(("2015-10-21T07:28:00Z", DATE_SECONDS), ("2015-10-21T07:28:00.500Z", DATE_SECONDS + 0.5)),
        *(("", None), ("yesterday", None), ("0001-01-01T00:00:00+14:00", None), ("2015-13-45T99:00:00Z", None)),
    ],
)
def test_a_moment_is_seconds_or_unknown(written: str, seconds: float | None) -> None:
    found = wire_values.moment_seconds(written)
    assert found is None or seconds is None or found == seconds
    assert seconds is None or found is not None


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        *(("7", 7.0), ("2.5", 2.5), ("²", 5.0), ("", 5.0), ("-3", 5.0), ("nan", 5.0), ("inf", 5.0), ("1e9", 5.0)),
        *(("99999999999", wire_values.WAIT_SECONDS_MAX), (DATE, 20.0), ("soon", 5.0)),
    ],
)
def test_retry_after_is_a_bounded_span_a_date_by_the_servers_clock_or_the_default(written: str, seconds: float) -> None:
    assert wire_values.retry_after_seconds(written, DATE_SECONDS - 20, 5.0) == seconds


def test_a_date_of_a_server_without_a_clock_says_nothing() -> None:
    assert wire_values.retry_after_seconds(DATE, 0, 5.0) == 5.0


@pytest.mark.parametrize(("written", "seconds"), [("1500", 1.5), ("x", 5.0), ("10" * 6, 600.0), ("", 5.0)])
def test_milliseconds_become_bounded_seconds(written: str, seconds: float) -> None:
    assert wire_values.milliseconds(written, 5.0) == seconds


@pytest.mark.parametrize(
    ("written", "numbers"),
    [("15.1.2507.6", (15, 1)), ("14.1", (14, 1)), ("", (0, 0)), ("a.b.c", (0, 0)), ("15", (0, 0))],
)
def test_a_version_is_two_numbers(written: str, numbers: tuple[int, int]) -> None:
    assert wire_values.version(written) == numbers


@pytest.mark.parametrize(
    ("written", "tag"), [("0x0E07", "0x0e07"), ("0XE07", "0x0e07"), ("e07", "0x0e07"), ("no tag", "no tag"), ("", "")]
)
def test_a_property_tag_has_one_form(written: str, tag: str) -> None:
    assert wire_values.property_tag(written) == tag


@pytest.mark.parametrize(
    ("written", "body"),
    [("YWJj", b"abc"), ("YW\r\nJj ", b"abc"), ("", b""), ("YWJ", None), ("YW\ufffdj", None), ("YW!Jj", None)],
)
def test_base64_is_whole_or_nothing(written: str, body: bytes | None) -> None:
    assert wire_values.base64_bytes(written) == body


TOTAL: list[Callable[[str], object]] = [
    wire_values.whole_number,
    wire_values.count,
    wire_values.boolean,
    wire_values.moment_seconds,
    wire_values.http_date_seconds,
    wire_values.version,
    wire_values.property_tag,
    wire_values.base64_bytes,
    lambda written: wire_values.seconds(written, 1.0),
    lambda written: wire_values.milliseconds(written, 1.0),
    lambda written: wire_values.retry_after_seconds(written, DATE_SECONDS, 1.0),
]
ODD = st.sampled_from(
    ["²", "٣", "9" * 400, "-0000", DATE, "0001-01-01T00:00:00", "9999-12-31T23:59:60Z", "NaN", "=\x00"]
)


@pytest.mark.parametrize("function", TOTAL)
@given(written=st.one_of(st.text(), ODD, st.from_regex(r"[0-9TZ:+\-. ]{0,40}")))
def test_no_text_makes_any_of_them_raise(function: Callable[[str], object], written: str) -> None:
    function(written)
