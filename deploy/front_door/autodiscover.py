"""The Autodiscover responders as an actuator: it writes every responder's routes and waits until each goes by them.

Order: closed everywhere before led elsewhere anywhere, so no two responders ever lead a mailbox to two servers.
"""

import time
from collections.abc import Callable, Sequence

import requests
from lxml import etree

from deploy.front_door.actuator import ActuatorError, ActuatorStep, Hold, Place, Redirection, held_by_nobody
from deploy.front_door.guide import Guide
from deploy.front_door.responder import ROUTES_HEADER
from deploy.front_door.routes import Route, Routes, RoutesError, read_routes, write_routes
from deploy.front_door.sections import AutodiscoverSection
from deploy.front_door.whole_files import only_writer
from schemas import wire_values
from schemas.ews import text
from schemas.markup import parse

NAME = "front_door.autodiscover"
POLL_SECONDS = 0.05
_CLOSED = Place(server="", ews_url="", address="")
_NAMESPACE = "{http://schemas.microsoft.com/exchange/2010/Autodiscover}"


class _ResponderError(Exception):
    """A responder does not answer as it should."""


class AutodiscoverActuator:
    """Leads clients that ask Autodiscover."""

    name = NAME
    leads_all = False

    def __init__(self, section: AutodiscoverSection, guide: Guide, hold: Hold = held_by_nobody) -> None:
        """`section.route_files` are all there are, with the default filled in."""
        self._hold = hold
        self._section = section
        self._guide = guide
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.verify = str(section.ca_file) if section.ca_file else True

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Find every responder going by the routes there are, and each mailbox led to `from_place`."""
        step = ActuatorStep.CHECK
        try:
            version = self._newest().version
            self._await(version)
            for url in self._section.responders:
                for redirection in redirections:
                    self._refuse_elsewhere(url, redirection, redirection.from_place)
        except (_ResponderError, RoutesError) as error:
            raise ActuatorError(NAME, step, str(error)) from error

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Ask clients of these mailboxes to come again."""
        self._lead(ActuatorStep.CLOSE, redirections, lambda _: _CLOSED)

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Lead them to `to_place`."""
        self._lead(ActuatorStep.REDIRECT, redirections, lambda r: r.to_place)

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Ask every responder for every mailbox as a client does."""
        try:
            for url in self._section.responders:
                for redirection in redirections:
                    self._refuse_elsewhere(url, redirection, redirection.to_place)
        except _ResponderError as error:
            raise ActuatorError(NAME, ActuatorStep.CONFIRM, str(error)) from error

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Lead them back to `from_place`."""
        self._lead(ActuatorStep.UNDO, redirections, lambda r: r.from_place)

    def experience(self) -> str:
        """Return what clients will see of a redirection."""
        return (
            "clients follow when they ask Autodiscover again; Outlook asks the directory first, keeps answers and "
            "needs a new profile; a client that remembered the source's own Autodiscover asks there"
        )

    def _lead(
        self, step: ActuatorStep, redirections: Sequence[Redirection], place_of: Callable[[Redirection], Place]
    ) -> None:
        try:
            with only_writer(self._section.route_files[0]):
                changed = self._newest().changed((r.address, _route(r, place_of(r))) for r in redirections)
                for path in self._section.route_files:
                    self._hold(self._section.timeout_seconds)
                    write_routes(path, changed)
            self._await(changed.version)
        except OSError as error:
            raise ActuatorError(NAME, step, f"{error}; check the rights of the route files") from error
        except (_ResponderError, RoutesError) as error:
            raise ActuatorError(NAME, step, str(error)) from error

    def _newest(self) -> Routes:
        """Return the routes with the highest version: a step that was cut short wrote only some files."""
        return max((read_routes(path) for path in self._section.route_files), key=lambda r: r.version)

    def _await(self, version: int) -> None:
        deadline = time.monotonic() + self._section.timeout_seconds
        for url in self._section.responders:
            while (seen := self._version_of(url)) != version:
                if time.monotonic() > deadline:
                    raise _ResponderError(f"{url} goes by version {seen}, not {version}: check its route file")
                time.sleep(POLL_SECONDS)

    def _version_of(self, url: str) -> int:
        answer = self._ask("GET", f"{url.rstrip('/')}/readyz")
        written = answer.headers.get(ROUTES_HEADER, "")
        version = wire_values.whole_number(written, -1)
        if not answer.ok or version < 0:
            raise _ResponderError(f"{url} is not ready (HTTP {answer.status_code}): check its route file")
        return version

    def _refuse_elsewhere(self, url: str, redirection: Redirection, place: Place) -> None:
        answer = self._ask("POST", f"{url.rstrip('/')}/autodiscover/autodiscover.svc", _question(redirection.address))
        if not answer.ok:
            raise _ResponderError(f"{url} answers HTTP {answer.status_code} for mailbox {redirection.mailbox}")
        try:
            root = parse(answer.content)
        except etree.XMLSyntaxError as error:
            raise _ResponderError(f"{url} does not answer with XML: is it a responder of mailshadow?") from error
        found = [e.text or "" for e in root.iter(f"{_NAMESPACE}RedirectTarget", f"{_NAMESPACE}Value")]
        wanted = {
            f"{self._guide.url_of(place.server)}autodiscover.svc".lower(),
            self._guide.ews_url_of(place.server).lower(),
            place.address.lower() if place.address.lower() != redirection.address.lower() else "",
        }
        if not found or found[0].lower() not in wanted:
            raise _ResponderError(f"{url} does not lead mailbox {redirection.mailbox} to {place.server}")

    def _ask(self, method: str, url: str, body: bytes = b"") -> requests.Response:
        try:
            return self._http.request(
                method,
                url,
                data=body,
                headers={"Content-Type": "text/xml; charset=utf-8", "User-Agent": "mailshadow"},
                timeout=self._section.timeout_seconds,
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            detail = f"{url}: its certificate is not trusted; set front_door.autodiscover.ca_file or mend it"
            raise _ResponderError(detail) from error
        except requests.RequestException as error:
            detail = f"{url} does not answer ({type(error).__name__}); start it with `mailshadow front-door`"
            raise _ResponderError(detail) from error


def _route(redirection: Redirection, place: Place) -> Route:
    return Route(mailbox=redirection.mailbox, server=place.server, address=place.address)


def _question(address: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        '<s:Body><GetUserSettingsRequestMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover">'
        f"<Request><Users><User><Mailbox>{text(address)}</Mailbox></User></Users><RequestedSettings>"
        "<Setting>ExternalEwsUrl</Setting></RequestedSettings></Request></GetUserSettingsRequestMessage>"
        "</s:Body></s:Envelope>"
    ).encode()
