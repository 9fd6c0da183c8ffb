from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.chaos.checker import names
from schemas import identity


@given(st.text(), st.text())
def test_names_are_recomputed_as_the_product_makes_them(one: str, other: str) -> None:
    assert names.mailbox_id(one) == identity.mailbox_id(one)
    assert names.item_key(one, other) == identity.item_key(one, other)
    assert names.target_id(one, other) == identity.target_id(one, other)


def test_a_stamp_has_three_parts_in_lower_case() -> None:
    assert names.stamp_of("A:b:C") == names.StampText("a", "b", "c")
    assert names.stamp_of("a:b") is None
    assert names.stamp_of("a::c") is None
