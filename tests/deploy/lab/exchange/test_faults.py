import pytest

from deploy.lab.exchange.faults import ACTIONS, FaultRuleError, Faults, Plan, read_rule


def test_a_rule_strikes_after_and_for_as_many_calls_as_it_says() -> None:
    faults = Faults()
    faults.add(read_rule({"operation": "GetItem", "action": "drop_after", "after": 1, "count": 2}))
    struck = [faults.plan("GetItem").drops_after for _ in range(5)]
    assert struck == [False, True, True, False, False]


def test_a_rule_strikes_its_own_operation_and_a_star_strikes_all() -> None:
    faults = Faults()
    faults.add(read_rule({"operation": "GetItem", "action": "drop_before"}))
    assert not faults.plan("CreateItem").drops_before
    faults.add(read_rule({"operation": "*", "action": "drop_before"}))
    assert faults.plan("CreateItem").drops_before


def test_several_rules_meet_in_one_call() -> None:
    faults = Faults()
    faults.add(read_rule({"operation": "*", "action": "delay_before", "seconds": 2}))
    faults.add(read_rule({"operation": "*", "action": "busy_503"}))
    plan = faults.plan("GetItem")
    assert (plan.delay_before_seconds, plan.status) == (2.0, 503)


def test_a_rule_that_names_something_strikes_the_requests_that_hold_it() -> None:
    faults = Faults()
    faults.add(read_rule({"operation": "GetItem", "action": "drop_before", "names": "poisoned", "count": 9}))
    assert not faults.plan("GetItem", b'<t:ItemId Id="healthy"/>').drops_before
    assert faults.plan("GetItem", b'<t:ItemId Id="poisoned"/>').drops_before


@pytest.mark.parametrize("action", sorted(ACTIONS))
def test_every_action_changes_the_plan(action: str) -> None:
    plan = Plan()
    plan.add(read_rule({"operation": "*", "action": action, "seconds": 1}))
    assert plan != Plan()


@pytest.mark.parametrize(
    "values",
    [
        "text",
        {"action": "half"},
        {"operation": "*", "action": "explode"},
        {"operation": "*", "action": "half", "count": 0},
        {"operation": "*", "action": "half", "after": -1},
        {"operation": "*", "action": "half", "seconds": "long"},
        {"operation": "*", "action": "half", "seconds": 1e9},
        {"operation": "*", "action": "half", "colour": "red"},
        {"operation": "*", "action": "http_status", "status": 200},
        {"operation": "*", "action": "large_sync_state", "size_bytes": -1},
    ],
)
def test_rules_that_cannot_be_are_refused(values: object) -> None:
    with pytest.raises(FaultRuleError):
        read_rule(values)
