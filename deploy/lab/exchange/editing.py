"""Changes of an item's content that follow from changes of its elements: headers, body, attachments."""

from typing import Any, Final

from deploy.lab.exchange.bodies import attachments_of, body_branch, body_part, describe, rebuild
from deploy.lab.exchange.content import Content, Part
from deploy.lab.exchange.headers import HEADER_OF_FIELD, header_of
from deploy.lab.exchange.items import Item

_ALSO: Final = {"InternetMessageId": "message-id"}


def compose(item: Item, changed: set[str] | None = None) -> list[tuple[str, str]]:
    """Return the headers that an item's fields give, all or those of the changed fields."""
    found = []
    for field in HEADER_OF_FIELD:
        if changed is None or field in changed:
            header = header_of(field, item.fields.get(field), item.fields.get("From") or item.fields.get("Sender"))
            if header is not None:
                found.append(header)
    return found


def replace_headers(content: Content, item: Item, changed: set[str]) -> bool:
    """Write the changed fields into the message's headers; answers whether any header changed."""
    names = {HEADER_OF_FIELD[field].lower() for field in changed if field in HEADER_OF_FIELD}
    if not names:
        return False
    kept = [(name, value) for name, value in content.root.headers if name.lower() not in names]
    content.root.headers[:] = [*kept, *compose(item, changed)]
    return True


def replace_body(content: Content, kind: str, text: str) -> Content:
    """Return the content with another body; its attachments stay."""
    return rebuild(content, body_part(kind, text), attachments_of(content))


def add_attachment(item: Item, content: Content, part: Part, extra: dict[str, Any]) -> tuple[Content, int]:
    """Return the content with one more attachment, and the attachment's number in the item."""
    described: list[dict[str, Any]] = item.fields.setdefault("Attachments", [])
    number = 1 + max((entry["number"] for entry in described), default=0)
    parts = [*attachments_of(content), part]
    described.append({**describe(part, number), **extra})
    return rebuild(content, body_branch(content), parts), number


def remove_attachment(item: Item, content: Content, number: int) -> Content | None:
    """Return the content without one attachment, or None where the item has no such attachment."""
    described: list[dict[str, Any]] = item.fields.get("Attachments", [])
    places = [place for place, entry in enumerate(described) if entry["number"] == number]
    if not places:
        return None
    parts = attachments_of(content)
    del described[places[0]], parts[places[0]]
    if not described:
        del item.fields["Attachments"]
    return rebuild(content, body_branch(content), parts)


def find_attachment(item: Item, content: Content, number: int) -> tuple[dict[str, Any], Part] | None:
    """Return the description and the part of an attachment, or None where the item has no such attachment."""
    for entry, part in zip(item.fields.get("Attachments", []), attachments_of(content), strict=False):
        if entry["number"] == number:
            return entry, part
    return None
