"""Autodiscover requests read: POX and SOAP ([MS-OXDSCLI] 2.2.3, [MS-OXWSADISC] 3.1.4); pure.

XML is parsed without entities, document types and network. Credentials are neither asked for nor looked at.
"""

from dataclasses import dataclass

from lxml import etree

from schemas.markup import parse
from schemas.ports import Element

USERS_MAX = 100


class BadRequestError(Exception):
    """The request is no Autodiscover request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoxRequest:
    """Whom a POX request asks for, and whether it is ActiveSync's kind."""

    address: str
    is_activesync: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapRequest:
    """Whom a GetUserSettings asks for, and which settings."""

    addresses: tuple[str, ...]
    settings: tuple[str, ...]


def read_pox(body: bytes) -> PoxRequest:
    """Read a POX request; BadRequestError where it names nobody."""
    root = _parse(body)
    address = (root.findtext(".//{*}EMailAddress") or "").strip()
    if "@" not in address:
        raise BadRequestError("no EMailAddress")
    schema = root.findtext(".//{*}AcceptableResponseSchema") or ""
    return PoxRequest(address=address, is_activesync="mobilesync" in schema)


def read_soap(body: bytes) -> SoapRequest:
    """Read a GetUserSettings request; BadRequestError for any other."""
    root = _parse(body)
    message = root.find("{*}Body/{*}GetUserSettingsRequestMessage")
    if message is None:
        raise BadRequestError("only GetUserSettings is answered")
    addresses = tuple((e.text or "").strip() for e in message.iterfind(".//{*}User/{*}Mailbox"))
    if not addresses or len(addresses) > USERS_MAX or not all("@" in a for a in addresses):
        raise BadRequestError("no mailbox, too many, or one that is no address")
    settings = tuple((e.text or "").strip() for e in message.iterfind(".//{*}RequestedSettings/{*}Setting"))
    return SoapRequest(addresses=addresses, settings=settings)


def _parse(body: bytes) -> Element:
    try:
        return parse(body)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadRequestError("not XML, or with a document type") from error
