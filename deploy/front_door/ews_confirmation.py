"""Proof by a client's own request: GetFolder through the front door answers with the inbox of the right server.

Folder ids differ from server to server, so the id that comes through the front door says who answered.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.front_door.actuator import ActuatorError, ActuatorStep, Place, Redirection
from deploy.throttle import Throttle
from schemas import ews
from schemas.ews import T
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed

NAME = "front_door.ews_url"
_INBOX = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    f"<m:FolderIds>{ews.distinguished_ref('inbox')}</m:FolderIds></m:GetFolder>"
)


class InboxError(Exception):
    """An inbox could not be opened; `code` is the server's or says what broke."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class EwsConfirmation:
    """Leads nobody; finds by EWS where clients with a fixed address are led."""

    name = NAME
    leads_all = False

    def __init__(self, ews_url: str, ca_file: Path | None, servers: dict[str, ServerSettings]) -> None:
        """`servers` by their names in the settings: their accounts are used through the front door too."""
        self._ews_url = ews_url
        self._ca_file = ca_file
        self._servers = servers

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Find every mailbox at `from_place` where that server answers; a dead one can't be asked."""
        for redirection in redirections:
            server = self._server(redirection.from_place, ActuatorStep.CHECK)
            try:
                direct = _inbox(server, redirection.from_place.address)
            except InboxError:
                continue
            self._refuse_other(ActuatorStep.CHECK, redirection, redirection.from_place, direct)

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass: this one leads nobody."""

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass, as `close`."""

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Find every mailbox at `to_place`."""
        step = ActuatorStep.CONFIRM
        for redirection in redirections:
            place = redirection.to_place
            try:
                direct = _inbox(self._server(place, step), place.address)
            except InboxError as error:
                detail = f"{place.server} itself does not open mailbox {redirection.mailbox} ({error.code})"
                raise ActuatorError(NAME, step, f"{detail}; look at that server first") from error
            self._refuse_other(step, redirection, place, direct)

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass, as `close`."""

    def experience(self) -> str:
        """Return what clients will see of it."""
        return "nothing; requests of EWS clients with a fixed address are made through the front door to prove the way"

    def _refuse_other(self, step: ActuatorStep, redirection: Redirection, place: Place, direct: str) -> None:
        server = self._server(place, step)
        # the oldest version: whichever server answers by mistake has to understand the question
        front = dataclasses.replace(
            server,
            url=self._ews_url,
            tls=dataclasses.replace(server.tls, ca_file=self._ca_file or server.tls.ca_file),
            anchor=redirection.address,
            version="2010_SP1",
        )
        try:
            found = _inbox(front, place.address)
        except InboxError as error:
            detail = f"{self._ews_url} does not open mailbox {redirection.mailbox} ({error.code}: {error.text})"
            raise ActuatorError(NAME, step, f"{detail}; it is not led to {place.server}, or that refuses it") from error
        if found != direct:
            detail = f"another server than {place.server} answers for mailbox {redirection.mailbox}"
            raise ActuatorError(NAME, step, f"{detail} at {self._ews_url}: look at what leads it there")

    def _server(self, place: Place, step: ActuatorStep) -> ServerSettings:
        server = self._servers.get(place.server)
        if server is None:
            raise ActuatorError(NAME, step, f"{place.server} is no server of the settings")
        return dataclasses.replace(server, url=place.ews_url)


def _inbox(server: ServerSettings, address: str) -> str:
    """Return the id of a mailbox's inbox; InboxError where it can't be had."""
    session = Session(server, Throttle(), SessionMetrics(CollectorRegistry()))
    try:
        message = session.call("GetFolder", address, _INBOX, 1).messages[0]
    except CallFailed as failure:
        raise InboxError(failure.code, str(failure)) from failure
    finally:
        session.close()
    folder = next(message.element.iter(f"{T}FolderId"), None) if message.element is not None else None
    if not message.is_done or folder is None:
        raise InboxError(message.code, message.text)
    return folder.get("Id") or ""
