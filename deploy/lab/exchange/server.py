"""EWS over HTTP: authentication, versions, impersonation, faults, and the way of a request to its operation."""

import asyncio
import base64
import binascii
import hashlib
import hmac
import inspect
import logging
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler
from lxml import etree

from deploy.lab.exchange.autodiscover import Autodiscover
from deploy.lab.exchange.call import Call
from deploy.lab.exchange.calls import STREAMING, Calls, Flight
from deploy.lab.exchange.control import Control
from deploy.lab.exchange.dispatch import OPERATIONS
from deploy.lab.exchange.faults import Faults, Plan
from deploy.lab.exchange.folders import Mailbox
from deploy.lab.exchange.history import REQUEST, Request
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.operations import get_streaming_events
from deploy.lab.exchange.soap import EwsError, SoapFaultError, T, envelope, fault, local_name, parse
from deploy.lab.exchange.versions import effective, refuse_newer

PATH: Final = "/EWS/Exchange.asmx"
# IIS does not distinguish case; these are the spellings that clients use.
_PATHS: Final = (PATH, "/ews/exchange.asmx", "/EWS/exchange.asmx", "/ews/Exchange.asmx")
_BODY_BYTES_MAX: Final = 256 * 1024 * 1024
_DIGEST_HEX_DIGITS: Final = 16
_CONTENT_TYPE: Final = "text/xml; charset=utf-8"
_SERVER: Final = web.AppKey("server", MailboxServer)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """The one account that may log on; without impersonation it works in the mailbox `home`."""

    user: str
    password: str
    home: str

    def admits(self, header: str) -> bool:
        """Whether an Authorization header proves this account."""
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode("utf-8", "replace").partition(":")
        except (binascii.Error, ValueError):
            return False
        known = hmac.compare_digest(user.lower().encode(), self.user.lower().encode())
        return hmac.compare_digest(password.encode(), self.password.encode()) and known


class Front:
    """The HTTP side of one server."""

    def __init__(self, server: MailboxServer, account: Account) -> None:
        self.server = server
        self.account = account
        self.faults = Faults()
        self.calls = Calls()

    def application(self) -> web.Application:
        """Return the aiohttp application: EWS, and the lab's control beside it."""
        application = web.Application(middlewares=[self._authenticate], client_max_size=_BODY_BYTES_MAX)
        application[_SERVER] = self.server
        for path in _PATHS:
            application.router.add_post(path, self._post)
            application.router.add_get(path, self._get)
        application.router.add_get("/EWS/Services.wsdl", self._get)
        application.add_routes(Autodiscover(self.server, PATH).routes())
        application.add_routes(Control(self.server, self.faults, self.calls).routes())
        return application

    @web.middleware
    async def _authenticate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.account.admits(request.headers.get("Authorization", "")):
            return await handler(request)
        challenge = {"WWW-Authenticate": 'Basic realm="simulated Exchange"'}
        return web.Response(status=401, headers=challenge, text="Authentication is required.")

    async def _get(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        return web.Response(text="A simulated Exchange server: POST SOAP requests here.")

    async def _post(self, request: web.Request) -> web.StreamResponse:
        peer = request.transport.get_extra_info("peername") if request.transport is not None else None
        number, flight = self.calls.begin(peer[1] if peer else 0, self.server.clock())
        try:
            limit = self.server.switches.request_size_bytes_max
            if request.content_length is not None and request.content_length > limit:
                return web.Response(status=413, text="The request exceeds the maximum size.")
            body = await request.read()
            if len(body) > limit:
                return web.Response(status=413, text="The request exceeds the maximum size.")
            self._note_request(request, body, number, flight)
            return await self._answer(request, body, flight)
        finally:
            self.calls.end(number)

    def _note_request(self, request: web.Request, body: bytes, number: int, flight: Flight) -> None:
        """Name the request of this task for the history of what it writes."""
        if self.server.store.history is not None:
            agent, digest = request.headers.get("User-Agent", ""), hashlib.sha256(body).hexdigest()[:_DIGEST_HEX_DIGITS]
            REQUEST.set(Request(agent, number, flight.peer_port, digest))

    async def _answer(self, request: web.Request, body: bytes, flight: Flight) -> web.StreamResponse:
        try:
            header, operation = parse(body)
        except SoapFaultError as error:
            return self._fault(error)
        name = local_name(operation)
        self.calls.named(flight, name, len(body))
        plan = self.faults.plan(name, body)
        delay = plan.delay_before_seconds + self.server.switches.answer_delay_seconds
        if delay:
            await asyncio.sleep(delay)
        refusal = self._refusal(request, plan)
        if refusal is not None:
            return refusal
        try:
            call = self._call(header, operation, body, plan)
            if name == STREAMING:
                return await self._stream(request, call)
            content = await self._run(call)
        except SoapFaultError as error:
            return self._fault(error)
        if plan.delay_after_seconds:
            await asyncio.sleep(plan.delay_after_seconds)
        return await self._finish(request, call, content, plan)

    def _refusal(self, request: web.Request, plan: Plan) -> web.StreamResponse | None:
        """Answer what a fault rule refuses before anything is done, if one does."""
        if plan.drops_before:
            return _drop(request)
        if plan.status:
            # header values are Latin-1 on the wire, so that a rule may hold any of its characters
            headers = {"Retry-After": plan.retry_after} if plan.retry_after else {}
            return web.Response(status=plan.status, text="The request failed by fault injection.", headers=headers)
        if plan.fault is not None:
            return self._fault(SoapFaultError(plan.fault.code, plan.fault.text, plan.fault.values))
        return None

    def _call(self, header: etree._Element | None, operation: etree._Element, body: bytes, plan: Plan) -> Call:
        requested = header.find(f"{T}RequestServerVersion") if header is not None else None
        generation = effective(self.server.version, requested.get("Version") if requested is not None else None)
        refuse_newer(body, operation, generation)
        mailbox, impersonates = self._mailbox(header)
        if plan.halves:
            _halve(operation)
        return Call(
            self.server,
            local_name(operation),
            operation,
            mailbox,
            generation,
            impersonates,
            refused={plan.refused_part: plan.refused} if plan.refused is not None else {},
            refused_all=plan.refused_all,
            truncates_exports=plan.truncates_exports,
        )

    def _mailbox(self, header: etree._Element | None) -> tuple[Mailbox, bool]:
        sid = header.find(f"{T}ExchangeImpersonation/{T}ConnectingSID") if header is not None else None
        addresses = self.server.folders.mailboxes
        if sid is None or len(sid) == 0:
            home = addresses.get(self.account.home.lower()) or next(iter(addresses.values()), None)
            if home is None:
                raise SoapFaultError("ErrorNonExistentMailbox", "The server has no mailbox.")
            return home, False
        if local_name(sid[0]) not in {"PrimarySmtpAddress", "SmtpAddress", "PrincipalName"}:
            raise SoapFaultError(
                "ErrorImpersonateUserDenied", "Impersonation by SID is not supported here (see SKIPPED.md)."
            )
        found = self.server.directory.mailbox((sid[0].text or "").strip().lower(), addresses)
        if found is None:
            raise SoapFaultError("ErrorNonExistentMailbox", "The SMTP address has no mailbox associated with it.")
        return found, True

    async def _run(self, call: Call) -> bytes:
        handler = OPERATIONS.get(call.operation)
        if handler is None:
            raise SoapFaultError("ErrorInvalidOperation", f"{call.operation} is not simulated (see SKIPPED.md).")
        try:
            answer = handler(call)
            text = await answer if inspect.isawaitable(answer) else answer
        except EwsError as error:
            # A refusal outside any part of the batch concerns the request as a whole.
            raise SoapFaultError(error.code, error.text, error.values) from error
        except SoapFaultError:
            raise
        except Exception as error:
            _log.exception("operation failed", extra={"operation": call.operation})
            raise SoapFaultError(
                "ErrorInternalServerError", f"The simulated server failed: {type(error).__name__}."
            ) from error
        return envelope(text, self.server.version.server_version_info()).encode("utf-8", "replace")

    async def _finish(self, request: web.Request, call: Call, content: bytes, plan: Plan) -> web.StreamResponse:
        self.calls.answered(call.operation, call.parts_count, len(content))
        for change in plan.changes:
            content = change(content)
        if plan.drops_after:
            return _drop(request)
        if plan.cuts_answer:
            response = web.StreamResponse(headers={"Content-Type": _CONTENT_TYPE, "Content-Length": str(len(content))})
            await response.prepare(request)
            await response.write(content[: len(content) // 2])
            return _drop(request)
        return web.Response(body=content, headers={"Content-Type": _CONTENT_TYPE})

    async def _stream(self, request: web.Request, call: Call) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _CONTENT_TYPE})
        response.enable_chunked_encoding()
        await response.prepare(request)

        async def send(document: bytes) -> None:
            self.calls.answered(STREAMING, 1, len(document))
            await response.write(document)

        try:
            await get_streaming_events.stream(call, send)
            await response.write_eof()
        except ConnectionError:
            # The client has gone; its subscriptions stay.
            return response
        return response

    def _fault(self, error: SoapFaultError) -> web.Response:
        text = envelope(fault(error.code, error.text, error.values), self.server.version.server_version_info())
        return web.Response(status=error.status, body=text.encode(), headers={"Content-Type": _CONTENT_TYPE})


def _drop(request: web.Request) -> web.StreamResponse:
    """Cut the connection without a further byte."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _halve(operation: etree._Element) -> None:
    """Leave the first half of the parts of a batch."""
    for container in operation:
        if local_name(container) in {
            "Items",
            "ItemIds",
            "ItemChanges",
            "Attachments",
            "AttachmentIds",
            "FolderIds",
        }:
            parts = list(container)
            for part in parts[len(parts) // 2 :]:
                container.remove(part)
