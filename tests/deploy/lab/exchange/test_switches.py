import pytest

from deploy.lab.exchange.switches import SwitchError, Switches


@pytest.mark.parametrize(("value", "expected"), [("on", True), ("Off", False), (True, True), ("0", False), (1, True)])
def test_switches_take_texts_and_json(value: object, expected: bool) -> None:  # noqa: FBT001
    switches = Switches()
    switches.assign("move_atomic", value)
    assert switches.move_atomic is expected


def test_limits_are_numbers() -> None:
    switches = Switches()
    switches.assign("find_count_limit", "250")
    switches.assign("answer_delay_seconds", "0.5")
    assert (switches.values()["find_count_limit"], switches.answer_delay_seconds) == (250, 0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonsense", 1),
        ("move_atomic", "perhaps"),
        ("find_count_limit", "many"),
        ("find_count_limit", -1),
        ("find_count_limit", "inf"),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: object) -> None:
    with pytest.raises(SwitchError, match=name):
        Switches().assign(name, value)
