"""The content form ELEMENTS: an item's settable elements as its server answered them, and what of them must be equal.

A body in the log is one XML element, named by the item's kind, with the elements of `schemas.item_elements` that the
server showed, in the order of that table. Taken apart, it is a value for each field that an update can set: a
dictionary has one for each of its entries. Pure.
"""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Final

from lxml import etree

from schemas import markup
from schemas.canonical import instant, xml_text
from schemas.ews import TYPES, T, child_text, quoted, text
from schemas.item_elements import ADDRESS_PARTS, ELEMENTS, ItemElement, Kind, kind_of, uris
from schemas.ports import Element

SHAPE: Final = (
    "<t:BaseShape>AllProperties</t:BaseShape><t:AdditionalProperties>"
    + "".join(f'<t:FieldURI FieldURI="{uri}"/>' for uri in uris())
    + "</t:AdditionalProperties>"
)
"""The ItemShape by which everything in the table is read of items of any kind.

All properties hold the dictionaries of a contact; what else is in the table is named, because not every server's idea
of all properties holds it.
"""

_LIST_MEMBER: Final = frozenset({"Contact", "PrivateDL"})
_BODY_BEGINS: Final = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)
_BODY_ENDS: Final = re.compile(r"</body\b", re.IGNORECASE)
_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(?:Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class Field:
    """What one update sets: a field URI, with an index where it is an entry of a dictionary."""

    uri: str
    index: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What a field holds: `same` is equal where nothing has to be written, `markup` is the element to set."""

    element: ItemElement
    same: str
    markup: str


@dataclass(frozen=True, slots=True)
class Shown:
    """An item's kind and values, in the order of the table."""

    kind: str
    values: dict[Field, Value]


def packed(item: Element) -> bytes:
    """Return the body of the form from the item's element in an answer to `SHAPE`."""
    kind = kind_of(etree.QName(item).localname)
    root = etree.Element(f"{T}{kind}", nsmap={"t": TYPES})
    for element in ELEMENTS[kind]:
        found = item.find(f"{T}{element.name}")
        if found is not None:
            copy = deepcopy(found)
            copy.tail = None
            root.append(copy)
    etree.cleanup_namespaces(root, keep_ns_prefixes=["t"])
    return etree.tostring(root, encoding="utf-8")


def unpacked(body: bytes) -> Shown:
    """Return the values of a body; lxml's XMLSyntaxError where it is none, nothing at all of an empty one."""
    if not body:
        return Shown("", {})
    root = markup.parse(body)
    kind = kind_of(etree.QName(root).localname)
    values: dict[Field, Value] = {}
    for element in ELEMENTS[kind]:
        found = root.find(f"{T}{element.name}")
        if found is not None:
            values |= dict(_READERS[element.kind](element, found))
    return Shown(kind, values)


Found = Iterator[tuple[Field, Value]]


def _plain(same: Callable[[str], str]) -> Callable[[ItemElement, Element], Found]:
    def read(element: ItemElement, found: Element) -> Found:
        written = child_text(found, ".")
        if written:
            yield Field(element.uri), Value(element, same(written), _tagged(element.name, text(written)))

    return read


def _body(element: ItemElement, found: Element) -> Found:
    written = child_text(found, ".")
    kind = "HTML" if found.get("BodyType") == "HTML" else "Text"
    same = _html(written) if kind == "HTML" else xml_text(written).strip()
    setting = f'<t:{element.name} BodyType="{kind}">{text(written)}</t:{element.name}>'
    yield Field(element.uri), Value(element, f"{kind} {same}" if same else "", setting)


def _texts(element: ItemElement, found: Element) -> Found:
    written = [child_text(one, ".") for one in found.iterfind(f"{T}String")]
    if written:
        inner = "".join(_tagged("String", text(one)) for one in written)
        yield Field(element.uri), Value(element, repr(sorted(map(xml_text, written))), _tagged(element.name, inner))


def _entries(element: ItemElement, found: Element) -> Found:
    for entry in found.iterfind(f"{T}Entry"):
        key, written = str(entry.get("Key")), child_text(entry, ".")
        if key in element.keys and written:
            yield Field(element.entry_uri, key), Value(element, xml_text(written), _entry(element, key, text(written)))


def _addresses(element: ItemElement, found: Element) -> Found:
    for entry in found.iterfind(f"{T}Entry"):
        key = str(entry.get("Key"))
        for part in ADDRESS_PARTS if key in element.keys else ():
            if written := child_text(entry, f"{T}{part}"):
                setting = _entry(element, key, _tagged(part, text(written)))
                yield Field(f"{element.entry_uri}:{part}", key), Value(element, xml_text(written), setting)


def _mailboxes(wrapper: str, names: tuple[str, ...]) -> Callable[[ItemElement, Element], Found]:
    def read(element: ItemElement, found: Element) -> Found:
        mailboxes = found.findall(f"{T}{wrapper}/{T}Mailbox")
        if mailboxes:
            same = sorted(_address(mailbox) for mailbox in mailboxes)
            inner = "".join(_tagged(wrapper, _tagged("Mailbox", _mailbox(one, names))) for one in mailboxes)
            yield Field(element.uri), Value(element, repr(same), _tagged(element.name, inner))

    return read


def _zone(element: ItemElement, found: Element) -> Found:
    named = str(found.get("Id") or "")
    if named:
        yield Field(element.uri), Value(element, named, f"<t:{element.name} Id={quoted(named)}/>")
    else:
        yield from _tree(element, found)


def _tree(element: ItemElement, found: Element) -> Found:
    # the wish for namespaces of its own comes with every element that is written alone
    setting = etree.tostring(found, encoding="unicode", with_tail=False)
    yield Field(element.uri), Value(element, repr(list(_leaves(found))), setting)


def _leaves(found: Element, path: str = "") -> Iterator[tuple[str, str]]:
    for child in found:
        here = f"{path}/{etree.QName(child).localname}"
        if len(child):
            yield from _leaves(child, here)
        else:
            # a date comes with the zone of whoever wrote it, or without one
            words = " ".join(sorted(child_text(child, ".").split()))
            yield here, _DATE.sub(r"\1", words)


def _html(written: str) -> str:
    """Return a page without what each server writes around it: head, comments, the breaking of its lines."""
    begins, ends = _BODY_BEGINS.search(written), None
    for ends in _BODY_ENDS.finditer(written):  # noqa: B007 - the last one counts
        pass
    inner = written[begins.end() if begins else 0 : ends.start() if ends else len(written)]
    return " ".join("".join(_outside_comments(xml_text(inner))).split())


def _outside_comments(page: str) -> Iterator[str]:
    start = 0
    while (begins := page.find("<!--", start)) >= 0 and (ends := page.find("-->", begins)) >= 0:
        yield page[start:begins]
        start = ends + len("-->")
    yield page[start:]


def _number(written: str) -> str:
    try:
        return repr(float(written))
    except ValueError:
        return written


def _truth(written: str) -> str:
    return {"1": "true", "0": "false"}.get(written.strip(), written.strip())


def _address(mailbox: Element) -> str:
    """Return what names a mailbox: its address in lower case, or its name where it has none."""
    return (child_text(mailbox, f"{T}EmailAddress") or child_text(mailbox, f"{T}Name")).strip().lower()


def _mailbox(mailbox: Element, names: tuple[str, ...]) -> str:
    """Return a mailbox by name and address; one that points to an item of its server becomes an address of its own."""
    told = {name: child_text(mailbox, f"{T}{name}") for name in names}
    if told.get("MailboxType") in _LIST_MEMBER:
        told["MailboxType"] = "OneOff"
    return "".join(_tagged(name, text(value)) for name, value in told.items() if value)


def _entry(element: ItemElement, key: str, inner: str) -> str:
    return _tagged(element.name, f"<t:Entry Key={quoted(key)}>{inner}</t:Entry>")


def _tagged(name: str, inner: str) -> str:
    return f"<t:{name}>{inner}</t:{name}>"


_READERS: Final[dict[Kind, Callable[[ItemElement, Element], Found]]] = {
    Kind.TEXT: _plain(xml_text),
    Kind.TIME: _plain(instant),
    Kind.NUMBER: _plain(_number),
    Kind.TRUTH: _plain(_truth),
    Kind.BODY: _body,
    Kind.TEXTS: _texts,
    Kind.ENTRIES: _entries,
    Kind.ADDRESSES: _addresses,
    Kind.ATTENDEES: _mailboxes("Attendee", ("Name", "EmailAddress", "RoutingType")),
    Kind.MEMBERS: _mailboxes("Member", ("Name", "EmailAddress", "RoutingType", "MailboxType")),
    Kind.ZONE: _zone,
    Kind.TREE: _tree,
}
