import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.identity import Stamp, item_key, mailbox_id, partition_of, target_id

HEX = st.text("0123456789abcdef", min_size=1, max_size=20)


def test_a_mailbox_id_is_20_hex_digits_of_the_address_in_lower_case() -> None:
    expected = hashlib.sha256(b"anna@example.com").hexdigest()[:20]
    assert mailbox_id("anna@example.com") == mailbox_id(" Anna@Example.COM ") == expected


PARTITIONS = {"": 4, "8e5016cb6b6223436e83": 11, "00000000000000000000": 8, "anna": 10}
"""Recorded once: a change of the function would send every mailbox of every pipeline to another owner."""


@pytest.mark.parametrize("mailbox", PARTITIONS)
def test_a_mailbox_stays_in_its_partition_for_ever(mailbox: str) -> None:
    assert partition_of(mailbox, 12) == PARTITIONS[mailbox]


@given(st.text(max_size=20), st.integers(1, 1000))
def test_a_partition_is_one_of_those_there_are(mailbox: str, partition_count: int) -> None:
    assert 0 <= partition_of(mailbox, partition_count) < partition_count


def test_mailboxes_spread_over_all_partitions() -> None:
    found = [partition_of(mailbox_id(f"user{n}@example.com"), 12) for n in range(1200)]
    assert min(found.count(p) for p in range(12)) > 50


def test_an_item_key_tells_mailboxes_and_case_sensitive_ids_apart_and_is_stable() -> None:
    keys = [item_key("m", "AAA="), item_key("m", "aaa="), item_key("n", "AAA="), item_key("mA", "AA=")]
    assert len(set(keys)) == len(keys)
    assert keys[0] == item_key("m", "AAA=") == hashlib.sha256(b"m\0AAA=").hexdigest()[:32]


def test_a_target_is_named_by_8_hex_digits_within_its_pipeline() -> None:
    assert len(target_id("p", "standby")) == 8
    assert target_id("p", "standby") != target_id("q", "standby")
    assert target_id("a", "b") != target_id("ab", "")


@given(HEX, HEX, HEX)
def test_a_stamp_comes_back_as_it_was_also_from_a_server_that_folds_case(target: str, item: str, nonce: str) -> None:
    stamp = Stamp(target, item, nonce)
    assert Stamp.parse(str(stamp)) == Stamp.parse(str(stamp).upper()) == stamp


@pytest.mark.parametrize("text", ["", "a", "a:b", "a:b:c:d", "::", "a::c", ":b:c", "a:b:"])
def test_what_is_no_stamp_is_none(text: str) -> None:
    assert Stamp.parse(text) is None
