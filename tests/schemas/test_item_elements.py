from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from schemas.item_elements import ADDRESS_PARTS, ELEMENTS, FLAGGED, ItemElement, Kind, kind_of, uris

XSD = "{http://www.w3.org/2001/XMLSchema}"
TYPES = {
    "CalendarItem": "CalendarItemType", "Contact": "ContactItemType", "DistributionList": "DistributionListType",
    "Task": "TaskType", "Message": "MessageType",
}  # fmt: skip
OF_TYPE = {
    Kind.TIME: {"xs:dateTime"},
    Kind.NUMBER: {"xs:int", "xs:double", "t:ReminderMinutesBeforeStartType"},
    Kind.TRUTH: {"xs:boolean"},
    Kind.BODY: {"t:BodyType"},
    Kind.TEXTS: {"t:ArrayOfStringsType"},
    Kind.ATTENDEES: {"t:NonEmptyArrayOfAttendeesType"},
    Kind.MEMBERS: {"t:MembersListType"},
    Kind.ZONE: {"t:TimeZoneDefinitionType"},
    Kind.TREE: {"t:RecurrenceType", "t:TaskRecurrenceType"},
    Kind.ADDRESSES: {"t:PhysicalAddressDictionaryType"},
    Kind.ENTRIES: {"t:EmailAddressDictionaryType", "t:PhoneNumberDictionaryType", "t:ImAddressDictionaryType"},
}
KEY_TYPES = {
    "EmailAddresses": "EmailAddressKeyType", "PhoneNumbers": "PhoneNumberKeyType", "ImAddresses": "ImAddressKeyType",
    "PhysicalAddresses": "PhysicalAddressKeyType",
}  # fmt: skip
EVERY = [(kind, element) for kind, elements in ELEMENTS.items() for element in elements]
NEVER = {
    "ItemId", "Size", "DateTimeCreated", "LastModifiedTime", "LastModifiedName", "Duration", "IsRecurring", "Organizer",
    "MyResponseType", "CompleteName", "HasAttachments", "Attachments", "IsComplete", "ChangeCount", "HasPicture",
    "Categories", "Importance", "Flag", "IsRead", "StartWallClock", "EndWallClock", "EnhancedLocation",
}  # fmt: skip


@pytest.fixture(scope="module")
def schema(shared: Path) -> Any:
    return etree.parse(shared / "schema" / "types.xsd").getroot()


def values_of(schema: Any, name: str) -> set[str]:
    found = schema.find(f"{XSD}simpleType[@name='{name}']")
    return {str(node.get("value")) for node in found.iter(f"{XSD}enumeration")}


def elements_of(schema: Any, kind: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("ItemType", TYPES[kind]):
        declared = schema.find(f"{XSD}complexType[@name='{name}']")
        found |= {str(node.get("name")): str(node.get("type")) for node in declared.iter(f"{XSD}element")}
    return found


@pytest.mark.parametrize(("kind", "element"), EVERY, ids=lambda v: v.name if isinstance(v, ItemElement) else v)
def test_every_element_is_one_of_its_kind_in_the_published_schema(schema: Any, kind: str, element: ItemElement) -> None:
    declared = elements_of(schema, kind)
    assert element.name in declared
    if element.kind is not Kind.TEXT:
        assert declared[element.name] in OF_TYPE[element.kind]
    assert element.uri in values_of(schema, "UnindexedFieldURIType")
    assert element.uri.partition(":")[2] == element.name


@pytest.mark.parametrize("element", [e for _, e in EVERY if e.keys], ids=lambda e: e.name)
def test_every_entry_of_a_dictionary_has_a_field_and_a_key_of_the_schema(schema: Any, element: ItemElement) -> None:
    parts = [f":{part}" for part in ADDRESS_PARTS] if element.kind is Kind.ADDRESSES else [""]
    assert {element.entry_uri + part for part in parts} <= values_of(schema, "DictionaryURIType")
    assert set(element.keys) <= values_of(schema, KEY_TYPES[element.name])
    assert len(set(element.keys)) == len(element.keys) > 0


def test_nothing_is_in_it_that_a_server_writes_itself_or_that_marks_carry() -> None:
    assert not {element.name for _, element in EVERY} & NEVER


def test_each_kind_has_each_element_once_and_each_field_is_read_once() -> None:
    for elements in ELEMENTS.values():
        assert len({e.name for e in elements}) == len(elements)
    assert len(set(uris())) == len(uris())
    assert set(uris()) == {element.uri for _, element in EVERY if not element.keys}


def test_what_has_no_element_of_its_own_is_set_as_a_message() -> None:
    assert [kind_of(k) for k in ("Task", "MeetingRequest", "Item")] == ["Task", "Message", "Message"]
    assert ELEMENTS.keys() >= FLAGGED
