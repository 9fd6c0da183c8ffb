"""Proof of mail flow: a real message, given in where the world does, is looked for in the mailbox at the target.

It is known by its Message-ID and removed again (recoverably) once it has been seen.
"""

import dataclasses
import secrets
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import formatdate

from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.front_door.actuator import ActuatorError, ActuatorStep, Redirection
from deploy.front_door.sections import SmtpSection
from deploy.throttle import Throttle
from schemas import ews
from schemas.ews import T
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed

NAME = "front_door.smtp"
POLL_SECONDS = 0.5
SUBJECT = "Test of mail flow; nothing to do"


class SmtpConfirmation:
    """Leads nobody; finds out where new mail goes."""

    name = NAME
    leads_all = False

    def __init__(
        self,
        section: SmtpSection,
        servers: dict[str, ServerSettings],
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._section = section
        self._servers = servers
        self._sleep = sleep
        self._monotonic = monotonic

    def check(self, redirections: Sequence[Redirection]) -> None:
        """Find that the entry takes mail for these recipients; no message is given in."""
        self._with_entry(ActuatorStep.CHECK, redirections, self._refuse_recipient)

    def close(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass: this one leads nobody."""

    def redirect(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass, as `close`."""

    def confirm(self, redirections: Sequence[Redirection]) -> None:
        """Send a message to each mailbox, or to evenly chosen `messages_max` of many, and see it at `to_place`."""
        sent: list[tuple[Redirection, str]] = []

        def send(entry: smtplib.SMTP, redirection: Redirection) -> None:
            ident = f"<{secrets.token_hex(16)}@{self._section.sender.rpartition('@')[2]}>"
            message = EmailMessage()
            message["From"], message["To"] = self._section.sender, redirection.address
            message["Subject"], message["Message-ID"], message["Date"] = SUBJECT, ident, formatdate()
            message["Auto-Submitted"] = "auto-generated"
            message.set_content("mailshadow tests where new mail goes and removes this message when it has seen it.\n")
            entry.send_message(message)
            sent.append((redirection, ident))

        self._with_entry(ActuatorStep.CONFIRM, redirections, send)
        deadline = self._monotonic() + self._section.timeout_seconds
        for redirection, ident in sent:
            self._await_message(redirection, ident, deadline)

    def undo(self, redirections: Sequence[Redirection]) -> None:
        """Let it pass, as `close`."""

    def experience(self) -> str:
        """Return what clients will see of it."""
        return f"a message named {SUBJECT!r} may be seen for some seconds, and lies in Recoverable Items afterwards"

    # -- giving in -----------------------------------------------------------------------------------------

    def _with_entry(
        self,
        step: ActuatorStep,
        redirections: Sequence[Redirection],
        act: Callable[[smtplib.SMTP, Redirection], None],
    ) -> None:
        if not redirections:
            return
        section = self._section
        try:
            with smtplib.SMTP(section.host, section.port, timeout=section.timeout_seconds) as entry:
                if section.is_encrypted:
                    entry.starttls(context=ssl.create_default_context(cafile=section.ca_file))
                for redirection in chosen(redirections, section.messages_max):
                    act(entry, redirection)
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            detail = f"{section.host} refuses a recipient ({', '.join(map(str, codes))}): see its accepted domains"
            raise ActuatorError(NAME, step, detail) from error
        except (smtplib.SMTPException, OSError) as error:
            detail = f"{section.host} port {section.port} takes no mail ({type(error).__name__}): see its log"
            raise ActuatorError(NAME, step, detail) from error

    def _refuse_recipient(self, entry: smtplib.SMTP, redirection: Redirection) -> None:
        entry.ehlo_or_helo_if_needed()
        for code, answer in (entry.mail(self._section.sender), entry.rcpt(redirection.address)):
            if code not in {250, 251}:
                raise smtplib.SMTPRecipientsRefused({redirection.mailbox: (code, answer)})
        entry.rset()

    # -- looking -------------------------------------------------------------------------------------------

    def _await_message(self, redirection: Redirection, ident: str, deadline: float) -> None:
        place, step = redirection.to_place, ActuatorStep.CONFIRM
        server = self._servers.get(place.server)
        if server is None:
            raise ActuatorError(NAME, step, f"{place.server} is no server of the settings")
        settings = dataclasses.replace(server, url=place.ews_url)
        session = Session(settings, Throttle(), SessionMetrics(CollectorRegistry()))
        try:
            while (item := _found(session, place.address, ident)) is None:
                if self._monotonic() > deadline:
                    detail = f"the message to mailbox {redirection.mailbox} did not arrive at {place.server}"
                    advice = "new mail goes elsewhere: look at recipients, connectors and queues, then confirm again"
                    raise ActuatorError(NAME, step, f"{detail} in {self._section.timeout_seconds:g} s; {advice}")
                self._sleep(POLL_SECONDS)
            _remove(session, place.address, item)
        except CallFailed as failure:
            detail = f"{place.server} can't be searched for mailbox {redirection.mailbox} ({failure.code})"
            raise ActuatorError(NAME, step, f"{detail}; look at that server first") from failure
        finally:
            session.close()


def chosen(redirections: Sequence[Redirection], count_max: int) -> list[Redirection]:
    """Return at most so many of them, spread evenly."""
    if len(redirections) <= count_max:
        return list(redirections)
    return [redirections[n * len(redirections) // count_max] for n in range(count_max)]


def _found(session: Session, address: str, ident: str) -> str | None:
    body = (
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>'
        '<m:IndexedPageItemView MaxEntriesReturned="1" Offset="0" BasePoint="Beginning"/>'
        '<m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="message:InternetMessageId"/><t:FieldURIOrConstant>'
        f"<t:Constant Value={ews.quoted(ident)}/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction>"
        f"<m:ParentFolderIds>{ews.distinguished_ref('inbox')}</m:ParentFolderIds></m:FindItem>"
    )
    message = session.call("FindItem", address, body, 1).messages[0]
    found = next(message.element.iter(f"{T}ItemId"), None) if message.element is not None else None
    return None if found is None else found.get("Id")


def _remove(session: Session, address: str, item: str) -> None:
    """Remove the test message; one that a rule or a user took away first is no failure."""
    body = (
        f'<m:DeleteItem DeleteType="SoftDelete"><m:ItemIds><t:ItemId Id={ews.quoted(item)}/></m:ItemIds></m:DeleteItem>'
    )
    session.call("DeleteItem", address, body, 1)
