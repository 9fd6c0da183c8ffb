"""The front door of a rehearsal: the project's own Autodiscover responder, on 127.0.0.1, and a client that asks it.

No actuator of the settings has any part in it. The responder, its routes, and the actuator that writes them are the
real ones; the certificate is made for the hour. The client walks the way a user's client does: it asks Autodiscover by
the address a person knows, follows what it is told, and opens the inbox at the server and the address it is led to.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import requests
from lxml import etree
from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.front_door.actuator import ActuatorError, ActuatorStep, Redirection
from deploy.front_door.configured import autodiscover_section
from deploy.front_door.guide import Guide
from deploy.front_door.responder import Responder, metrics_registry, serve
from deploy.front_door.routes import Routes, RoutesFile, write_routes
from deploy.lab.broker.ports import choose_port, is_answered
from deploy.lab.certificates import Authority
from deploy.rehearsal.pipeline import Place, with_front_door
from deploy.sections import Settings, SettingsError
from deploy.throttle import Throttle
from schemas import ews, wire_values
from schemas.ews import T, child_text
from schemas.markup import parse
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed

NAME = "rehearsal.client"
START_SECONDS_MAX = 10.0
ASK_SECONDS_MAX = 10.0
_AUTODISCOVER = "http://schemas.microsoft.com/exchange/2010/Autodiscover"
_ASKED = ("ExternalEwsUrl", "AutoDiscoverSMTPAddress")
_INBOX = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>"
    f"<m:FolderIds>{ews.distinguished_ref('inbox')}</m:FolderIds></m:GetFolder>"
)


@contextmanager
def private_door(settings: Settings, place: Place) -> Iterator[Settings]:
    """Serve Autodiscover for the rehearsal while the block lasts; gives the settings with it."""
    authority = Authority(place.work / "certificates", "mailshadow rehearsal")
    pair_file = authority.issue("front-door")
    pair_file.chmod(0o600)
    port = choose_port(random.Random())  # noqa: S311 - no secret: any free port does
    found = with_front_door(settings, place, port, authority.ca_file, pair_file)
    section = autodiscover_section(found)
    if section is None:
        raise SettingsError("rehearsal: its front door has no settings")
    write_routes(section.route_files[0], Routes(version=1, by_address={}))
    _, metrics = metrics_registry()
    responder = Responder(Guide(found, section), RoutesFile(section.route_files[0]), metrics, answers_itself=True)
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(responder, section, stop), name="rehearsal-door", daemon=True)
    thread.start()
    try:
        _await_answer(port, thread)
        yield found
    finally:
        stop.set()
        thread.join(START_SECONDS_MAX)


def _await_answer(port: int, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not is_answered(port):
        if time.monotonic() > deadline or not thread.is_alive():
            raise ActuatorError(NAME, ActuatorStep.CHECK, f"the rehearsal's responder does not answer on port {port}")
        time.sleep(0.02)


class RehearsedClient:
    """An actuator that leads nobody: it confirms as a client, and notes when the first one was let in."""

    name = NAME
    leads_all = False

    def __init__(self, responder_url: str, ca_file: Path | None, servers: dict[str, ServerSettings]) -> None:
        """`servers` by their names: a client's request is made with the account of the server it is led to."""
        self._url = responder_url
        self._ca_file = ca_file
        self._servers = servers
        self.first_at: float | None = None
        self.served: dict[str, int] = {}

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass: the source is not asked."""

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass: this one leads nobody."""

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass, as `close`."""

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Open every inbox by the way a client is led; ActuatorError where one can't be."""
        for redirection in redirections:
            self.served[redirection.mailbox] = self._open_inbox(redirection)
            self.first_at = self.first_at or time.monotonic()

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass, as `close`."""

    def experience(self) -> str:
        """Return what clients will see of it."""
        return "nothing: it is a rehearsal"

    def _open_inbox(self, redirection: Redirection) -> int:
        """Return how many items the inbox holds that Autodiscover leads to."""
        url, address = self._led_to(redirection)
        place = redirection.to_place
        if (url.casefold(), address.casefold()) != (place.ews_url.casefold(), place.address.casefold()):
            raise self._failure(redirection, f"is led elsewhere than to {place.server}")
        server = replace(self._servers[place.server], url=url)
        with closing(Session(server, Throttle(), SessionMetrics(CollectorRegistry()))) as session:
            try:
                message = session.call("GetFolder", address, _INBOX, 1).messages[0]
            except CallFailed as failure:
                raise self._failure(redirection, f"can't open its inbox ({failure.code})") from failure
        count = next(message.element.iter(f"{T}TotalCount"), None) if message.element is not None else None
        if not message.is_done or count is None:
            raise self._failure(redirection, f"can't open its inbox ({message.code})")
        return wire_values.count(count.text or "")

    def _led_to(self, redirection: Redirection) -> tuple[str, str]:
        """Return the EWS url and the address that Autodiscover gives for the address a person knows."""
        with requests.Session() as http:
            http.trust_env = False
            try:
                answer = http.post(
                    f"{self._url}/autodiscover/autodiscover.svc",
                    data=_question(redirection.address),
                    headers={"Content-Type": "text/xml; charset=utf-8", "User-Agent": "mailshadow-rehearsal"},
                    verify=str(self._ca_file) if self._ca_file else True,
                    timeout=ASK_SECONDS_MAX,
                    allow_redirects=False,
                )
                found = _settings_in(answer.content) if answer.ok else {}
            except (requests.RequestException, etree.XMLSyntaxError) as error:
                raise self._failure(redirection, f"is not answered ({type(error).__name__})") from error
        if len(found) < len(_ASKED):
            raise self._failure(redirection, f"is told no server (HTTP {answer.status_code})")
        return found["ExternalEwsUrl"], found["AutoDiscoverSMTPAddress"]

    def _failure(self, redirection: Redirection, text: str) -> ActuatorError:
        return ActuatorError(NAME, ActuatorStep.CONFIRM, f"a client of mailbox {redirection.mailbox} {text}")


def _question(address: str) -> bytes:
    """Return a client's GetUserSettings (MS-OXWSADISC)."""
    asked = "".join(f"<Setting>{name}</Setting>" for name in _ASKED)
    return (
        '<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/">'
        f'<s:Body><GetUserSettingsRequestMessage xmlns="{_AUTODISCOVER}">'
        f"<Request><Users><User><Mailbox>{ews.text(address)}</Mailbox></User></Users><RequestedSettings>"
        f"{asked}</RequestedSettings></Request></GetUserSettingsRequestMessage></s:Body></s:Envelope>"
    ).encode()


def _settings_in(answer: bytes) -> dict[str, str]:
    namespace = f"{{{_AUTODISCOVER}}}"
    return {
        child_text(e, f"{namespace}Name"): child_text(e, f"{namespace}Value")
        for e in parse(answer).iter(f"{namespace}UserSetting")
    }
