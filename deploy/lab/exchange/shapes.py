"""Which properties an answer carries: ItemShape compiled to a list of writers per item kind."""

from typing import Final

from lxml import etree

from deploy.lab.exchange.fields import CONTENT_ONLY, KINDS, SINCE_2013, kind_of, name_of_uri
from deploy.lab.exchange.item_elements import WRITERS, Writer
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.properties import Path, property_xml, read_path, read_value
from deploy.lab.exchange.soap import EwsError, SoapFaultError, T, local_name
from deploy.lab.exchange.view import View

_DEFAULT: Final = frozenset(
    {
        "ItemId", "Subject", "Sensitivity", "DateTimeReceived", "Size", "Importance", "InReplyTo", "IsSubmitted",
        "IsDraft", "DateTimeSent", "DateTimeCreated", "HasAttachments", "Attachments", "Body", "From", "IsRead",
        "ToRecipients", "CcRecipients", "Start", "End", "Location", "FileAs", "DisplayName", "EmailAddresses",
        "PhoneNumbers", "DueDate", "Status", "PercentComplete", "StartDate", "ItemClass",
    }
)  # fmt: skip
_INDEXED: Final = {
    "contacts:EmailAddress": "EmailAddresses",
    "contacts:PhoneNumber": "PhoneNumbers",
    "contacts:ImAddress": "ImAddresses",
    "distributionlist:Members:Member": "Members",
    "item:InternetMessageHeader": "InternetMessageHeaders",
}
_SHAPES_MAX: Final = 256


class Shape:
    """A compiled ItemShape: `xml(item, view)` writes one item."""

    __slots__ = ("_extended", "_names", "_writers", "body_type", "everything", "reads_mime")

    def __init__(self, node: etree._Element | None, generation: tuple[int, int], *, listing: bool) -> None:
        """Compile an ItemShape element; raises `EwsError` or `SoapFaultError` for paths that name nothing."""
        base = (node.findtext(f"{T}BaseShape") if node is not None else None) or "AllProperties"
        self.body_type = (node.findtext(f"{T}BodyType") if node is not None else None) or "Best"
        self.everything = base == "AllProperties"
        names: set[str] = {"ItemId"} | (set(_DEFAULT) if base == "Default" else set())
        extended: dict[str, Path] = {}
        asked: set[str] = set()
        paths = node.find(f"{T}AdditionalProperties") if node is not None else None
        for path in paths if paths is not None else ():
            if local_name(path) == "ExtendedFieldURI":
                found = read_path(path)
                extended[found.key] = found
            else:
                asked.add(_asked_name(path))
        if node is not None and node.findtext(f"{T}IncludeMimeContent") == "true":
            asked.add("MimeContent")
        if listing:
            # Real servers leave these out of lists; FindItem refuses them by name before it comes here.
            asked -= CONTENT_ONLY
        self.reads_mime = "MimeContent" in asked
        hidden = CONTENT_ONLY if listing else frozenset({"MimeContent", "UniqueBody", "NormalizedBody", "TextBody"})
        self._names = (
            set(WRITERS) - hidden if self.everything else names - (CONTENT_ONLY if listing else set())
        ) | asked
        if generation < (15, 0):
            self._names -= SINCE_2013
        self._extended = tuple(extended.values())
        self._writers: dict[str, tuple[Writer, ...]] = {}

    def xml(self, item: Item, view: View) -> str:
        """Return the element of one item with the asked properties it has."""
        kind = kind_of(item.item_class)
        writers = self._writers.get(kind)
        if writers is None:
            writers = self._writers[kind] = tuple(self._compile(kind))
        return f"<t:{kind}>{''.join([write(item, view) for write in writers])}</t:{kind}>"

    def _compile(self, kind: str) -> list[Writer]:
        writers: list[Writer] = []
        for name in KINDS[kind]:
            if name == "ExtendedProperty":
                writers += [_extended_writer(path) for path in self._extended]
            elif name in self._names:
                writers.append(WRITERS[name])
        return writers


def _asked_name(path: etree._Element) -> str:
    uri = path.get("FieldURI", "")
    if local_name(path) == "IndexedFieldURI":
        if uri.startswith("contacts:PhysicalAddress:"):
            return "PhysicalAddresses"
        name = _INDEXED.get(uri)
    else:
        name = name_of_uri(uri)
    if name is None:
        raise SoapFaultError(
            "ErrorSchemaValidation", f"The request failed schema validation: '{uri}' is no property here."
        )
    return name


def _extended_writer(path: Path) -> Writer:
    def write(item: Item, view: View) -> str:  # noqa: ARG001 - all writers are called alike
        value = read_value(item, path.key)
        return property_xml(path, value) if value is not None else ""

    return write


_COMPILED: Final[dict[tuple[bytes, tuple[int, int], bool], Shape]] = {}


def refuse_content(node: etree._Element | None) -> None:
    """Refuse bodies, MIME and attachments in a FindItem shape; raises `EwsError` (ErrorInvalidPropertyRequest)."""
    for path in node.iterfind(f"{T}AdditionalProperties/{T}FieldURI") if node is not None else ():
        if name_of_uri(path.get("FieldURI") or "") in CONTENT_ONLY:
            raise EwsError("ErrorInvalidPropertyRequest", "The property can not be requested in a list of items.")


def compiled(node: etree._Element | None, generation: tuple[int, int], *, listing: bool = False) -> Shape:
    """Return the compiled form of an ItemShape element, kept for the next request that asks for the same."""
    key = (etree.tostring(node) if node is not None else b"", generation, listing)
    shape = _COMPILED.get(key)
    if shape is None:
        if len(_COMPILED) >= _SHAPES_MAX:
            _COMPILED.clear()
        shape = _COMPILED[key] = Shape(node, generation, listing=listing)
    return shape
