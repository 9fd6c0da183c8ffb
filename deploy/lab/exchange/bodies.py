"""Bodies and attachments of an item's content: finding, reading, replacing and adding them."""

import binascii
import html
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from deploy.lab.exchange.content import Content, Headers, Part, is_body
from deploy.lab.exchange.headers import readable
from deploy.lab.exchange.mime import WHOLE, content_type_parameter, media_type, parse_mime, without_last_break

_TAGS: Final = re.compile(r"<(?:style|script).*?</(?:style|script)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_CONTENT_HEADERS: Final = frozenset({"content-type", "content-transfer-encoding", "content-disposition", "content-id"})


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an item as EWS shows it: "HTML" or "Text"."""

    kind: str
    text: str

    def as_kind(self, kind: str) -> "Body":
        """Return the body in the wanted form; "Best" leaves it as it is."""
        if kind in {"Best", self.kind}:
            return self
        if kind == "HTML":
            return Body(
                "HTML",
                f'<html><body><div style="white-space:pre-wrap">{html.escape(self.text)}</div></body></html>',
            )
        return Body("Text", html.unescape(_TAGS.sub("", self.text)).strip())


def text_of(part: Part) -> str:
    """Return the text of a leaf in its charset; unknown charsets and bad bytes never raise."""
    charset = content_type_parameter(part.header("content-type"), "charset") or "utf-8"
    data = decoded(part)
    try:
        return data.decode(charset)
    except (LookupError, UnicodeError, ValueError):
        return data.decode("cp1252", "replace")


def decoded(part: Part) -> bytes:
    """Return the bytes of a leaf without transfer encoding, as far as a damaged one can be read."""
    transfer = part.header("content-transfer-encoding").lower()
    if part.encoding or transfer not in {"base64", "quoted-printable"}:
        return without_last_break(part.data) if part.media_type.startswith("message/") else part.data
    try:
        return binascii.a2b_base64(part.data) if transfer == "base64" else binascii.a2b_qp(part.data)
    except binascii.Error:
        return part.data


def body_of(content: Content) -> Body | None:
    """Return the best body: HTML before plain text, inside a signed message too; None where there is none."""
    plain: Part | None = None
    for leaf in content.leaves:
        if leaf.media_type in WHOLE:
            inner = parse_mime(
                f"Content-Type: {leaf.header('content-type')}\r\n\r\n".encode("ascii", "replace") + leaf.data
            )
            first = _signed_body(leaf, inner)
            if first is not None:
                return first
        elif is_body(leaf):
            if leaf.media_type == "text/html":
                return Body("HTML", text_of(leaf))
            plain = plain or leaf
    return Body("Text", text_of(plain)) if plain is not None else None


def _signed_body(leaf: Part, inner: Content) -> Body | None:
    boundary = content_type_parameter(leaf.header("content-type"), "boundary")
    if leaf.media_type != "multipart/signed" or not boundary or inner.root.children is not None:
        return None
    mixed = f'Content-Type: multipart/mixed; boundary="{boundary}"\r\n\r\n'.encode("ascii", "replace") + leaf.data
    return body_of(parse_mime(mixed))


def attachments_of(content: Content) -> list[Part]:
    """Return the leaves that are attachments, in order."""
    leaves = content.leaves
    if len(leaves) == 1 and leaves[0] is content.root:
        return [] if content.root.media_type in WHOLE or _is_text(content.root) else leaves
    return [leaf for leaf in leaves if not is_body(leaf)]


def _is_text(part: Part) -> bool:
    return part.media_type.startswith("text/") or not part.data


def describe(part: Part, number: int) -> dict[str, Any]:
    """Return what `Item.fields["Attachments"]` keeps of an attachment."""
    content_type, disposition = part.header("content-type"), part.header("content-disposition")
    name = content_type_parameter(disposition, "filename") or content_type_parameter(content_type, "name")
    is_item = part.media_type == "message/rfc822"
    found: dict[str, Any] = {
        "number": number,
        "name": readable(name),
        "type": part.media_type,
        "size": len(part.data),
    }
    if part.header("content-id"):
        found["content_id"] = readable(part.header("content-id")).strip("<>")
    if part.header("content-location"):
        found["location"] = readable(part.header("content-location"))
    if disposition.lower().lstrip().startswith("inline") or (not disposition and "content_id" in found):
        found["inline"] = True
    if is_item:
        found["item"] = True
        if not name:
            found["name"] = readable(parse_mime(part.data).root.header("subject"))
    return found


def describe_all(content: Content) -> list[dict[str, Any]]:
    """Return what `Item.fields["Attachments"]` keeps of a content that came as MIME."""
    return [describe(part, number) for number, part in enumerate(attachments_of(content), 1)]


def body_part(kind: str, text: str) -> Part:
    """Return a leaf for a body given as an EWS element."""
    subtype = "html" if kind == "HTML" else "plain"
    headers = [("Content-Type", f'text/{subtype}; charset="utf-8"'), ("Content-Transfer-Encoding", "base64")]
    return Part(headers, f"text/{subtype}", "base64", text.encode("utf-8", "replace"))


def file_part(name: str, kind: str, data: bytes, content_id: str = "", *, inline: bool = False) -> Part:
    """Return a leaf for an attachment given as an EWS element."""
    kind = media_type(kind, "application/octet-stream")
    disposition = "inline" if inline else "attachment"
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", " ").replace("\n", " ")
        parameter = f'filename="{quoted}"'
    else:
        parameter = f"filename*=utf-8''{quote(name, safe='')}"
    headers: Headers = [("Content-Type", kind), ("Content-Disposition", f"{disposition}; {parameter}")]
    if content_id:
        headers.append(("Content-ID", f"<{content_id}>"))
    if kind.startswith(("message/", "multipart/")):
        return Part(headers, kind, "", data)
    return Part([*headers, ("Content-Transfer-Encoding", "base64")], kind, "base64", data)


def rebuild(content: Content, body: Part | None, attachments: list[Part]) -> Content:
    """Return a content with the same message headers, another body and these attachments."""
    kept = [(name, value) for name, value in content.root.headers if name.lower() not in _CONTENT_HEADERS]
    if not any(name.lower() == "mime-version" for name, _ in kept):
        kept.append(("MIME-Version", "1.0"))
    first = body if body is not None else body_part("Text", "")
    if not attachments:
        return Content(Part([*kept, *first.headers], first.media_type, first.encoding, first.data, first.children))
    related = all(part.header("content-disposition").startswith("inline") for part in attachments)
    kind = "multipart/related" if related else "multipart/mixed"
    return Content(Part([*kept, ("Content-Type", kind)], kind, children=[first, *attachments]))


def body_branch(content: Content) -> Part | None:
    """Return the part that carries the bodies (a leaf or an alternative), without the message's own headers."""
    root = content.root
    own = [(name, value) for name, value in root.headers if name.lower() in _CONTENT_HEADERS]
    if root.children is None:
        return (
            Part(own, root.media_type, root.encoding, root.data) if _is_text(root) or root.media_type in WHOLE else None
        )
    if root.media_type == "multipart/alternative":
        return Part(own, root.media_type, children=root.children)
    for child in root.children:
        if child.children is not None and any(is_body(leaf) for leaf in child.leaves()):
            return body_branch(Content(child))
        if child.children is None and is_body(child):
            return child
    return None
