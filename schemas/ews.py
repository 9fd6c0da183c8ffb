"""Words of EWS that both sides use: namespaces, properties, and small builders of request XML (MS-OXWS*)."""

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from schemas import wire_values
from schemas.change import Marks
from schemas.ports import Element

TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = f"{{{TYPES}}}"
M = f"{{{MESSAGES}}}"

TRUNCATED = b"=== Truncated Data ==="
"""How an export stream ends that the server cut short without an error."""

FLAG_STATUSES = ("NotFlagged", "Flagged", "Complete")
IMPORTANCES = ("Normal", "Low", "High")
"""What the schema allows, the default first."""

DISTINGUISHED_FOLDERS = (
    "inbox",
    "drafts",
    "sentitems",
    "deleteditems",
    "outbox",
    "junkemail",
    "calendar",
    "contacts",
    "tasks",
    "notes",
    "journal",
)
"""Folders that exist in every mailbox and map to each other whatever their names."""


@dataclass(frozen=True, slots=True)
class Property:
    """An extended property: a MAPI tag, or a named one of our own set."""

    type: str
    tag: str = ""
    set_id: str = ""
    name: str = ""

    @property
    def uri(self) -> str:
        """The ExtendedFieldURI element."""
        where = f'PropertyTag="{self.tag}"' if self.tag else f'PropertySetId="{self.set_id}" PropertyName="{self.name}"'
        return f'<t:ExtendedFieldURI {where} PropertyType="{self.type}"/>'

    def with_value(self, value: str) -> str:
        """Return the ExtendedProperty element that sets it."""
        return f"<t:ExtendedProperty>{self.uri}<t:Value>{text(value)}</t:Value></t:ExtendedProperty>"


SEARCH_KEY = Property("Binary", tag="0x300B")
MESSAGE_FLAGS = Property("Integer", tag="0x0E07")
DELIVERY_TIME = Property("SystemTime", tag="0x0E06")
SUBMIT_TIME = Property("SystemTime", tag="0x0039")
ICON_INDEX = Property("Integer", tag="0x1080")
LAST_VERB = Property("Integer", tag="0x1081")
LAST_VERB_TIME = Property("SystemTime", tag="0x1082")
COMMIT_TIME_MAX = Property("SystemTime", tag="0x670A")
DELETED_COUNT = Property("Integer", tag="0x670B")
HIDDEN = Property("Boolean", tag="0x10F4")
STAMP = Property("String", set_id="5c1d7a9e-3b0f-4c55-9a53-6f3f6d61696c", name="mailshadow")


def text(value: str) -> str:
    """Return `value` escaped for element content; characters XML can't hold become U+FFFD."""
    return escape("".join(c if is_xml_character(ord(c)) else "\N{REPLACEMENT CHARACTER}" for c in value))


def quoted(value: str) -> str:
    """Return `value` as an attribute in quotes."""
    return quoteattr(value)


def is_xml_character(code: int) -> bool:
    """Tell whether XML 1.0 can hold a character (§2.2)."""
    return code in {9, 10, 13} or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0xFFFF < code <= 0x10FFFF  # noqa: PLR2004 - XML 1.0 §2.2


def folder_ref(folder_id: str) -> str:
    """Return the id element of a folder."""
    return f"<t:FolderId Id={quoteattr(folder_id)}/>"


def distinguished_ref(name: str) -> str:
    """Return the id element of a distinguished folder of the impersonated mailbox."""
    return f'<t:DistinguishedFolderId Id="{name}"/>'


def item_ref(item_id: str, change_key: str = "") -> str:
    """Return the id element of an item."""
    key = f" ChangeKey={quoteattr(change_key)}" if change_key else ""
    return f"<t:ItemId Id={quoteattr(item_id)}{key}/>"


def child_text(element: Element | None, path: str, default: str = "") -> str:
    """Return the text of the first element at `path`, or the default."""
    if element is None:
        return default
    found = element.findtext(path)
    return default if found is None else str(found)


def extended_values(item: Element) -> dict[str, str]:
    """Return tag in lower case (`0x300b`) or property name to the value, as an item's answer carries them."""
    values: dict[str, str] = {}
    for element in item.iterfind(f"{T}ExtendedProperty"):
        uri = element.find(f"{T}ExtendedFieldURI")
        if uri is not None:
            tag = uri.get("PropertyTag")
            name = wire_values.property_tag(str(tag)) if tag else str(uri.get("PropertyName") or "")
            values[name] = child_text(element, f"{T}Value")
    return values


def value_of(values: dict[str, str], wanted: Property) -> str:
    """Return the value of one property among `extended_values`, or an empty string."""
    return values.get(wire_values.property_tag(wanted.tag) if wanted.tag else wanted.name, "")


def marks_of(item: Element) -> Marks:
    """Return the marks an item's answer shows."""
    flag = item.find(f"{T}Flag")
    return Marks(
        is_read=wire_values.boolean(child_text(item, f"{T}IsRead"), default=True),
        flag_status=_one_of(FLAG_STATUSES, child_text(flag, f"{T}FlagStatus")),
        flag_start=_time_in(flag, "StartDate"),
        flag_due=_time_in(flag, "DueDate"),
        flag_completed=_time_in(flag, "CompleteDate"),
        categories=tuple(child_text(c, ".") for c in item.iterfind(f"{T}Categories/{T}String")),
        importance=_one_of(IMPORTANCES, child_text(item, f"{T}Importance")),
    )


def _one_of(values: tuple[str, ...], written: str) -> str:
    """Return a value that the schema knows, or the first, which is the default."""
    return written if written in values else values[0]


def _time_in(flag: Element | None, name: str) -> str | None:
    """Return a date of a flag as it is written; what is no time would be refused where it is to be set."""
    written = child_text(flag, f"{T}{name}").strip()
    return written if wire_values.moment_seconds(written) is not None else None


def flag_element(marks: Marks) -> str:
    """Return the Flag element (Exchange 2013 and later)."""
    dates = (
        ("StartDate", marks.flag_start),
        ("DueDate", marks.flag_due),
        ("CompleteDate", marks.flag_completed),
    )
    inner = "".join(f"<t:{name}>{value}</t:{name}>" for name, value in dates if value)
    return f"<t:Flag><t:FlagStatus>{marks.flag_status}</t:FlagStatus>{inner}</t:Flag>"


def categories_element(marks: Marks) -> str:
    """Return the Categories element, or nothing where there are none."""
    inner = "".join(f"<t:String>{text(c)}</t:String>" for c in marks.categories)
    return f"<t:Categories>{inner}</t:Categories>" if inner else ""
