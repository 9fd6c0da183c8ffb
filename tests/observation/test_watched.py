"""A real Prometheus scrapes a real lab: expressions answer, faults change what they should, alerts come and go."""

import os
import signal
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.grafana.panels import DASHBOARDS
from deploy.lab.workload.mail import INBOX, NewMail

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
Watched = Any
SILENT = (
    "certificate_expiry",
    "parked_total",
    "settled_total",
    "call_failures_total",
    "throttled_calls",
    "back_offs",
    "held_",
    "hold_seconds",
    "front_door",
)
"""Parts of names of what has no series before its fault: https, parked items, doubts, failures, holds, a front door."""
EXPRESSIONS = [e for panels in DASHBOARDS.values() for panel in panels for e, _ in panel.queries]


LONG = pytest.mark.skipif("MAILSHADOW_OBSERVE" not in os.environ, reason="long form: make observe")


def concrete(expression: str) -> str:
    return expression.replace("$__rate_interval", "30s")


def put(watched: Watched, number: int) -> None:
    lines = [
        "From: a@elsewhere.test", f"To: {watched.user.address}", f"Subject: observed {number}",
        f"Message-ID: <observed-{number}@elsewhere.test>", "Date: Sun, 22 Nov 2026 10:00:00 +0000", "", "hello", "",
    ]  # fmt: skip
    mime = "\r\n".join(lines).encode()
    received = datetime(2026, 11, 22, tzinfo=UTC)
    mail = NewMail(owner=0, folder=INBOX, mime=mime, received=received, is_read=False)
    watched.user.create_mail(watched.user.folder(INBOX), [mail])


def total(watched: Watched, expression: str) -> float:
    return float(sum(value for _, value in watched.query(expression)))


def healthy(watched: Watched, state: str) -> float:
    return total(watched, f'mailshadow_fleet_mailboxes{{health="{state}"}}')


def test_everybody_becomes_protected_and_every_expression_answers_with_data(watched: Watched) -> None:
    watched.await_true(lambda: healthy(watched, "protected") == 2, 90, "two mailboxes protected")
    for number in range(3):
        put(watched, number)
        time.sleep(1.0)
    asked = [e for e in EXPRESSIONS if not any(part in e for part in SILENT)]
    deadline = time.monotonic() + 40
    while (empty := [e for e in asked if not watched.query(concrete(e))]) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert empty == []
    for expression in EXPRESSIONS:
        watched.query(concrete(expression))  # those too are understood


def test_an_idle_pipeline_lags_by_seconds_however_long_ago_the_last_change_was(watched: Watched) -> None:
    time.sleep(4.0)
    assert total(watched, "mailshadow_fleet_lag_worst_seconds") < 10
    assert total(watched, "mailshadow_fleet_changes_not_applied") == 0


def test_a_poison_item_is_parked_told_and_no_more_once_it_is_redriven(watched: Watched) -> None:
    watched.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
    put(watched, 10)
    seen = watched.await_true(lambda: healthy(watched, "incomplete") == 1, 30, "incomplete")
    told = watched.await_true(lambda: watched.is_told("Parked", "firing"), 20, "MailshadowParked")
    print(f"poison item: status {seen:.0f} s, alert {seen + told:.0f} s")
    assert total(watched, 'mailshadow_fleet_items{kind="parked"}') == 1
    assert total(watched, "mailshadow_replay_parked_total") == 1
    ordered = watched.run("dead-letters", "redrive")
    assert "1 items ordered" in ordered
    watched.await_true(lambda: healthy(watched, "protected") == 2, 30, "protected again")
    watched.await_true(lambda: watched.is_told("Parked", "resolved"), 30, "MailshadowParked resolved")
    assert total(watched, 'mailshadow_fleet_items{kind="parked"}') == 0


@LONG
def test_a_hanging_replay_lets_lag_grow_is_told_and_is_over_when_it_goes_on(watched: Watched) -> None:
    watched.world.replay.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        put(watched, 20)
        watched.await_true(lambda: watched.is_told("WorkerDown", "firing"), 30, "MailshadowWorkerDown")
        down = time.monotonic() - began
        watched.await_true(lambda: total(watched, "mailshadow_fleet_lag_worst_seconds") > 5, 30, "lag grows")
        watched.await_true(lambda: healthy(watched, "stalled") == 1, 40, "stalled")
        watched.await_true(lambda: watched.is_told("Stalled", "firing"), 20, "MailshadowStalled")
        print(f"hanging replay: WorkerDown {down:.0f} s, Stalled {time.monotonic() - began:.0f} s (stall_seconds 8)")
    finally:
        watched.world.replay.signal(signal.SIGCONT)
    watched.await_true(lambda: healthy(watched, "stalled") == 0, 40, "no stall")
    watched.await_true(lambda: watched.is_told("Stalled", "resolved"), 30, "Stalled resolved")
    watched.await_true(lambda: watched.is_told("WorkerDown", "resolved"), 30, "WorkerDown resolved")


@LONG
def test_a_source_that_stops_answering_is_not_captured_until_it_answers(watched: Watched) -> None:
    watched.world.source.signal(signal.SIGSTOP)
    began = time.monotonic()
    try:
        watched.await_true(lambda: healthy(watched, "not-captured") == 2, 40, "not captured")
        seen = time.monotonic() - began
        watched.await_true(lambda: watched.is_told("NotCaptured", "firing"), 20, "MailshadowNotCaptured")
        print(f"silent source: status {seen:.0f} s, alert {time.monotonic() - began:.0f} s (stall_seconds 8)")
    finally:
        watched.world.source.signal(signal.SIGCONT)
    watched.await_true(lambda: watched.is_told("NotCaptured", "resolved"), 60, "NotCaptured resolved")


@LONG
def test_a_throttled_server_is_seen_with_its_back_off(watched: Watched) -> None:
    before = total(watched, "mailshadow_server_throttled_calls_total")
    watched.world.source.add_fault("*", "busy_fault", count=2, back_off_milliseconds=5000)
    began = time.monotonic()
    watched.await_true(lambda: total(watched, "mailshadow_server_back_off_seconds") > 0, 20, "back-off")
    watched.await_true(lambda: total(watched, "mailshadow_server_throttled_calls_total") > before, 20, "throttled")
    assert total(watched, 'mailshadow_worker_state{role="feed",state="throttled"}') in {0.0, 1.0}
    print(f"throttled source: {time.monotonic() - began:.0f} s")
