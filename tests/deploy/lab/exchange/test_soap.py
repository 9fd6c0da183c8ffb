import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from deploy.lab.exchange.soap import (
    EwsError,
    SoapFaultError,
    element,
    envelope,
    escape,
    failed,
    fault,
    fragment,
    local_name,
    parse,
    response,
    succeeded,
)


@given(st.text())
def test_any_text_can_stand_in_an_element_and_an_attribute(text: str) -> None:
    node = etree.fromstring(f'<a b="{escape(text)}">{escape(text)}</a>')
    kept = "".join("\ufffd" if escape(char) == "\ufffd" else char for char in text)
    assert (node.text or "") == kept
    assert (node.get("b") or "").replace("\n", " ").replace("\t", " ") == kept.replace("\n", " ").replace("\t", " ")


def test_a_fragment_carries_its_attributes_and_children_under_one_prefix() -> None:
    node = etree.fromstring('<x:a xmlns:x="urn:x" b="1&amp;"> <x:c>t</x:c><x:d/></x:a>')
    assert fragment(node) == '<t:a b="1&amp;"><t:c>t</t:c><t:d/></t:a>'


def test_answers_are_well_formed() -> None:
    error = EwsError("ErrorServerBusy", "a < b", (("BackOffMilliseconds", "5"),))
    body = response("GetItem", [succeeded("GetItem", element("A", "<")), failed("GetItem", error)])
    header, operation = parse(envelope(body, "").encode())
    assert header is not None
    assert local_name(operation) == "GetItemResponse"
    assert local_name(parse(envelope(fault("ErrorServerBusy", "a < b"), "").encode())[1]) == "Fault"


@pytest.mark.parametrize("body", [b"", b"x", b"<a>", b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'])
def test_what_is_no_request_is_a_fault(body: bytes) -> None:
    with pytest.raises(SoapFaultError):
        parse(body)
