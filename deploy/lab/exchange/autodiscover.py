"""The server's own Autodiscover: POX and SOAP GetUserSettings for EWS clients ([MS-OXDSCLI], [MS-OXWSADISC]).

Behaviour: an address that the directory says has moved is answered with the new one; an unknown one as InvalidUser
(SOAP) or error 500 (POX). The EWS address is the host that was asked, over the protocol a proxy says it was asked by.
Skipped: Outlook's settings (LegacyDN, server names), v2 JSON, ActiveSync's schema, GetDomainSettings.
"""

from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web
from lxml import etree

from deploy.lab.exchange.mailbox_server import MailboxServer

_NAMESPACE: Final = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_POX: Final = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
_OUTLOOK: Final = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
_SCHEMAS: Final = {
    14: "Exchange2007, Exchange2010, Exchange2010_SP1",
    15: "Exchange2007, Exchange2010, Exchange2010_SP1, Exchange2010_SP2, Exchange2013, Exchange2013_SP1",
}


class Autodiscover:
    """The handlers of `/autodiscover/…`."""

    def __init__(self, server: MailboxServer, ews_path: str) -> None:
        self._server = server
        self._ews_path = ews_path

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to the application."""
        found = []
        for directory in ("/autodiscover", "/Autodiscover"):
            for name in ("autodiscover", "Autodiscover"):
                found.append(web.post(f"{directory}/{name}.svc", self._soap))
                found.append(web.post(f"{directory}/{name}.xml", self._pox))
        return found

    async def _soap(self, request: web.Request) -> web.Response:
        root = _parse(await request.read())
        asked = None if root is None else root.find("{*}Body/{*}GetUserSettingsRequestMessage")
        if asked is None:
            return web.Response(status=400, text="Only GetUserSettings is simulated (see SKIPPED.md).")
        names = [(e.text or "").strip() for e in asked.iterfind(".//{*}RequestedSettings/{*}Setting")]
        users = [(e.text or "").strip() for e in asked.iterfind(".//{*}User/{*}Mailbox")]
        answers = "".join(self._user(request, user, names) for user in users)
        return _xml(
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
            f'<GetUserSettingsResponseMessage xmlns="{_NAMESPACE}">'
            '<Response xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><ErrorCode>NoError</ErrorCode><ErrorMessage/>'
            f"<UserResponses>{answers}</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
        )

    def _user(self, request: web.Request, address: str, names: list[str]) -> str:
        directory = self._server.directory
        if (moved := directory.moved.get(address.lower())) is not None:
            return (
                "<UserResponse><ErrorCode>RedirectAddress</ErrorCode><ErrorMessage/>"
                f"<RedirectTarget>{escape(moved)}</RedirectTarget><UserSettingErrors/><UserSettings/></UserResponse>"
            )
        mailbox = directory.mailbox(address.lower(), self._server.folders.mailboxes)
        if mailbox is None:
            return (
                "<UserResponse><ErrorCode>InvalidUser</ErrorCode><ErrorMessage>Invalid user.</ErrorMessage>"
                "<UserSettingErrors/><UserSettings/></UserResponse>"
            )
        known = {
            "ExternalEwsUrl": self._ews_url(request),
            "InternalEwsUrl": self._ews_url(request),
            "AutoDiscoverSMTPAddress": mailbox.address,
            "EwsSupportedSchemas": _SCHEMAS[self._server.version.major],
        }
        found = "".join(
            f'<UserSetting i:type="StringSetting"><Name>{n}</Name><Value>{escape(known[n])}</Value></UserSetting>'
            for n in names
            if n in known
        )
        return (
            "<UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage/><UserSettingErrors/>"
            f"<UserSettings>{found}</UserSettings></UserResponse>"
        )

    async def _pox(self, request: web.Request) -> web.Response:
        root = _parse(await request.read())
        address = "" if root is None else (root.findtext(".//{*}EMailAddress") or "").strip().lower()
        directory = self._server.directory
        if (moved := directory.moved.get(address)) is not None:
            action = f"<Action>redirectAddr</Action><RedirectAddr>{escape(moved)}</RedirectAddr>"
        elif directory.mailbox(address, self._server.folders.mailboxes) is not None:
            url = escape(self._ews_url(request))
            action = f"<Action>settings</Action><Protocol><Type>EXPR</Type><EwsUrl>{url}</EwsUrl></Protocol>"
        else:
            error = "<Error><ErrorCode>500</ErrorCode><Message>The e-mail address cannot be found.</Message></Error>"
            return _xml(f'<Autodiscover xmlns="{_POX}"><Response>{error}</Response></Autodiscover>')
        account = f"<Account><AccountType>email</AccountType>{action}</Account>"
        return _xml(f'<Autodiscover xmlns="{_POX}"><Response xmlns="{_OUTLOOK}">{account}</Response></Autodiscover>')

    def _ews_url(self, request: web.Request) -> str:
        scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
        return f"{scheme}://{request.host}{self._ews_path}"


def _parse(body: bytes) -> etree._Element | None:
    try:
        return etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return None


def _xml(text: str) -> web.Response:
    document = f'<?xml version="1.0" encoding="utf-8"?>{text}'
    return web.Response(text=document, content_type="text/xml", charset="utf-8")
