"""A plain EWS client for what the lab does itself: users at work, and the comparison that trusts nobody.

It shares no code with the feed or the replay. Reads are repeated while a server is busy; anything else raises.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

import requests
from lxml import etree

TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
T = f"{{{TYPES}}}"
M = f"{{{MESSAGES}}}"
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NO_ANSWER = "NoAnswer"
_BUSY = frozenset({"ErrorServerBusy", "ErrorTimeoutExpired", "ErrorTooManyObjectsOpened", "Http503", "Http429"})
_BUSY_ATTEMPTS_MAX = 8
_BUSY_PAUSE_SECONDS = 0.5
_NAMES = {"2010_SP1": "Exchange2010_SP1", "2013": "Exchange2013_SP1", "2016": "Exchange2016", "2019": "Exchange2016"}
_HAS_FLAG_ELEMENT = frozenset({"2013", "2016", "2019"})

Element = etree._Element  # noqa: SLF001 - lxml has no public name for its element type
Pause = Callable[[float], None]


class SessionError(Exception):
    """A server refused a call or did not answer; `code` is its ResponseCode or says what broke."""

    def __init__(self, code: str, said: str) -> None:
        super().__init__(f"{said} ({code})")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where a server is, and the account that may impersonate; version as in the settings file."""

    url: str
    user: str
    password: str = field(repr=False)
    version: str

    @property
    def has_flag_element(self) -> bool:
        """Whether the server knows the Flag element (2013 and later)."""
        return self.version in _HAS_FLAG_ELEMENT


class UserSession:
    """One connection to a server, for one thread; acts as the mailbox's owner."""

    def __init__(self, address: ServerAddress, *, timeout_seconds: float = 120.0, pause: Pause = time.sleep) -> None:
        self.address = address
        self.calls = 0  # requests sent so far, so that they can be told from those of feed and replay
        self._timeout_seconds = timeout_seconds
        self._pause = pause
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.auth = (address.user, address.password)
        self._http.headers.update({"Content-Type": "text/xml; charset=utf-8", "User-Agent": "mailshadow lab"})

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def answers(self, operation: str, mailbox: str, body: str) -> list[Element]:
        """Send one operation and return its response messages, refused ones too.

        Raises SessionError when the server refuses the call as a whole, stays busy, or cannot be reached.
        """
        for attempt in range(_BUSY_ATTEMPTS_MAX):
            try:
                return self._send(operation, mailbox, body)
            except SessionError as error:
                if error.code not in _BUSY or attempt == _BUSY_ATTEMPTS_MAX - 1:
                    raise
                self._pause(_BUSY_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def one(self, operation: str, mailbox: str, body: str) -> Element:
        """Send one operation and return its first response message; raises SessionError unless it succeeded."""
        message = self.answers(operation, mailbox, body)[0]
        refuse_unless_done(operation, message)
        return message

    def _send(self, operation: str, mailbox: str, body: str) -> list[Element]:
        self.calls += 1
        try:
            response = self._http.post(
                self.address.url,
                data=_envelope(self.address.version, mailbox, body),
                timeout=self._timeout_seconds,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise SessionError(NO_ANSWER, f"{operation}: no answer from {self.address.url}") from error
        if response.status_code not in {requests.codes.ok, requests.codes.server_error}:
            raise SessionError(f"Http{response.status_code}", f"{operation}: refused by {self.address.url}")
        try:
            root = etree.fromstring(response.content, etree.XMLParser(huge_tree=True, resolve_entities=False))
        except etree.XMLSyntaxError as error:
            raise SessionError("MalformedAnswer", f"{operation}: the answer is not whole XML") from error
        messages = root.find(f".//{M}ResponseMessages")
        if messages is None or not len(messages):
            code = next((str(e.text) for e in root.iter("{*}ResponseCode")), "MalformedAnswer")
            raise SessionError(code, f"{operation}: refused by {self.address.url}")
        return list(messages)


def response_code(message: Element) -> str:
    """Return the ResponseCode of a response message, NoError where it succeeded."""
    return str(message.findtext(f"{M}ResponseCode") or "MalformedAnswer")


def refuse_unless_done(operation: str, message: Element) -> None:
    """Raise SessionError for a response message that is no success."""
    if message.get("ResponseClass") != "Success":
        raise SessionError(response_code(message), f"{operation}: {message.findtext(f'{M}MessageText') or ''}")


def markup(value: str) -> str:
    """Return text escaped for element content; characters XML cannot hold become U+FFFD."""
    return escape("".join(c if _is_writable(c) else "\N{REPLACEMENT CHARACTER}" for c in value))


def attribute(value: str) -> str:
    """Return text as a quoted attribute value."""
    return quoteattr(value)


def _is_writable(character: str) -> bool:
    code = ord(character)
    return character in "\t\n\r" or (code >= ord(" ") and not 0xD800 <= code < 0xE000 and code not in {0xFFFE, 0xFFFF})  # noqa: PLR2004 - XML 1.0 2.2


def _envelope(version: str, mailbox: str, body: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{_SOAP}" xmlns:t="{TYPES}" xmlns:m="{MESSAGES}">'
        f'<s:Header><t:RequestServerVersion Version="{_NAMES[version]}"/><t:ExchangeImpersonation><t:ConnectingSID>'
        f"<t:PrimarySmtpAddress>{markup(mailbox)}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()
