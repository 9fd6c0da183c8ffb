import pytest
from lxml import etree

from schemas.ports import AnswerUnknown, CallFailed, CallRefused, ServerAnswer


@pytest.mark.parametrize("kind", [CallRefused, AnswerUnknown])
def test_a_failed_call_tells_its_code_and_how_long_to_wait(kind: type[CallFailed]) -> None:
    failure = kind("ErrorServerBusy", "GetItem", 2.5)
    assert (failure.code, failure.detail, failure.back_off_seconds) == ("ErrorServerBusy", "GetItem", 2.5)
    assert str(failure) == "ErrorServerBusy: GetItem"
    assert isinstance(failure, CallFailed)


def test_refused_and_unknown_are_never_taken_for_each_other() -> None:
    assert not issubclass(CallRefused, AnswerUnknown)
    assert not issubclass(AnswerUnknown, CallRefused)


@pytest.mark.parametrize(("code", "is_done"), [("NoError", True), ("ErrorItemNotFound", False), ("", False)])
def test_only_no_error_is_done(code: str, *, is_done: bool) -> None:
    assert ServerAnswer(code, etree.fromstring("<a/>")).is_done is is_done
