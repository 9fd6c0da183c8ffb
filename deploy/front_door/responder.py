"""The Autodiscover responder: HTTPS, POX, SOAP and JSON; it knows no credentials and asks for none.

Failure: without a file of routes it answers 503 to everything but /healthz, because leading by guess would lead
a mailbox to two servers.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from aiohttp import web
from prometheus_client import CollectorRegistry

from deploy.endpoints import PortInUseError
from deploy.front_door.autodiscover_answers import Lead, activesync_answer, pox_answer, soap_answer
from deploy.front_door.autodiscover_requests import BadRequestError, read_pox, read_soap
from deploy.front_door.guide import Guide
from deploy.front_door.routes import Routes, RoutesError, RoutesFile
from deploy.front_door.sections import AutodiscoverSection
from deploy.sections import SettingsError
from schemas.metrics import FrontDoorMetrics

log = logging.getLogger(__name__)

ROUTES_HEADER = "X-Mailshadow-Routes"
REQUEST_BYTES_MAX = 64 * 1024
REQUEST_SECONDS_MAX = 10.0
RETRY_AFTER_SECONDS = 30
_STOP_SECONDS = 0.1
_CONTENT_TYPE = "text/xml"
_JSON_PROTOCOLS = {"ews": "EWS", "activesync": "ActiveSync", "autodiscoverv1": "AutodiscoverV1"}

Handler = Callable[[web.Request, Routes], Awaitable[web.Response]]


class Responder:
    """Answers clients from one copy of the routes."""

    def __init__(
        self, guide: Guide, routes: RoutesFile, metrics: FrontDoorMetrics, *, answers_itself: bool = False
    ) -> None:
        self._guide = guide
        self._routes = routes
        self._metrics = metrics
        self._answers_itself = answers_itself

    def application(self) -> web.Application:
        """Return the aiohttp application."""
        application = web.Application(client_max_size=REQUEST_BYTES_MAX)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    @property
    def is_ready(self) -> bool:
        """Whether there are routes to answer from."""
        try:
            self._routes.now()
        except RoutesError:
            return False
        return True

    async def _answer(self, request: web.Request) -> web.Response:
        # IIS does not distinguish case, so clients don't either
        handlers: dict[str, Handler] = {
            "/autodiscover/autodiscover.xml": self._pox,
            "/autodiscover/autodiscover.svc": self._soap,
            "/autodiscover/autodiscover.json": self._json,
            "/readyz": self._readyz,
        }
        path = request.path.lower()
        if path == "/healthz":
            return web.Response(text="ok\n")
        if path.startswith("/autodiscover/autodiscover.json/v1.0/"):
            path = "/autodiscover/autodiscover.json"
        handler = handlers.get(path)
        if handler is None:
            return web.Response(status=404)
        protocol = path.rpartition(".")[2]
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                answer = await handler(request, self._routes.now())
        except RoutesError:
            answer = _try_later()
        except BadRequestError:
            answer = web.Response(status=400, text="This is no Autodiscover request.")
        except TimeoutError:
            answer = web.Response(status=408)
        self._metrics.requests.labels(protocol=protocol, status=str(answer.status)).inc()
        return answer

    async def _readyz(self, _: web.Request, routes: Routes) -> web.Response:
        return web.Response(text="ok\n", headers={ROUTES_HEADER: str(routes.version)})

    async def _pox(self, request: web.Request, routes: Routes) -> web.Response:
        asked = read_pox(await request.read())
        lead = self._guide.lead(routes, asked.address)
        if lead is None:
            return _try_later()
        if asked.is_activesync and not lead.redirect_address:
            return web.Response(status=302, headers={"Location": f"{lead.redirect_url}autodiscover.xml"})
        if asked.is_activesync:
            return _xml(activesync_answer(lead))
        return _xml(pox_answer(lead, is_itself=self._is_itself(request)))

    async def _soap(self, request: web.Request, routes: Routes) -> web.Response:
        if request.method != "POST":
            return web.Response(text="POST GetUserSettings here.")
        asked = read_soap(await request.read())
        found = [self._guide.lead(routes, address) for address in asked.addresses]
        leads = [lead for lead in found if lead is not None]
        if len(leads) < len(found):
            return _try_later()
        return _xml(soap_answer(asked, leads, is_itself=self._is_itself(request)))

    async def _json(self, request: web.Request, routes: Routes) -> web.Response:
        query = {key.lower(): value for key, value in request.query.items()}
        address = query.get("email") or request.path.rpartition("/")[2]
        protocol = _JSON_PROTOCOLS.get(query.get("protocol", "").lower())
        if "@" not in address or protocol is None:
            raise BadRequestError("Email and one of the known protocols are needed")
        lead = self._guide.lead(routes, address)
        if lead is None:
            return _try_later()
        if (url := self._json_url(protocol, lead)) is not None:
            return web.json_response({"Protocol": protocol, "Url": url})
        onward = urlencode({"Email": lead.address, "Protocol": protocol})
        return web.Response(status=302, headers={"Location": f"{lead.redirect_url}autodiscover.json?{onward}"})

    def _json_url(self, protocol: str, lead: Lead) -> str | None:
        """Return the address of a protocol that is known here; None: the live server is asked."""
        if protocol == "AutodiscoverV1":
            return f"{lead.redirect_url}autodiscover.xml"
        return lead.ews_url if protocol == "EWS" and self._answers_itself else None

    def _is_itself(self, request: web.Request) -> bool:
        """Tell whether an EWS client asks and may be answered here: Outlook needs what only its server knows."""
        agent = request.headers.get("User-Agent", "")
        is_outlook = "X-MapiHttpCapability" in request.headers or "Outlook" in agent or "Microsoft Office" in agent
        return self._answers_itself and not is_outlook


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type=_CONTENT_TYPE, charset="utf-8")


def _try_later() -> web.Response:
    return web.Response(status=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}, text="Try again later.")


def tls_of(section: AutodiscoverSection) -> ssl.SSLContext:
    """Return the certificate of the responder; SettingsError where its files can't be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(section.certificate_file, section.key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"front_door.autodiscover: {section.certificate_file} and {section.key_file} can't be used "
            f"({error.strerror or error}); both must be PEM, readable, and belong together"
        ) from error
    return context


def serve(responder: Responder, section: AutodiscoverSection, stop: threading.Event) -> None:
    """Serve until `stop` is set; PortInUseError or SettingsError before anything is served."""
    asyncio.run(_serve(responder, section, tls_of(section), stop))


async def _serve(
    responder: Responder, section: AutodiscoverSection, tls: ssl.SSLContext, stop: threading.Event
) -> None:
    runner = web.AppRunner(responder.application(), access_log=None, shutdown_timeout=_STOP_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, section.listen_address, section.port, ssl_context=tls)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise PortInUseError(
            f"port {section.port} on {section.listen_address}: {error.strerror}; another process has it, "
            "or set front_door.autodiscover.port"
        ) from error
    log.info("responder serves", extra={"port": section.port})
    await asyncio.to_thread(stop.wait)
    await runner.cleanup()


def metrics_registry() -> tuple[CollectorRegistry, FrontDoorMetrics]:
    """Return a registry and what the responder counts in it."""
    registry = CollectorRegistry()
    return registry, FrontDoorMetrics(registry)
