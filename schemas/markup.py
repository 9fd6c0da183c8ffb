"""XML that came from a server, parsed without entities, document types or network.

libxml2 expands entities in attributes whatever it is told, and without its limits, which mail of 40 MB needs lifted.
So a document that declares any is refused before it is parsed: SOAP 1.1 (§3) forbids it to have one.
"""

import re

from lxml import etree

from schemas.ports import Element

_PROLOG = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:\s|<\?.*?\?>|<!--.*?-->)*", re.DOTALL)
_ENCODING = re.compile(rb"encoding\s*=\s*['\"]([^'\"]{0,40})['\"]")
_UTF_8 = (b"utf-8", b"utf8", b"us-ascii")
_REFERENCE = re.compile(r"&#([xX][0-9a-fA-F]{1,8}|[0-9]{1,10});", re.ASCII)
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CODE_MAX = 0x10FFFF
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class RefusedDocumentError(etree.XMLSyntaxError):
    """A document that no server we know would send."""

    def __init__(self, text: str) -> None:
        super().__init__(text, None, 1, 1)  # type: ignore[arg-type,call-arg] # its stubs know no position


def parse(content: bytes) -> Element:
    """Return the root of a document; lxml's XMLSyntaxError where it is not whole, not UTF-8, or declares entities."""
    found = _PROLOG.match(content)
    prolog = found.group() if found else b""
    named = _ENCODING.search(prolog)
    is_other = named is not None and named.group(1).lower() not in _UTF_8
    if is_other or b"\0" in content[:4] or content[len(prolog) : len(prolog) + 2] == b"<!":
        raise RefusedDocumentError("declares a document type or an encoding that is not allowed")
    # a parser of its own: one that is shared is waited for by other threads
    return etree.fromstring(content, etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True))


def parse_answer(content: bytes) -> Element:
    """Parse a server's answer; what XML can't hold, raw or as a reference, becomes U+FFFD.

    Exchange writes such characters where an item holds them. lxml's XMLSyntaxError for what is no document even so.
    """
    try:
        return parse(content)
    except etree.XMLSyntaxError:
        legal = _FORBIDDEN.sub(_REPLACEMENT, content.decode("utf-8", "replace"))
        return parse(_REFERENCE.sub(_replaced, legal).encode())


def _replaced(reference: re.Match[str]) -> str:
    digits = reference.group(1)
    code = int(digits[1:], 16) if digits[:1] in "xX" else int(digits)
    is_legal = code <= _CODE_MAX and not _FORBIDDEN.match(chr(code))
    return reference.group() if is_legal else _REPLACEMENT
