"""A real Prometheus scrapes a real lab: expressions answer, faults change what they should, alerts come and go."""

import time

import pytest

from deploy.grafana.panels import DASHBOARDS

from .watching import Watched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
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


def concrete(expression: str) -> str:
    return expression.replace("$__rate_interval", "30s")


def test_everybody_becomes_protected_and_every_expression_answers_with_data(watched: Watched) -> None:
    watched.await_true(lambda: watched.healthy("protected") == 2, 90, "two mailboxes protected")
    for _ in range(3):
        watched.put()
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
    assert watched.total("mailshadow_fleet_lag_worst_seconds") < 10
    assert watched.total("mailshadow_fleet_changes_not_applied") == 0


def test_a_poison_item_is_parked_told_and_no_more_once_it_is_redriven(watched: Watched) -> None:
    watched.world.target.add_fault("UploadItems", "error", code="ErrorCorruptData", count=1, item=0)
    watched.put()
    seen = watched.await_true(lambda: watched.healthy("incomplete") == 1, 30, "incomplete")
    told = watched.await_true(lambda: watched.is_told("Parked", "firing"), 20, "MailshadowParked")
    print(f"poison item: status {seen:.0f} s, alert {seen + told:.0f} s")
    assert watched.total('mailshadow_fleet_items{kind="parked"}') == 1
    assert watched.total("mailshadow_replay_parked_total") == 1
    ordered = watched.run("dead-letters", "redrive")
    assert "1 items ordered" in ordered
    watched.await_true(lambda: watched.healthy("protected") == 2, 30, "protected again")
    watched.await_true(lambda: watched.is_told("Parked", "resolved"), 30, "MailshadowParked resolved")
    assert watched.total('mailshadow_fleet_items{kind="parked"}') == 0
