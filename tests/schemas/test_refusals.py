from __future__ import annotations

from schemas.refusals import AGE_MS_MAX, REFUSALS_MIN, SPAN_MS_MIN, RefusalWatch

STEP = SPAN_MS_MIN // (REFUSALS_MIN - 1)


def refuse(watch: RefusalWatch, *mailboxes: str, operation: str = "") -> list[bool]:
    return [watch.must_halt(number * STEP, mailbox, operation) for number, mailbox in enumerate(mailboxes)]


def test_refusals_to_two_mailboxes_over_minutes_halt_and_no_earlier() -> None:
    assert refuse(RefusalWatch(), *"ababa") == [False] * (REFUSALS_MIN - 1) + [True]


def test_refusals_of_two_operations_halt_too() -> None:
    watch = RefusalWatch()
    assert not watch.must_halt(0, "a", "GetItem")
    assert refuse(watch, *"aaaaa", operation="MoveItem")[-1]


def test_one_mailbox_and_one_call_are_nobody_elses_matter() -> None:
    assert not any(refuse(RefusalWatch(), *"a" * 100))


def test_many_refusals_within_a_moment_do_not_halt() -> None:
    watch = RefusalWatch()
    assert not any(watch.must_halt(number, mailbox) for number, mailbox in enumerate("ab" * 100))


def test_an_answer_forgets_what_was_refused_before_it() -> None:
    watch = RefusalWatch()
    refuse(watch, *"abab")
    watch.answered()
    assert not watch.must_halt(4 * STEP, "a")


def test_refusals_of_long_ago_do_not_count() -> None:
    watch = RefusalWatch()
    refuse(watch, *"abab")
    assert not watch.must_halt(AGE_MS_MAX + 10 * STEP, "a")
