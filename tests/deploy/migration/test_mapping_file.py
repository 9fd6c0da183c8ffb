"""A mapping file is checked as a whole: what is refused, in which line."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.migration.mapping_file import Row, read

HEADER = "source,target,wave,priority,archive,notes\n"


@dataclass(frozen=True)
class Rule:
    mailboxes: tuple[str, ...] = ("*@old.test",)
    domain: str = "new.test"


def errors(body: str, header: str = HEADER) -> list[str]:
    return list(read(header + body, Rule()).errors)


def test_a_file_that_is_right_gives_its_rows_with_their_lines() -> None:
    found = read(
        "\ufeffSource, Wave ,target,notes,priority,archive\r\n"
        'anna@old.test,pilot,,"the boss, first",1,\r\n'
        "\r\n"
        "ben@old.test,rest,benjamin@new.test,,,leave\r\n",
        Rule(),
    )
    assert found.errors == ()
    assert found.rows == (
        Row(line=2, source="anna@old.test", target="anna@new.test", wave="pilot", priority=1, notes="the boss, first"),
        Row(line=4, source="ben@old.test", target="benjamin@new.test", wave="rest", archive="leave"),
    )


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "source,wave,size",
            ["line 1: unknown column 'size'; there are source, target, wave, priority, archive, notes"],
        ),
        ("source,wave,wave", ["line 1: column 'wave' stands twice"]),
        ("target", ["line 1: column 'source' is missing", "line 1: column 'wave' is missing"]),
        ("", ["line 1: column 'source' is missing", "line 1: column 'wave' is missing"]),
    ],
)
def test_columns_are_those_that_are_known(header: str, said: list[str]) -> None:
    assert errors("", header) == said


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("anna,a@new.test,w,,,", "source 'anna': not an address"),
        (",a@new.test,w,,,", "source '': not an address"),
        ("a@old.test,new.test,w,,,", "target 'new.test': not an address"),
        ("a@else.test,,w,,,", "target is blank, and no rule of the target maps this address"),
        ("a@old.test,a@new.test,,,,", "wave is blank"),
        ("a@old.test,a@new.test,w 1,,,", "wave 'w 1': up to 64 letters, digits, dots, dashes and underscores"),
        ("a@old.test,a@new.test,w,first,,", "priority 'first': a whole number from 0 (goes first) to 9999"),
        ("a@old.test,a@new.test,w,-1,,", "priority '-1': a whole number from 0 (goes first) to 9999"),
        ("a@old.test,a@new.test,w,²,,", "priority '²': a whole number from 0 (goes first) to 9999"),
        ("a@old.test,a@new.test,w,,perhaps,", "archive 'perhaps': 'no', or 'leave' where it has one that stays at the"),
        ("a@old.test,a@new.test,w,,yes,", "archive 'yes': archives are not mirrored; write 'leave'"),
        (f"a@old.test,a@new.test,w,,,{'x' * 201}", "notes: at most 200 printable characters"),
        ("a@old.test,a@new.test,w,,", "5 fields where the header has 6"),
        ('a@old.test,a@new.test,w,,,"open', "not CSV: "),
    ],
)
def test_a_row_that_is_wrong_is_said_with_its_line(row: str, words: str) -> None:
    (said,) = errors(row)
    assert said.startswith(f"line 2: {words}")


def test_all_errors_come_at_once_in_the_order_of_lines() -> None:
    said = errors("a,b,,,,\nok@old.test,,w,,,\nOK@old.test,c@new.test,w,x,,\n")
    assert [line.split(":")[0] for line in said] == ["line 2", "line 2", "line 2", "line 4", "line 4"]
    assert "line 4: source ok@old.test stands in line 3 already" in said


def test_two_mailboxes_do_not_share_one_at_the_target() -> None:
    assert errors("a@old.test,x@new.test,w,,,\nb@old.test,X@new.test,w,,,\n") == [
        "line 3: target x@new.test stands in line 2 already"
    ]


def test_a_ring_is_refused_and_the_same_address_at_both_servers_is_none() -> None:
    ring = "a@old.test,b@old.test,w,,,\nb@old.test,c@old.test,w,,,\nc@old.test,a@old.test,w,,,\n"
    assert errors(ring + "d@old.test,d@old.test,w,,,\ne@old.test,a2@new.test,w,,,\n") == [
        "line 2: a cycle: a@old.test → b@old.test → c@old.test → a@old.test (with line 3, 4)"
    ]


@given(st.permutations(range(6)))
def test_every_ring_of_two_or_more_is_found_whatever_the_order(order: list[int]) -> None:
    said = errors("".join(f"u{n}@old.test,u{to}@old.test,w,,,\n" for n, to in enumerate(order)))
    seen: set[int] = set()
    rings = 0
    for start in range(len(order)):
        at, length = start, 0
        while at not in seen:
            seen.add(at)
            at, length = order[at], length + 1
        rings += length > 1
    assert len(said) == rings


@given(st.text(max_size=200))
def test_no_text_is_a_traceback(text: str) -> None:
    read(text, Rule())
    read(HEADER + text, Rule())
