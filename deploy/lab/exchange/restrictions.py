"""Restrictions of FindItem and FindFolder: compiled to tests, and to index look-ups where an equality allows it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final

from lxml import etree

from deploy.lab.exchange.fields import MAILBOX_LISTS, MAILBOXES, name_of_uri
from deploy.lab.exchange.items import Item, keyword
from deploy.lab.exchange.properties import Path, Value, canonical_time, message_flags, read_path, read_value
from deploy.lab.exchange.soap import EwsError, SoapFaultError, T, local_name

_DEPTH_MAX: Final = 100
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "IsEqualTo": lambda a, b: bool(a == b),
    "IsNotEqualTo": lambda a, b: bool(a != b),
    "IsGreaterThan": lambda a, b: bool(a > b),
    "IsGreaterThanOrEqualTo": lambda a, b: bool(a >= b),
    "IsLessThan": lambda a, b: bool(a < b),
    "IsLessThanOrEqualTo": lambda a, b: bool(a <= b),
}
_COLUMNS: Final[dict[str, Callable[[Item], Value]]] = {
    "ItemClass": lambda item: item.item_class,
    "DateTimeReceived": lambda item: item.received,
    "DateTimeCreated": lambda item: item.created,
    "LastModifiedTime": lambda item: item.modified,
    "Size": lambda item: str(item.size),
    "IsRead": lambda item: "true" if item.is_read else "false",
    "IsAssociated": lambda item: "true" if item.associated else "false",
    "IsDraft": lambda item: "true" if message_flags(item) & 8 else "false",
    "IsSubmitted": lambda item: "true" if message_flags(item) & 4 else "false",
    "IsFromMe": lambda item: "true" if message_flags(item) & 32 else "false",
    "IsUnmodified": lambda item: "true" if message_flags(item) & 2 else "false",
    "HasAttachments": lambda item: "true" if item.fields.get("Attachments") else "false",
    "Importance": lambda item: item.fields.get("Importance", "Normal"),
    "Sensitivity": lambda item: item.fields.get("Sensitivity", "Normal"),
}
_BOOLEANS_FALSE: Final = frozenset(
    {"IsReadReceiptRequested", "IsDeliveryReceiptRequested", "ReminderIsSet", "IsComplete"}
)

Reader = Callable[[Any], Value | None]
Test = Callable[[Any], bool]
PathReader = Callable[[etree._Element], Reader]  # noqa: SLF001 - the name lxml gives its only element type


def item_reader(node: etree._Element) -> Reader:
    """How to read the property that a path element names from an item; raises for paths that name nothing."""
    kind = local_name(node)
    if kind == "ExtendedFieldURI":
        key = read_path(node).key
        return lambda item: read_value(item, key)
    uri = node.get("FieldURI") or ""
    name = "PhysicalAddresses" if uri.startswith("contacts:PhysicalAddress:") else name_of_uri(uri)
    if kind == "IndexedFieldURI":
        return _dictionary_reader(uri, node.get("FieldIndex") or "")
    if name is None:
        raise SoapFaultError(
            "ErrorSchemaValidation", f"The request failed schema validation: '{uri}' is no property here."
        )
    if name in _COLUMNS:
        return _COLUMNS[name]
    fallback = "false" if name in _BOOLEANS_FALSE else None
    return lambda item: _plain(name, item.fields.get(name, fallback))


def _dictionary_reader(uri: str, index: str) -> Reader:
    part = uri.rpartition(":")[2]
    if uri.startswith("contacts:PhysicalAddress:"):
        return lambda item: item.fields.get("PhysicalAddresses", {}).get("entries", {}).get(index, {}).get(part)
    name = part + ("es" if part.endswith("ss") else "s")
    return lambda item: item.fields.get(name, {}).get("entries", {}).get(index)


def _plain(name: str, value: Any) -> Value | None:
    """Return a stored field as comparable text."""
    if name in MAILBOX_LISTS and value:
        return [text for mailbox in value for text in mailbox[:2] if text]
    if name in MAILBOXES and value:
        return [text for text in value[:2] if text]
    if isinstance(value, dict):
        return value.get("FlagStatus") or str(value.get("xml", value))
    return value if isinstance(value, str) else list(value) if value else None


def comparable(text: str) -> Any:
    """Return a text in the form in which values are ordered: number, time or caseless text, never mixed up."""
    stripped = text.strip()
    if stripped[:1] in "0123456789-+" and stripped:
        try:
            return (0, float(stripped))
        except ValueError:
            pass
        try:
            return (1, canonical_time(stripped))
        except ValueError:
            pass
    return (2, text.casefold())


class Restriction:
    """A compiled Restriction: `matches(thing)`, and `keywords` that every match carries one of (None: unknown)."""

    __slots__ = ("keywords", "matches")

    def __init__(self, node: etree._Element, reader: PathReader = item_reader) -> None:
        """Compile the single condition inside a Restriction element; raises `EwsError` or `SoapFaultError`."""
        conditions = [child for child in node if isinstance(child.tag, str)]
        if len(conditions) != 1:
            raise EwsError("ErrorInvalidRestriction", "A restriction holds exactly one condition.")
        self.matches, self.keywords = _compile(conditions[0], reader, 0)


def _compile(node: etree._Element, reader: PathReader, depth: int) -> tuple[Test, Sequence[str] | None]:
    if depth > _DEPTH_MAX:
        raise EwsError("ErrorRestrictionTooComplex", "The restriction is nested too deeply.")
    kind = local_name(node)
    if kind in {"And", "Or", "Not"}:
        parts = [_compile(child, reader, depth + 1) for child in node if isinstance(child.tag, str)]
        return _combined(kind, parts)
    if len(node) == 0:
        raise EwsError("ErrorInvalidRestriction", f"The condition '{kind}' names no property.")
    if kind in _COMPARISONS:
        return _comparison(kind, node, reader)
    path = node[0]
    read = reader(path)
    if kind == "Exists":
        return (lambda thing: read(thing) is not None), None
    if kind == "Contains":
        return _contains(node, read), None
    if kind == "Excludes":
        mask = int(node[-1].get("Value") or "0", 0)
        return (lambda thing: not int(str(read(thing) or "0")) & mask), None
    raise EwsError("ErrorUnsupportedQueryFilter", f"The condition '{kind}' is not supported.")


def _combined(kind: str, parts: list[tuple[Test, Sequence[str] | None]]) -> tuple[Test, Sequence[str] | None]:
    tests = [test for test, _ in parts]
    if kind == "Not":
        return (lambda thing: not tests[0](thing)), None
    found = [keywords for _, keywords in parts]
    if kind == "And":
        known = [keywords for keywords in found if keywords is not None]
        return (lambda thing: all(test(thing) for test in tests)), min(known, key=len) if known else None
    if any(keywords is None for keywords in found):
        return (lambda thing: any(test(thing) for test in tests)), None
    return (lambda thing: any(test(thing) for test in tests)), [one for keywords in found for one in keywords or ()]


def _comparison(kind: str, node: etree._Element, reader: PathReader) -> tuple[Test, Sequence[str] | None]:
    compare = _COMPARISONS[kind]
    read = reader(node[0])
    other = node.find(f"{T}FieldURIOrConstant")
    if other is None or len(other) == 0:
        raise EwsError("ErrorInvalidRestriction", "A comparison needs a constant or a second property.")
    if local_name(other[0]) != "Constant":
        read_other = reader(other[0])
        return (lambda thing: _compared(compare, read(thing), read_other(thing))), None
    constant = other[0].get("Value") or ""
    wanted = comparable(constant)

    def test(thing: Any) -> bool:
        value = read(thing)
        if value is None:
            return kind == "IsNotEqualTo"
        if isinstance(value, list):
            return any(compare(comparable(one), wanted) for one in value)
        found = comparable(value)
        return compare(found, wanted) if found[0] == wanted[0] else kind == "IsNotEqualTo"

    if kind == "IsEqualTo" and reader is item_reader:
        return test, _keywords(node[0], constant)
    return test, None


def _compared(compare: Callable[[Any, Any], bool], first: Value | None, second: Value | None) -> bool:
    return compare(comparable(str(first or "")), comparable(str(second or "")))


def _keywords(path: etree._Element, constant: str) -> Sequence[str] | None:
    if local_name(path) == "FieldURI":
        return [keyword("m", constant)] if path.get("FieldURI") == "message:InternetMessageId" and constant else None
    if local_name(path) != "ExtendedFieldURI":
        return None
    found: Path = read_path(path)
    if found.key == "0x300b:Binary":
        try:
            return [keyword("k", base64.b64decode(constant).hex())]
        except (binascii.Error, ValueError):
            return []
    if found.key == "0x1035:String":
        return [keyword("m", constant)]
    return [keyword(found.key, constant)] if found.key.startswith("{") and found.kind == "String" else None


def _contains(node: etree._Element, read: Reader) -> Test:
    mode = node.get("ContainmentMode", "Substring")
    caseless = "IgnoreCase" in node.get("ContainmentComparison", "Exact") or "Loose" in node.get(
        "ContainmentComparison", ""
    )
    constant = node.find(f"{T}Constant")
    wanted = (constant.get("Value") or "") if constant is not None else ""
    wanted = wanted.casefold() if caseless else wanted

    def one(text: str) -> bool:
        text = text.casefold() if caseless else text
        if mode == "FullString":
            return text == wanted
        if mode in {"Prefixed", "PrefixOnWords"} and text.startswith(wanted):
            return True
        return (mode in {"Substring", "ExactPhrase"} and wanted in text) or (
            mode == "PrefixOnWords" and f" {wanted}" in text
        )

    def test(thing: Any) -> bool:
        value = read(thing)
        if value is None:
            return False
        return any(one(text) for text in value) if isinstance(value, list) else one(value)

    return test
