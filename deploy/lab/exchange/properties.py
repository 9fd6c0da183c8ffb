"""Extended properties: MAPI tags and named properties, their keys, and the tags that other columns answer."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from lxml import etree

from deploy.lab.exchange.items import Item
from deploy.lab.exchange.soap import EwsError, T, escape

_SETS: Final = {
    "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
    "Appointment": "00062002-0000-0000-c000-000000000046",
    "Common": "00062008-0000-0000-c000-000000000046",
    "PublicStrings": "00020329-0000-0000-c000-000000000046",
    "Address": "00062004-0000-0000-c000-000000000046",
    "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    "CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
    "UnifiedMessaging": "4442858e-a9e3-4e80-b900-317a210cc15b",
    "Task": "00062003-0000-0000-c000-000000000046",
    "Sharing": "00062040-0000-0000-c000-000000000046",
}
_TYPES: Final = frozenset(
    f"{name}{array}"
    for name in (
        "ApplicationTime", "Binary", "CLSID", "Currency", "Double", "Float", "Integer", "Long", "Object", "Short",
        "String", "SystemTime",
    )
    for array in ("", "Array")
) | {"Boolean"}  # fmt: skip
_INTEGERS: Final = frozenset({"Integer", "Long", "Short", "Currency"})
_FLOATS: Final = frozenset({"Double", "Float", "ApplicationTime"})
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)?$")
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
CATEGORIES_KEY: Final = f"{{{_SETS['PublicStrings']}}}/name:Keywords:StringArray"

READ, UNMODIFIED, SUBMITTED, UNSENT, HAS_ATTACHMENT, FROM_ME = 1, 2, 4, 8, 16, 32
_IMPORTANCE: Final = ("Low", "Normal", "High")
_SENSITIVITY: Final = ("Normal", "Personal", "Private", "Confidential")
_FLAG_STATUS: Final = ("NotFlagged", "Complete", "Flagged")

Value = str | list[str]


@dataclass(frozen=True, slots=True)
class Path:
    """One extended property as a request names it: its key, its MAPI type and its element for answers."""

    key: str
    kind: str
    xml: str


def read_path(node: etree._Element) -> Path:
    """Read an ExtendedFieldURI element; raises `EwsError` (ErrorInvalidExtendedProperty) for one that names nothing."""
    kind = node.get("PropertyType", "")
    if kind not in _TYPES:
        raise EwsError("ErrorInvalidExtendedProperty", f"The property type '{kind}' is not supported.")
    tag = node.get("PropertyTag")
    if tag is not None:
        try:
            number = int(tag, 0)
        except ValueError as error:
            raise EwsError("ErrorInvalidExtendedProperty", "The property tag is not a number.") from error
        if not 0 < number <= 0xFFFF or number >= 0x8000:  # noqa: PLR2004 - named properties begin at 0x8000
            raise EwsError("ErrorInvalidExtendedProperty", "The property tag is outside 0x0001 to 0x7FFF.")
        return Path(f"0x{number:04x}:{kind}", kind, _uri(f'PropertyTag="0x{number:x}"', kind))
    return _read_named(node, kind)


def _read_named(node: etree._Element, kind: str) -> Path:
    distinguished, guid = node.get("DistinguishedPropertySetId"), (node.get("PropertySetId") or "").lower()
    if distinguished is not None:
        guid, place = _SETS.get(distinguished, ""), f'DistinguishedPropertySetId="{escape(distinguished)}"'
    else:
        place = f'PropertySetId="{guid}"'
    name, number = node.get("PropertyName"), node.get("PropertyId")
    if not _GUID.match(guid) or (name is None) == (number is None):
        raise EwsError("ErrorInvalidExtendedProperty", "An extended property needs a set and either a name or an id.")
    if name is not None:
        xml = _uri(f'{place} PropertyName="{escape(name)}"', kind)
        return Path(f"{{{guid}}}/name:{name}:{kind}", kind, xml)
    try:
        lid = int(number or "", 0)
    except ValueError as error:
        raise EwsError("ErrorInvalidExtendedProperty", "The property id is not a number.") from error
    return Path(f"{{{guid}}}/0x{lid:04x}:{kind}", kind, _uri(f'{place} PropertyId="{lid}"', kind))


def _uri(attributes: str, kind: str) -> str:
    return f'<t:ExtendedFieldURI {attributes} PropertyType="{kind}"/>'


def path_of_key(key: str) -> Path:
    """Return the path of a stored property, for answers that carry everything."""
    name, _, kind = key.rpartition(":")
    if name.startswith("0x"):
        return Path(key, kind, _uri(f'PropertyTag="0x{int(name, 16):x}"', kind))
    guid, _, rest = name[1:].partition("}/")
    if rest.startswith("name:"):
        return Path(key, kind, _uri(f'PropertySetId="{guid}" PropertyName="{escape(rest[5:])}"', kind))
    return Path(key, kind, _uri(f'PropertySetId="{guid}" PropertyId="{int(rest, 16)}"', kind))


def read_property(node: etree._Element) -> tuple[Path, Value]:
    """Read an ExtendedProperty with its value in canonical text; raises `EwsError` for a value of another type."""
    uri = node.find(f"{T}ExtendedFieldURI")
    if uri is None:
        raise EwsError("ErrorInvalidExtendedProperty", "An ExtendedProperty needs an ExtendedFieldURI.")
    path = read_path(uri)
    many = node.find(f"{T}Values")
    if many is not None:
        return path, [canonical(path.kind.removesuffix("Array"), value.text or "") for value in many]
    return path, canonical(path.kind, node.findtext(f"{T}Value") or "")


def canonical(kind: str, text: str) -> str:
    """Return a property value in the form in which it is kept; raises `EwsError` for one of another type."""
    try:
        if kind in {"Binary", "Object"}:
            raw = binascii.a2b_base64("".join(text.split()).encode(), strict_mode=True) if text else b""
            return base64.b64encode(raw).decode()
        if kind in _INTEGERS:
            return str(int(text, 0))
        if kind in _FLOATS:
            return repr(float(text))
        if kind == "Boolean":
            return {"true": "true", "1": "true", "false": "false", "0": "false"}[text.strip().lower()]
        return canonical_time(text) if kind == "SystemTime" else text
    except (ValueError, KeyError, binascii.Error) as error:
        raise EwsError("ErrorInvalidExtendedPropertyValue", f"The value is no {kind}.") from error


def canonical_time(text: str) -> str:
    """Return a time as UTC with `Z` and without fractions; raises ValueError for what is no time."""
    found = _TIME.match(text.strip())
    if found is None:
        raise ValueError(text)
    if found.group(2) in {"Z", None}:
        return f"{found.group(1)}Z"
    moment = datetime.fromisoformat(found.group(1) + found.group(2)).astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def property_xml(path: Path, value: Value) -> str:
    """Return an ExtendedProperty element of an answer."""
    if isinstance(value, list):
        inner = "".join(f"<t:Value>{escape(one)}</t:Value>" for one in value)
        return f"<t:ExtendedProperty>{path.xml}<t:Values>{inner}</t:Values></t:ExtendedProperty>"
    return f"<t:ExtendedProperty>{path.xml}<t:Value>{escape(value)}</t:Value></t:ExtendedProperty>"


def message_flags(item: Item) -> int:
    """PidTagMessageFlags (0x0E07) of an item."""
    stored = int(item.fields.get("MessageFlags", 0))
    attached = HAS_ATTACHMENT if item.fields.get("Attachments") else 0
    return stored | attached | (READ if item.is_read else 0)


def flag_status(item: Item) -> int:
    """PidTagFlagStatus (0x1090): 0 none, 1 complete, 2 flagged."""
    status = item.fields.get("Flag", {}).get("FlagStatus", "NotFlagged")
    return _FLAG_STATUS.index(status) if status in _FLAG_STATUS else 0


def _numbered(name: str, names: tuple[str, ...], default: str) -> Callable[[Item], Value | None]:
    return lambda item: str(names.index(item.fields.get(name, default)))


def _address(name: str, place: int) -> Callable[[Item], Value | None]:
    def read(item: Item) -> Value | None:
        found: list[Any] = item.fields.get(name) or []
        return str(found[place]) if found else None

    return read


def _names(name: str) -> Callable[[Item], Value | None]:
    return lambda item: "; ".join(entry[0] or entry[1] for entry in item.fields.get(name, ()))


def _key(item: Item, number: int) -> str:
    return base64.b64encode(item.mailbox.to_bytes(16, "big") + number.to_bytes(6, "big")).decode()


NEVER_DELIVERED: Final = "NeverDelivered"
"""Field of an item that was saved and has no PidTagMessageDeliveryTime; DateTimeReceived is shown all the same."""
READERS: Final[dict[str, Callable[[Item], Value | None]]] = {
    "0x300b:Binary": lambda item: base64.b64encode(item.search_key).decode(),
    "0x65e0:Binary": lambda item: _key(item, item.number),
    "0x65e2:Binary": lambda item: _key(item, item.change),
    "0x65e3:Binary": lambda item: base64.b64encode(b"\x16" + base64.b64decode(_key(item, item.change))).decode(),
    "0x0fff:Binary": lambda item: _key(item, item.number),
    "0x0e07:Integer": lambda item: str(message_flags(item)),
    "0x0e06:SystemTime": lambda item: None if item.fields.get(NEVER_DELIVERED) else item.received,
    "0x0039:SystemTime": lambda item: item.fields.get("DateTimeSent"),
    "0x3007:SystemTime": lambda item: item.created,
    "0x3008:SystemTime": lambda item: item.modified,
    "0x001a:String": lambda item: item.item_class,
    "0x0037:String": lambda item: item.fields.get("Subject"),
    "0x0070:String": lambda item: item.fields.get("ConversationTopic"),
    "0x0e08:Integer": lambda item: str(item.size),
    "0x0e1b:Boolean": lambda item: "true" if item.fields.get("Attachments") else "false",
    "0x1035:String": lambda item: item.fields.get("InternetMessageId"),
    "0x1042:String": lambda item: item.fields.get("InReplyTo"),
    "0x1039:String": lambda item: item.fields.get("References"),
    "0x0017:Integer": _numbered("Importance", _IMPORTANCE, "Normal"),
    "0x0036:Integer": _numbered("Sensitivity", _SENSITIVITY, "Normal"),
    "0x1090:Integer": lambda item: str(flag_status(item)) if "Flag" in item.fields else None,
    "0x0c1a:String": _address("Sender", 0),
    "0x0c1f:String": _address("Sender", 1),
    "0x0042:String": _address("From", 0),
    "0x0e02:String": _names("BccRecipients"),
    "0x0e03:String": _names("CcRecipients"),
    "0x0e04:String": _names("ToRecipients"),
    CATEGORIES_KEY: lambda item: item.fields.get("Categories"),
}
# What no client may write, each refused with ErrorInvalidPropertySet.
READ_ONLY_KEYS: Final = frozenset(
    {
        "0x300b:Binary", "0x65e0:Binary", "0x65e2:Binary", "0x65e3:Binary", "0x0fff:Binary", "0x0e08:Integer",
        "0x0e1b:Boolean", "0x0c1a:String", "0x0c1f:String", "0x0042:String", "0x0e02:String", "0x0e03:String",
        "0x0e04:String",
    }
)  # fmt: skip


def read_value(item: Item, key: str) -> Value | None:
    """Return the value of an extended property of an item, or None where it has none."""
    reader = READERS.get(key)
    if reader is not None:
        return reader(item)
    return item.extended.get(key)


def write_value(item: Item, key: str, value: Value | None, *, creating: bool) -> None:
    """Set or (with None) remove an extended property; raises `EwsError` where clients may not."""
    if key in READ_ONLY_KEYS:
        raise EwsError("ErrorInvalidPropertySet", "The property is read-only.")
    text = value if isinstance(value, str) else ""
    fields = item.fields
    if key == "0x0e07:Integer":
        # Settable at creation only; later it is taken and changes nothing, as on real servers.
        if creating:
            fields["MessageFlags"] = int(text or "0") & ~(READ | HAS_ATTACHMENT)
            item.is_read = int(text or "0") & READ
    elif key == "0x0e06:SystemTime":
        item.received = text or item.received
        fields.pop(NEVER_DELIVERED, None)
    elif key == "0x3007:SystemTime":
        item.created = (text or item.created) if creating else item.created
    elif key == "0x001a:String":
        item.item_class = text or item.item_class
    elif key == "0x1090:Integer":
        number = int(text or "0")
        fields["Flag"] = {
            **fields.get("Flag", {}),
            "FlagStatus": _FLAG_STATUS[number if number in {1, 2} else 0],
        }
    elif key == "0x0017:Integer":
        fields["Importance"] = _IMPORTANCE[min(int(text or "1"), 2)]
    elif key == "0x0036:Integer":
        fields["Sensitivity"] = _SENSITIVITY[min(int(text or "0"), 3)]
    else:
        _write_field(item, key, value)


_WRITTEN_FIELDS: Final = {
    "0x0039:SystemTime": "DateTimeSent",
    "0x0037:String": "Subject",
    "0x0070:String": "ConversationTopic",
    "0x1035:String": "InternetMessageId",
    "0x1042:String": "InReplyTo",
    "0x1039:String": "References",
    CATEGORIES_KEY: "Categories",
}


def _write_field(item: Item, key: str, value: Value | None) -> None:
    name = _WRITTEN_FIELDS.get(key)
    target, place = (item.fields, name) if name is not None else (item.extended, key)
    if value is None:
        target.pop(place, None)
    elif key != "0x3008:SystemTime":
        # The store writes the modification time itself at every save.
        target[place] = value
