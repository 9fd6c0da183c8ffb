from __future__ import annotations

from itertools import permutations

import pytest
from lxml import etree

from schemas.answer_order import matched
from schemas.ports import Element, ServerAnswer

ASKED = ["a", "b", "c"]


def about(item_id: str) -> ServerAnswer:
    return ServerAnswer("NoError", etree.Element("Item", Id=item_id))


def refused(code: str = "ErrorItemNotFound") -> ServerAnswer:
    return ServerAnswer(code, etree.Element("Refused"))


def itself(element: Element) -> Element:
    return element


@pytest.mark.parametrize("order", list(permutations(ASKED)))
def test_answers_in_any_order_are_told_by_their_ids(order: tuple[str, ...]) -> None:
    answers = [about(i) for i in order]
    assert [a and a.element.get("Id") for a in matched(ASKED, answers, itself)] == ASKED


def test_refusals_in_their_places_stay_there() -> None:
    answers = [refused("ErrorItemCorrupt"), about("b"), refused()]
    assert matched(ASKED, answers, itself) == answers


def test_one_refusal_among_answers_in_another_order_is_what_is_left() -> None:
    answers = [about("c"), about("a"), refused()]
    assert matched(ASKED, answers, itself) == [answers[1], answers[2], answers[0]]


def test_refusals_that_say_different_things_in_another_order_cannot_be_told() -> None:
    answers = [about("c"), refused("ErrorItemCorrupt"), refused()]
    assert matched(ASKED, answers, itself) == [None, None, answers[0]]


def test_an_answer_about_something_else_is_about_nothing_asked() -> None:
    answers = [about("z"), about("b"), about("c")]
    assert matched(ASKED, answers, itself) == [None, answers[1], answers[2]]


def test_what_is_done_and_names_no_id_cannot_be_told() -> None:
    assert matched(["a"], [ServerAnswer("NoError", etree.Element("Item"))], itself) == [None]


def test_an_id_that_is_asked_for_twice_has_two_answers() -> None:
    answers = [about("b"), about("a"), about("a")]
    assert matched(["a", "a", "b"], answers, itself) == [answers[1], answers[2], answers[0]]
