import pytest
from lxml import etree

from deploy.lab.exchange.items import Item
from deploy.lab.exchange.properties import (
    CATEGORIES_KEY,
    READERS,
    canonical,
    path_of_key,
    read_path,
    read_value,
    write_value,
)
from deploy.lab.exchange.soap import EwsError


def item() -> Item:
    return Item(1, 2, 3, 4, 0, 1, 1, 1, 5, "IPM.Note", 1, 9, "r", "c", "m", b"k" * 16, {}, {})


def path(attributes: str) -> str:
    return read_path(etree.fromstring(f"<a {attributes}/>")).key


def test_one_property_has_one_key_however_it_is_written() -> None:
    tags = {path(f'PropertyTag="{tag}" PropertyType="Binary"') for tag in ("0x300B", "0x300b", "12299", "0x0300B")}
    assert tags == {"0x300b:Binary"}
    guid = "00020329-0000-0000-C000-000000000046"
    named = {
        path(f'{place} PropertyName="Keywords" PropertyType="StringArray"')
        for place in (
            f'PropertySetId="{guid}"',
            f'PropertySetId="{guid.lower()}"',
            'DistinguishedPropertySetId="PublicStrings"',
        )
    }
    assert named == {CATEGORIES_KEY}
    assert path('DistinguishedPropertySetId="Common" PropertyId="0x8503" PropertyType="Boolean"') == path(
        'DistinguishedPropertySetId="Common" PropertyId="34051" PropertyType="Boolean"'
    )


@pytest.mark.parametrize(
    "attributes",
    [
        "",
        'PropertyType="Nothing" PropertyTag="1"',
        'PropertyType="String" PropertyTag="x"',
        'PropertyType="String" PropertyTag="0x8001"',
        'PropertyType="String" PropertySetId="no guid" PropertyName="x"',
        'PropertyType="String" DistinguishedPropertySetId="Nobody" PropertyName="x"',
        'PropertyType="String" DistinguishedPropertySetId="Common"',
        'PropertyType="String" DistinguishedPropertySetId="Common" PropertyId="x"',
    ],
)
def test_what_names_no_property_is_refused(attributes: str) -> None:
    with pytest.raises(EwsError, match="ErrorInvalidExtendedProperty"):
        path(attributes)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("Binary", " AA\nAA ", "AAAA"),
        ("Boolean", "TRUE", "true"),
        ("Boolean", "0", "false"),
        ("Integer", "0x10", "16"),
        ("Long", "-5", "-5"),
        ("Double", "1.50", "1.5"),
        ("SystemTime", "2026-01-01T10:00:00.123Z", "2026-01-01T10:00:00Z"),
        ("SystemTime", "2026-01-01T10:00:00+02:00", "2026-01-01T08:00:00Z"),
        ("String", " x ", " x "),
    ],
)
def test_values_have_one_form(kind: str, text: str, expected: str) -> None:
    assert canonical(kind, text) == expected


@pytest.mark.parametrize(
    ("kind", "text"), [("Binary", "?"), ("Boolean", "maybe"), ("Integer", "x"), ("SystemTime", "now")]
)
def test_values_of_another_type_are_refused(kind: str, text: str) -> None:
    with pytest.raises(EwsError, match="ErrorInvalidExtendedPropertyValue"):
        canonical(kind, text)


def test_tags_that_mean_a_field_write_and_read_the_field() -> None:
    target = item()
    for key, value, name in (
        ("0x0037:String", "s", "Subject"),
        ("0x0017:Integer", "2", "Importance"),
        ("0x0036:Integer", "3", "Sensitivity"),
        ("0x1090:Integer", "2", "Flag"),
    ):
        write_value(target, key, value, creating=True)
        assert name in target.fields
        assert read_value(target, key) == value
    write_value(target, CATEGORIES_KEY, ["a"], creating=True)
    assert target.fields["Categories"] == ["a"]
    write_value(target, CATEGORIES_KEY, None, creating=False)
    assert read_value(target, CATEGORIES_KEY) is None


def test_message_flags_are_written_at_creation_only() -> None:
    target = item()
    write_value(target, "0x0e07:Integer", "8", creating=True)
    assert (read_value(target, "0x0e07:Integer"), target.is_read) == ("8", 0)
    write_value(target, "0x0e07:Integer", "1", creating=False)
    assert read_value(target, "0x0e07:Integer") == "8"


def test_every_reader_answers_for_an_empty_item_and_every_key_has_a_path() -> None:
    for key, read in READERS.items():
        value = read(item())
        assert value is None or isinstance(value, str | list)
        assert path_of_key(key).key == key


def test_properties_of_their_own_are_kept_and_removed() -> None:
    target = item()
    write_value(target, "{g}/name:n:String", "v", creating=False)
    assert read_value(target, "{g}/name:n:String") == "v"
    write_value(target, "{g}/name:n:String", None, creating=False)
    assert target.extended == {}
