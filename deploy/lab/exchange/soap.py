"""SOAP envelopes, faults and response messages of EWS, assembled as text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lxml import etree

SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
TYPES: Final = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES: Final = "http://schemas.microsoft.com/exchange/services/2006/messages"
ERRORS: Final = "http://schemas.microsoft.com/exchange/services/2006/errors"
T: Final = f"{{{TYPES}}}"
M: Final = f"{{{MESSAGES}}}"
S: Final = f"{{{SOAP}}}"

# XML 1.0 section 2.2: what no element may hold, not even as a reference.
_FORBIDDEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL: Final = re.compile('[&<>"\r\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]')


@dataclass(slots=True)
class EwsError(Exception):
    """One refused item or request: an EWS response code, its text and extra elements of the answer."""

    code: str
    text: str = "The simulated server refused this."
    values: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class SoapFaultError(Exception):
    """The whole request is refused: a SOAP fault with an EWS response code, HTTP 500 unless told."""

    code: str
    text: str
    values: tuple[tuple[str, str], ...] = ()
    status: int = 500


def escape(text: str) -> str:
    """Text as element or attribute content; characters that XML cannot hold become U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _FORBIDDEN.sub("\ufffd", text.replace("\r", "&#xD;"))


def element(name: str, text: str) -> str:
    """One element of the types namespace around escaped text."""
    return f"<t:{name}>{escape(text)}</t:{name}>"


def local_name(node: etree._Element) -> str:
    """Return the name of an element without its namespace."""
    tag = str(node.tag)
    return tag[tag.rfind("}") + 1 :]


def _attributes(node: etree._Element) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in node.attrib.items()]


def fragment(node: etree._Element) -> str:
    """Return an element as text with the prefix `t` and no declarations, so that it can stand in any answer."""
    name = local_name(node)
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(node) if "{" not in key)
    children = "".join(fragment(child) for child in node if isinstance(child.tag, str))
    text = "" if children and not (node.text or "").strip() else escape(node.text or "")
    return f"<t:{name}{attributes}>{text}{children}</t:{name}>" if text or children else f"<t:{name}{attributes}/>"


def succeeded(name: str, content: str) -> str:
    """Return a response message of one item that went well."""
    return (
        f'<m:{name}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>'
        f"{content}</m:{name}ResponseMessage>"
    )


def failed(name: str, error: EwsError, content: str = "") -> str:
    """Return a response message of one item that was refused."""
    return (
        f'<m:{name}ResponseMessage ResponseClass="Error"><m:MessageText>{escape(error.text)}</m:MessageText>'
        f"<m:ResponseCode>{error.code}</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
        f"{message_xml('m:MessageXml', error.values)}{content}</m:{name}ResponseMessage>"
    )


def message_xml(tag: str, values: Iterable[tuple[str, str]]) -> str:
    """Return the named values that go with an error (BackOffMilliseconds, InnerErrorResponseCode …)."""
    inner = "".join(f'<t:Value Name="{escape(name)}">{escape(value)}</t:Value>' for name, value in values)
    return f"<{tag}>{inner}</{tag}>" if inner else ""


def response(name: str, messages: Iterable[str]) -> str:
    """Return the body of an operation that answers item by item."""
    return f"<m:{name}Response><m:ResponseMessages>{''.join(messages)}</m:ResponseMessages></m:{name}Response>"


def envelope(body: str, server_version: str) -> str:
    """Return a complete answer; `server_version` is the text of a ServerVersionInfo element."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:t="{TYPES}" xmlns:m="{MESSAGES}"><s:Header>{server_version}</s:Header>'
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def fault(code: str, text: str, values: Iterable[tuple[str, str]] = ()) -> str:
    """Return a SOAP 1.1 fault as Exchange writes it: the response code stands in the detail."""
    return (
        f'<s:Fault><faultcode xmlns:a="{TYPES}">a:{code}</faultcode><faultstring xml:lang="en-US">{escape(text)}'
        f'</faultstring><detail><e:ResponseCode xmlns:e="{ERRORS}">{code}</e:ResponseCode>'
        f'<e:Message xmlns:e="{ERRORS}">{escape(text)}</e:Message>'
        f"{message_xml('t:MessageXml', values)}</detail></s:Fault>"
    )


def parse(body: bytes) -> tuple[etree._Element | None, etree._Element]:
    """Read a request: its SOAP header (or nothing) and the operation's element.

    Raises `SoapFaultError` where the body is not XML or not a SOAP envelope with one operation.
    """
    parser = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise SoapFaultError("ErrorSchemaValidation", f"The request is not well-formed XML: {error.msg}") from error
    content = root.find(f"{S}Body")
    if content is None or len(content) == 0:
        raise SoapFaultError("ErrorSchemaValidation", "The request holds no SOAP body with an operation.")
    return root.find(f"{S}Header"), content[0]
