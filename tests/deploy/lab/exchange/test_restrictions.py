import pytest
from lxml import etree

from deploy.lab.exchange.items import Item
from deploy.lab.exchange.restrictions import Restriction, comparable
from deploy.lab.exchange.soap import EwsError, SoapFaultError

T = "http://schemas.microsoft.com/exchange/services/2006/types"


def compile_(inner: str) -> Restriction:
    return Restriction(etree.fromstring(f'<a xmlns="{T}">{inner}</a>'))


def equal(path: str, value: str) -> str:
    return f'<IsEqualTo>{path}<FieldURIOrConstant><Constant Value="{value}"/></FieldURIOrConstant></IsEqualTo>'


NAMED = (
    '<ExtendedFieldURI PropertySetId="c0ffee00-1111-2222-3333-444455556666" PropertyName="n" PropertyType="String"/>'
)
KEY = "{c0ffee00-1111-2222-3333-444455556666}/name:n:String"
SUBJECT = '<FieldURI FieldURI="item:Subject"/>'


def item(**extended: str) -> Item:
    return Item(1, 2, 3, 4, 0, 1, 1, 1, 5, "IPM.Note", 1, 9, "r", "c", "m", b"k" * 16, {}, dict(extended))


def test_an_equality_on_an_indexed_property_gives_its_keyword() -> None:
    assert compile_(equal(NAMED, "AbC")).keywords == [f"{KEY}:abc"]
    assert compile_(equal('<ExtendedFieldURI PropertyTag="0x300B" PropertyType="Binary"/>', "AAEC")).keywords == [
        "k:000102"
    ]
    assert compile_(equal(SUBJECT, "x")).keywords is None


def test_and_takes_the_best_index_and_or_needs_all() -> None:
    indexed, plain = equal(NAMED, "a"), equal(SUBJECT, "x")
    assert compile_(f"<And>{plain}{indexed}</And>").keywords == [f"{KEY}:a"]
    assert compile_(f"<Or>{plain}{indexed}</Or>").keywords is None
    assert compile_(f"<Or>{indexed}{equal(NAMED, 'b')}</Or>").keywords == [f"{KEY}:a", f"{KEY}:b"]
    assert compile_(f"<Not>{indexed}</Not>").keywords is None


def test_text_equality_ignores_case() -> None:
    assert compile_(equal(NAMED, "ABC")).matches(item(**{KEY: "abc"}))
    assert not compile_(equal(NAMED, "ABC")).matches(item())


def test_numbers_times_and_texts_are_ordered_each_in_their_way() -> None:
    assert comparable("9") < comparable("10")
    assert comparable("2026-01-01T00:00:00+01:00") < comparable("2026-01-01T00:00:00Z")
    assert comparable("B") > comparable("a")


@pytest.mark.parametrize(
    "inner", ["", "<Strange/>", f"{equal(SUBJECT, 'x')}{equal(SUBJECT, 'y')}", f"<IsEqualTo>{SUBJECT}</IsEqualTo>"]
)
def test_what_is_no_condition_is_refused(inner: str) -> None:
    with pytest.raises((EwsError, SoapFaultError)):
        compile_(inner)


def test_an_unknown_property_and_a_deep_nest_are_refused() -> None:
    with pytest.raises(SoapFaultError):
        compile_(equal('<FieldURI FieldURI="item:Nonsense"/>', "x"))
    with pytest.raises(EwsError, match="ErrorRestrictionTooComplex"):
        compile_("<Not>" * 200 + equal(SUBJECT, "x") + "</Not>" * 200)
