"""What has to hold before a service starts, each failure with its own exit code and what to do."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry

from deploy import exit_codes
from deploy.exchange import BUILDS, Session
from deploy.sections import ServerSection, Settings
from deploy.throttle import Throttle
from deploy.wiring import server_settings
from schemas import ews
from schemas.faults import TransportFault
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed

_NOT_ALLOWED = {TransportFault.HTTP_UNAUTHORIZED, TransportFault.HTTP_FORBIDDEN, "ErrorImpersonateUserDenied"}
_NO_MAILBOX = {
    "ErrorNonExistentMailbox",
    "ErrorMissingInformationReferenceItemId",
    "ErrorInvalidSmtpAddress",
    "ErrorImpersonationFailed",
    "ErrorNoMailbox",
}


_AWAY = {exit_codes.SOURCE_UNREACHABLE, exit_codes.TARGET_UNREACHABLE}
AWAY_SECONDS_MAX = 10.0
AWAY_RETRY_SECONDS = 0.5


class PreflightError(Exception):
    """A server or mailbox is not as a service needs it."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of a check: what was looked at, whether it is good, and what to do if not."""

    subject: str
    is_good: bool
    text: str
    exit_code: int = exit_codes.OK
    server_time_seconds: int = 0


def check_mailbox(section: ServerSection, side: Literal["source", "target"], address: str) -> Finding:
    """Open one mailbox as the service would: reachable, let in, there."""
    session = Session(server_settings(section), Throttle(), SessionMetrics(CollectorRegistry()))
    subject = f"{side} {section.name}: {address}"
    body = (
        "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
        f"<m:FolderIds>{ews.distinguished_ref('msgfolderroot')}</m:FolderIds></m:GetFolder>"
    )
    try:
        answers = session.call("GetFolder", address, body, 1)
        message = answers.messages[0]
    except CallFailed as failure:
        return _failure(section, side, subject, failure.code, str(failure))
    finally:
        session.close()
    if not message.is_done:
        return _failure(section, side, subject, message.code, message.text)
    text = f"version {session.server_version}{_other_version(section, session.server_version)}"
    return Finding(subject=subject, is_good=True, text=text, server_time_seconds=answers.server_time_seconds)


def _other_version(section: ServerSection, found: str) -> str:
    is_as_set = found.startswith(BUILDS[section.version])
    return "" if is_as_set else f"; the settings say {section.version}: set what it is, newer forms come with it"


def _failure(section: ServerSection, side: str, subject: str, code: str, text: str) -> Finding:
    if code in _NOT_ALLOWED:
        advice = (
            f"{section.url} does not let {section.user} in ({code}): check user, password and auth of [{side}], "
            "and the role ApplicationImpersonation"
        )
        return Finding(subject=subject, is_good=False, text=advice, exit_code=exit_codes.NOT_ALLOWED)
    if code in _NO_MAILBOX:
        advice = f"there is no such mailbox, or it can't be opened ({code}): check the address in [[mailboxes]]"
        return Finding(subject=subject, is_good=False, text=advice, exit_code=exit_codes.NO_MAILBOX)
    unreachable = exit_codes.SOURCE_UNREACHABLE if side == "source" else exit_codes.TARGET_UNREACHABLE
    return Finding(
        subject=subject,
        is_good=False,
        text=f"{text} ({code}): check the url and that the server runs",
        exit_code=unreachable,
    )


def require_source(settings: Settings) -> None:
    """Raise PreflightError unless every configured source mailbox can be opened."""
    for mailbox in settings.mailboxes:
        _require(lambda address=mailbox.source: check_mailbox(settings.source, "source", address))  # type: ignore[misc]


def require_target(settings: Settings, target: str) -> None:
    """Raise PreflightError unless every configured mailbox of a target can be opened."""
    for mailbox in settings.mailboxes:
        if target in mailbox.targets:
            _require(
                lambda address=mailbox.targets[target]: check_mailbox(settings.targets[target], "target", address)  # type: ignore[misc]
            )


def _require(look: Callable[[], Finding]) -> None:
    """Raise PreflightError for a bad finding; a server that is away for a moment is waited for, as at a restart."""
    deadline = time.monotonic() + AWAY_SECONDS_MAX
    finding = look()
    while finding.exit_code in _AWAY and time.monotonic() < deadline:
        time.sleep(AWAY_RETRY_SECONDS)
        finding = look()
    if not finding.is_good:
        raise PreflightError(f"{finding.subject}: {finding.text}", finding.exit_code)
