import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.exchange.identity import Identity, Reference, change_key, change_of
from deploy.lab.exchange.soap import EwsError

ONE, OTHER = Identity(b"1" * 16), Identity(b"2" * 16)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**63), st.integers(0, 2**32 - 1))
def test_ids_come_back_as_what_they_name(mailbox: int, number: int, attachment: int) -> None:
    assert ONE.item_reference(ONE.item(mailbox, number)) == Reference(mailbox, number)
    assert ONE.folder_reference(ONE.folder(mailbox, number)) == Reference(mailbox, number)
    found = ONE.attachment_reference(ONE.attachment(mailbox, number, attachment))
    assert found == Reference(mailbox, number, attachment)
    assert len(ONE.item(mailbox, number)) <= 512


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "ErrorInvalidIdEmpty"),
        ("x", "ErrorInvalidIdMalformed"),
        (OTHER.item(1, 1), "ErrorInvalidIdMalformed"),
        (ONE.item(1, 1).swapcase(), "ErrorInvalidIdMalformed"),
        (ONE.item(1, 1)[:-4], "ErrorInvalidIdMalformed"),
        (ONE.item(1, 1)[:-8] + "é" * 8, "ErrorInvalidIdMalformed"),
        (ONE.folder(1, 1), "ErrorCannotUseFolderIdForItemId"),
    ],
)
def test_what_names_no_item_is_told_apart(text: str, code: str) -> None:
    with pytest.raises(EwsError) as raised:
        ONE.item_reference(text)
    assert raised.value.code == code


def test_an_id_changed_in_its_tail_is_refused() -> None:
    ident = ONE.item(1, 1)
    for place in range(len(ident) - 32, len(ident) - 4):
        changed = ident[:place] + ("B" if ident[place] != "B" else "C") + ident[place + 1 :]
        with pytest.raises(EwsError):
            ONE.item_reference(changed)


@given(st.integers(0, 2**63))
def test_change_keys_come_back(change: int) -> None:
    assert change_of(change_key(change)) == change


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é"])
def test_what_is_no_change_key_is_refused(text: str) -> None:
    with pytest.raises(EwsError, match="ErrorInvalidChangeKey"):
        change_of(text)
