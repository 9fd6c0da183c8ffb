"""Sessions with Exchange servers: exchangelib's authentication, our own request loop (facts: exchange §2).

One session is one connection used by one thread. It sends once, never re-sends and never sleeps; what is known
of a failed call is in the exception's type: CallRefused (nothing done) or AnswerUnknown (look before acting).
A back-off that a server asks for is shared by all sessions to it (`deploy.throttle`): until it ends no request
leaves this process.
"""

import logging
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import requests
from exchangelib.credentials import Credentials
from exchangelib.transport import BASIC, DIGEST, GSSAPI, NTLM, get_auth_instance
from lxml import etree
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from deploy.exchange_tls import TlsAdapter, TlsSettings
from deploy.secret import Stamp, current, stamp_of
from deploy.throttle import Throttle
from schemas import markup, wire_values
from schemas.ews import MESSAGES, TYPES, M, T, text
from schemas.faults import OUTCOME_UNKNOWN, Disposition, TransportFault, disposition_of, fault_of_status
from schemas.metrics import SessionMetrics
from schemas.ports import Answers, AnswerUnknown, CallFailed, CallRefused, Element, ServerAnswer

log = logging.getLogger(__name__)

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
BACK_OFF_SECONDS_DEFAULT = 5.0
THROTTLED = "ErrorServerBusy"
_VERSIONS = {
    "2010_SP1": "Exchange2010_SP1",
    "2013": "Exchange2013_SP1",
    "2016": "Exchange2016",
    "2019": "Exchange2016",
}
BUILDS = {"2010_SP1": "14.1", "2013": "15.0", "2016": "15.1", "2019": "15.2"}
"""How the builds of each version begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """How to reach one server: a name for labels, its EWS address, an account that may impersonate."""

    name: str
    url: str
    user: str
    password: str = field(repr=False)
    version: str = "2016"
    auth: str = "basic"
    timeout_seconds: float = 120.0
    connect_timeout_seconds: float = 10.0
    anchor: str = ""
    """Name of the mailbox in X-AnchorMailbox, where it isn't the one that is opened."""
    password_file: Path | None = None
    tls: TlsSettings = field(default_factory=TlsSettings)

    def stamp(self) -> Stamp:
        """Return what changes when the password or a certificate is rotated."""
        return stamp_of((*((self.password_file,) if self.password_file else ()), *self.tls.files))


class Session:
    """One connection to a server, for one thread."""

    def __init__(self, settings: ServerSettings, throttle: Throttle, metrics: SessionMetrics) -> None:
        self._settings = settings
        self._throttle = throttle
        self._metrics = metrics
        self.server_version = BUILDS[settings.version]
        self._http = self._connect()

    def call(self, operation: str, mailbox: str, body: str, expected: int | None = None) -> Answers:
        """POST one operation for a mailbox; see `schemas.ports.EwsSession`."""
        with self._throttle.turn():
            return self._call(operation, mailbox, body, expected)

    def _call(self, operation: str, mailbox: str, body: str, expected: int | None) -> Answers:
        self._refuse_while_backing_off()
        self._take_up_rotated_secrets()
        started = time.perf_counter()
        outcome = "unknown"
        try:
            answers = self._answers(operation, self._post(operation, mailbox, body), expected)
            outcome = "answered"
            self._throttle.answered()
            self._metrics.answered_at.labels(server=self._settings.name).set_to_current_time()
        except CallFailed as failure:
            failure.operation, failure.mailbox = operation, mailbox
            outcome = "refused" if isinstance(failure, CallRefused) else "unknown"
            self._note_back_off(operation, failure)
            raise
        finally:
            name = self._settings.name
            self._metrics.calls.labels(server=name, operation=operation, outcome=outcome).inc()
            elapsed = time.perf_counter() - started
            self._metrics.call_seconds.labels(server=name, operation=operation).observe(elapsed)
        return answers

    def open_stream(self, mailbox: str, body: str, read_timeout_seconds: float) -> requests.Response:
        """POST GetStreamingEvents and return the response unread; the caller closes it."""
        self._refuse_while_backing_off()
        self._take_up_rotated_secrets()
        return self._send(self._envelope(mailbox, body), mailbox, read_timeout_seconds, stream=True)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    # -- the wire ------------------------------------------------------------------------------------------

    def _connect(self) -> requests.Session:
        self._stamp = self._settings.stamp()
        http = requests.Session()
        http.trust_env = False
        is_tls = self._settings.url.startswith("https:")
        adapter = TlsAdapter(self._settings.tls) if is_tls else HTTPAdapter(1, 1, 0)
        http.mount("http://", adapter)
        http.mount("https://", adapter)
        http.auth = _authentication(self._settings)
        http.verify = str(self._settings.tls.ca_file) if self._settings.tls.ca_file else True
        http.headers.update({"Content-Type": "text/xml; charset=utf-8", "User-Agent": "mailshadow"})
        return http

    def _post(self, operation: str, mailbox: str, body: str) -> requests.Response:
        payload = self._envelope(mailbox, body)
        self._metrics.sent_bytes.labels(server=self._settings.name).inc(len(payload))
        try:
            response = self._send(payload, mailbox, self._settings.timeout_seconds)
        except requests.ConnectionError as error:
            self._reconnect()
            if _was_never_sent(error):
                raise CallRefused(
                    TransportFault.CONNECTION_REFUSED, f"{operation}: {self._settings.url} can't be reached"
                ) from error
            raise AnswerUnknown(TransportFault.RESET, f"{operation}: the connection broke") from error
        except requests.Timeout as error:
            self._reconnect()
            raise AnswerUnknown(
                TransportFault.TIMED_OUT, f"{operation}: no answer in {self._settings.timeout_seconds:g} s"
            ) from error
        except requests.RequestException as error:
            self._reconnect()
            raise AnswerUnknown(TransportFault.RESET, f"{operation}: {type(error).__name__}") from error
        self._metrics.received_bytes.labels(server=self._settings.name).inc(len(response.content))
        return response

    def _send(self, payload: bytes, mailbox: str, timeout_seconds: float, *, stream: bool = False) -> requests.Response:
        return self._http.post(
            self._settings.url,
            data=payload,
            headers={"X-AnchorMailbox": self._settings.anchor or mailbox},
            timeout=(self._settings.connect_timeout_seconds, timeout_seconds),
            stream=stream,
            allow_redirects=False,
        )

    def _take_up_rotated_secrets(self) -> None:
        if self._stamp != self._settings.stamp():
            log.info("secrets were rotated", extra={"server": self._settings.name})
            self._reconnect()

    def _reconnect(self) -> None:
        """After any doubt the next answer on the same connection could belong to another request."""
        self._http.close()
        try:
            self._http = self._connect()
        except OSError as error:
            # files half replaced: the closed session opens its next connection with what it knew
            log.warning("secrets can't be used", extra={"server": self._settings.name, "why": type(error).__name__})

    def _envelope(self, mailbox: str, body: str) -> bytes:
        impersonation = (
            "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>"
            f"{text(mailbox)}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
        )
        version = _VERSIONS[self._settings.version]
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:t="{TYPES}" xmlns:m="{MESSAGES}">'
            f"<s:Header><t:RequestServerVersion Version={quoteattr(version)}/>{impersonation}</s:Header>"
            f"<s:Body>{body}</s:Body></s:Envelope>"
        ).encode()

    # -- answers -------------------------------------------------------------------------------------------

    def _answers(self, operation: str, response: requests.Response, expected: int | None) -> Answers:
        if response.status_code not in {HTTPStatus.OK, HTTPStatus.INTERNAL_SERVER_ERROR}:
            raise self._refusal(operation, response)
        try:
            root = markup.parse_answer(response.content)
        except etree.XMLSyntaxError as error:
            if response.status_code != HTTPStatus.OK:
                raise self._refusal(operation, response) from error
            self._reconnect()
            raise AnswerUnknown(TransportFault.MALFORMED_ANSWER, f"{operation}: the answer is not whole XML") from error
        self._note_version(root)
        body = root.find(f"{{{SOAP}}}Body")
        fault = None if body is None else body.find(f"{{{SOAP}}}Fault")
        if fault is not None:
            self._reconnect()
            raise _fault(operation, fault)
        found = None if body is None else body.find(f"{M}{operation}Response/{M}ResponseMessages")
        messages = () if found is None else tuple(_answer(e) for e in found)
        if not messages or (expected is not None and len(messages) != expected):
            self._reconnect()
            raise AnswerUnknown(
                TransportFault.SHORT_ANSWER, f"{operation}: {len(messages)} answers for {expected} inputs"
            )
        throttled = [m for m in messages if disposition_of(m.code) is Disposition.THROTTLE]
        if throttled:
            failure = CallRefused if len(throttled) == len(messages) else AnswerUnknown
            raise failure(THROTTLED, throttled[0].text, _back_off_seconds(throttled[0].element))
        return Answers(messages, _server_time(response))

    def _refusal(self, operation: str, response: requests.Response) -> CallFailed:
        """Return what an HTTP status without SOAP says: refused, or not known to be."""
        fault = fault_of_status(response.status_code)
        self._reconnect()
        back_off_seconds = 0.0
        if disposition_of(fault) is Disposition.THROTTLE:
            written = response.headers.get("Retry-After", "")
            back_off_seconds = wire_values.retry_after_seconds(
                written, _server_time(response), BACK_OFF_SECONDS_DEFAULT
            )
        failure = AnswerUnknown if fault in OUTCOME_UNKNOWN else CallRefused
        detail = f"{operation}: HTTP {response.status_code} from {self._settings.url}"
        return failure(fault, detail, back_off_seconds)

    def _refuse_while_backing_off(self) -> None:
        if remaining_seconds := self._throttle.remaining_seconds():
            raise CallRefused(THROTTLED, "the server asked for a back-off", remaining_seconds)

    def _note_back_off(self, operation: str, failure: CallFailed) -> None:
        if disposition_of(failure.code) is Disposition.THROTTLE:
            self._metrics.throttled.labels(server=self._settings.name, operation=operation).inc()
        if failure.back_off_seconds:
            self._metrics.back_offs.labels(server=self._settings.name).inc()
            self._throttle.back_off(failure.back_off_seconds)

    def _note_version(self, root: Element) -> None:
        info = root.find(f"{{{SOAP}}}Header/{T}ServerVersionInfo")
        if info is not None:
            parts = (info.get(k, "0") for k in ("MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber"))
            written = ".".join(parts)
            # what is no version must not turn off what the server can do
            self.server_version = written if any(wire_values.version(written)) else self.server_version


def _authentication(settings: ServerSettings) -> Any:
    """Return exchangelib's authentication: Kerberos takes its ticket from outside, the others a password."""
    if settings.auth == "gssapi":
        return get_auth_instance(GSSAPI)
    kind = {"basic": BASIC, "ntlm": NTLM, "digest": DIGEST}[settings.auth]
    password = current(settings.password_file, settings.password)
    credentials = Credentials(settings.user, password)
    # NTLM wants an empty domain before a user given as an address
    is_address = kind == NTLM and credentials.type == Credentials.EMAIL
    user = f"\\{settings.user}" if is_address else settings.user
    return get_auth_instance(kind, username=user, password=password)


def _was_never_sent(error: requests.ConnectionError) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, NewConnectionError) or isinstance(error, requests.exceptions.ConnectTimeout)


def _answer(element: Element) -> ServerAnswer:
    if element.get("ResponseClass") == "Success":
        return ServerAnswer("NoError", element)
    code = str(element.findtext(f"{M}ResponseCode") or TransportFault.MALFORMED_ANSWER)
    inner = element.findtext(f"{M}MessageXml/{T}Value[@Name='InnerErrorResponseCode']")
    if inner and disposition_of(inner) is Disposition.THROTTLE:
        code = inner
    return ServerAnswer(code, element, str(element.findtext(f"{M}MessageText") or ""))


def _fault(operation: str, fault: Element) -> CallRefused:
    detail = fault.find("detail")
    code = next((str(e.text) for e in fault.iter("{*}ResponseCode") if e.text), "")
    if not code:
        # some servers answer faults without a code: the last part of the faultcode is the next best
        code = str(fault.findtext("faultcode") or TransportFault.MALFORMED_ANSWER).rsplit(":", 1)[-1]
    back_off_seconds = _back_off_seconds(detail if detail is not None else fault)
    if not back_off_seconds and disposition_of(code) is Disposition.THROTTLE:
        back_off_seconds = BACK_OFF_SECONDS_DEFAULT
    return CallRefused(code, f"{operation}: the server refused the request", back_off_seconds)


def _back_off_seconds(element: Element) -> float:
    for value in element.iter("{*}Value"):
        if value.get("Name") == "BackOffMilliseconds" and value.text:
            return wire_values.milliseconds(value.text, BACK_OFF_SECONDS_DEFAULT)
    return BACK_OFF_SECONDS_DEFAULT if element.tag.endswith("ResponseMessage") else 0.0


def _server_time(response: requests.Response) -> int:
    return wire_values.http_date_seconds(response.headers.get("Date", ""))
