"""ConvertId: item and folder ids between their written forms.

Versions: all. Behaviour: EwsId, EwsLegacyId, StoreId and OwaId share one base64 form, EntryId is that form's bytes and
HexEntryId their hexadecimal text. Skipped: public folder ids.
"""

import base64
import binascii
from typing import Final

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import EwsError, escape, local_name

_BASE64: Final = frozenset({"EwsId", "EwsLegacyId", "StoreId", "OwaId", "EntryId"})


def answer(call: Call) -> str:
    """Answer one ConvertId request."""
    wanted = call.flag("DestinationFormat") or ""

    def one(node: etree._Element) -> str:
        if local_name(node) != "AlternateId":
            raise EwsError("ErrorInvalidOperation", "Only AlternateId can be converted here (see SKIPPED.md).")
        ews = _ews_form(node.get("Format") or "", node.get("Id") or "")
        _refuse_unknown(call, ews)
        ident = base64.b64decode(ews).hex().upper() if wanted == "HexEntryId" else ews
        if wanted not in _BASE64 and wanted != "HexEntryId":
            raise EwsError("ErrorUnsupportedTypeForConversion", "The destination format is unknown.")
        mailbox = escape(node.get("Mailbox") or call.mailbox.address)
        return (
            '<m:AlternateId xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="t:AlternateIdType" '
            f'Format="{wanted}" Id="{escape(ident)}" Mailbox="{mailbox}"/>'
        )

    return call.answer(call.children("SourceIds"), one)


def _ews_form(form: str, ident: str) -> str:
    try:
        if form == "HexEntryId":
            return base64.b64encode(bytes.fromhex(ident)).decode()
        if form in _BASE64:
            base64.b64decode(ident, validate=True)
            return ident
    except (ValueError, binascii.Error) as error:
        raise EwsError("ErrorInvalidIdMalformed", "The id is malformed.") from error
    raise EwsError("ErrorUnsupportedTypeForConversion", "The source format is unknown.")


def _refuse_unknown(call: Call, ident: str) -> None:
    try:
        call.server.identity.item_reference(ident)
    except EwsError:
        call.server.identity.folder_reference(ident)
