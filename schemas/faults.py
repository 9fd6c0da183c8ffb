"""What went wrong, and who must act: one table for every EWS response code and every transport fault."""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib import resources
from types import MappingProxyType
from typing import Any


class Disposition(StrEnum):
    """Who must act on a fault."""

    RETRY = "retry"  # time heals it: try again, with back-off
    THROTTLE = "throttle"  # the server asks for less: stop every request to it until that ends
    PARK = "park"  # somebody must look at this item; the rest goes on
    PAUSE = "pause"  # the mailbox's administrator must act; other mailboxes go on
    HALT = "halt"  # this server's administrator or we must act, once it lasts (`schemas.refusals`)


class Outlook(StrEnum):
    """Whether waiting can heal what a fault keeps from an item."""

    FINAL = "final"  # the same item meets the same answer until somebody changes the item, the settings or their mind
    PASSING = "passing"  # time, or a change elsewhere, may heal it


class TransportFault(StrEnum):
    """What can go wrong before there is a response code."""

    CONNECTION_REFUSED = "connection-refused"  # nothing was sent, nor for an unresolved name
    TLS_FAILED = "tls-failed"  # certificate or protocol not accepted
    RESET = "reset"  # the connection ended after the request was sent
    TIMED_OUT = "timed-out"  # no answer, or not all of it, within the limit
    SHORT_ANSWER = "short-answer"  # fewer bytes, or fewer results, than promised
    MALFORMED_ANSWER = "malformed-answer"  # not XML, or not SOAP: often a proxy's page
    HTTP_REDIRECTED = "http-redirected"  # 3xx: credentials must not follow
    HTTP_BAD_REQUEST = "http-bad-request"  # any other 4xx: the same request would fail again
    HTTP_UNAUTHORIZED = "http-unauthorized"  # 401, 407, Exchange's 440 (login time-out), 456, 457
    HTTP_FORBIDDEN = "http-forbidden"  # 403
    HTTP_REQUEST_TIMED_OUT = "http-request-timed-out"  # 408: the server gave up reading
    HTTP_TOO_LARGE = "http-too-large"  # 413
    HTTP_TOO_MANY = "http-too-many"  # 429
    HTTP_SERVER_FAILED = "http-server-failed"  # 5xx but 503, without a SOAP fault
    HTTP_UNAVAILABLE = "http-unavailable"  # 503, also Exchange's answer to too much load


class ReplicationFault(StrEnum):
    """What can go wrong between the servers, in words of our own."""

    SOURCE_WENT_BACK = "source-went-back"  # a folder is older than when it was last read
    ENDLESS_ANSWER = "endless-answer"  # page after page names nothing new, and none is the last
    ANSWER_MIXED = "answer-mixed"  # an answer is about another item than the one that was asked for
    FOLDER_UNKNOWN = "folder-unknown"  # a change names a folder that the log never did
    INTENT_DAMAGED = "intent-damaged"  # a recorded intent says too little to be carried out
    NOT_REGISTERED = "not-registered"  # the log has changes of a mailbox that has no address here
    TRUNCATED_STREAM = "truncated-stream"  # an export stream that is not whole; may heal after hours
    CHANGED_MEANWHILE = "changed-meanwhile"  # an item was written between its description and its content
    NO_MIME = "no-mime"  # the source gave no MIME for a message
    NO_PORTABLE_FORM = "no-portable-form"  # nothing was carried of which an item of this class could be made
    NO_USABLE_FORM = "no-usable-form"  # the log holds no whole body in a form the target takes
    NEVER_PLACED = "never-placed"  # staged again and again, and never to be moved to its place
    DELETION_BREAKER = "deletion-breaker"  # so many deletions that somebody has to say they are meant
    DEAD_LETTER_LIMIT = "dead-letter-limit"  # so many parked that the cause is not in the items
    GONE_AT_TARGET = "gone-at-target"  # missing at the target when the barrier was applied: somebody took it away
    SKIPPED = "skipped-by-operator"  # a held change that an operator did not let through
    REFUSED_ALONE = "refused-alone"  # the server takes every request but the one with this item
    AMBIGUOUS_STAMP = "ambiguous-stamp"  # several items carry one stamp: never adopted blindly


_REPLICATION: dict[str, Disposition] = {
    ReplicationFault.SOURCE_WENT_BACK: Disposition.PAUSE,
    ReplicationFault.ENDLESS_ANSWER: Disposition.RETRY,
    ReplicationFault.ANSWER_MIXED: Disposition.RETRY,
    ReplicationFault.FOLDER_UNKNOWN: Disposition.PAUSE,
    ReplicationFault.INTENT_DAMAGED: Disposition.PAUSE,
    ReplicationFault.NOT_REGISTERED: Disposition.PAUSE,
    ReplicationFault.TRUNCATED_STREAM: Disposition.RETRY,
    ReplicationFault.CHANGED_MEANWHILE: Disposition.RETRY,
    ReplicationFault.NO_MIME: Disposition.PARK,
    ReplicationFault.NO_PORTABLE_FORM: Disposition.PARK,
    ReplicationFault.NO_USABLE_FORM: Disposition.PARK,
    ReplicationFault.NEVER_PLACED: Disposition.PARK,
    ReplicationFault.DELETION_BREAKER: Disposition.PAUSE,
    ReplicationFault.DEAD_LETTER_LIMIT: Disposition.PAUSE,
    ReplicationFault.GONE_AT_TARGET: Disposition.PARK,
    ReplicationFault.SKIPPED: Disposition.PARK,
    ReplicationFault.REFUSED_ALONE: Disposition.PARK,
    ReplicationFault.AMBIGUOUS_STAMP: Disposition.PARK,
}

_FINAL: frozenset[str] = frozenset(
    {
        TransportFault.HTTP_TOO_LARGE,
        ReplicationFault.NO_MIME,
        ReplicationFault.NO_PORTABLE_FORM,
        ReplicationFault.NO_USABLE_FORM,
        ReplicationFault.NEVER_PLACED,
        ReplicationFault.SKIPPED,
        ReplicationFault.AMBIGUOUS_STAMP,
    }
)
"""Of the faults that are no response code; `refused-alone` passes: a network may cut one large request for a while."""

_TRANSPORT: dict[str, Disposition] = {
    TransportFault.CONNECTION_REFUSED: Disposition.RETRY,
    TransportFault.TLS_FAILED: Disposition.HALT,
    TransportFault.RESET: Disposition.RETRY,
    TransportFault.TIMED_OUT: Disposition.RETRY,
    TransportFault.SHORT_ANSWER: Disposition.RETRY,
    TransportFault.MALFORMED_ANSWER: Disposition.RETRY,
    TransportFault.HTTP_REDIRECTED: Disposition.HALT,
    TransportFault.HTTP_BAD_REQUEST: Disposition.HALT,
    TransportFault.HTTP_UNAUTHORIZED: Disposition.HALT,
    TransportFault.HTTP_FORBIDDEN: Disposition.HALT,
    TransportFault.HTTP_REQUEST_TIMED_OUT: Disposition.RETRY,
    TransportFault.HTTP_TOO_LARGE: Disposition.PARK,
    TransportFault.HTTP_TOO_MANY: Disposition.THROTTLE,
    TransportFault.HTTP_SERVER_FAILED: Disposition.RETRY,
    TransportFault.HTTP_UNAVAILABLE: Disposition.THROTTLE,
}

OUTCOME_UNKNOWN = frozenset(
    {
        TransportFault.RESET,
        TransportFault.TIMED_OUT,
        TransportFault.SHORT_ANSWER,
        TransportFault.MALFORMED_ANSWER,
        TransportFault.HTTP_SERVER_FAILED,
        TransportFault.HTTP_UNAVAILABLE,  # a proxy in front of a server that went on may say it
    }
)
"""Faults after which a write may or may not have happened: look before writing again."""

_HTTP: Mapping[int, TransportFault] = {
    401: TransportFault.HTTP_UNAUTHORIZED,
    403: TransportFault.HTTP_FORBIDDEN,
    407: TransportFault.HTTP_UNAUTHORIZED,
    408: TransportFault.HTTP_REQUEST_TIMED_OUT,
    413: TransportFault.HTTP_TOO_LARGE,
    429: TransportFault.HTTP_TOO_MANY,
    440: TransportFault.HTTP_UNAUTHORIZED,
    456: TransportFault.HTTP_UNAUTHORIZED,
    457: TransportFault.HTTP_UNAUTHORIZED,
    503: TransportFault.HTTP_UNAVAILABLE,
}


def _read_groups() -> list[dict[str, Any]]:
    text = resources.files(__package__).joinpath("response_codes.toml").read_text(encoding="utf-8")
    groups: list[dict[str, Any]] = tomllib.loads(text)["group"]
    return groups


_GROUPS = _read_groups()

DISPOSITIONS: Mapping[str, Disposition] = MappingProxyType(
    {code: Disposition(group["disposition"]) for group in _GROUPS for code in group["codes"].split()}
    | _TRANSPORT
    | _REPLICATION
)
"""The whole table, keyed by EWS ResponseCode (`response_codes.toml`), TransportFault and ReplicationFault."""

OUTLOOKS: Mapping[str, Outlook] = MappingProxyType(
    {code: Outlook(group["outlook"]) for group in _GROUPS for code in group["codes"].split()}
    | {code: Outlook.FINAL if code in _FINAL else Outlook.PASSING for code in (*_TRANSPORT, *_REPLICATION)}
)
"""For every code of the table whether waiting can heal it."""


def _named(name: str) -> frozenset[str]:
    return frozenset(code for group in _GROUPS if group.get("name") == name for code in group["codes"].split())


GONE = _named("gone")
"""What was named is not there any more, or not as it was named: look, and decide anew."""

STALE = _named("stale")
"""Somebody wrote in between: read the current state, and decide anew."""

CURSOR_LOST = _named("cursor_lost")
"""The server does not know a folder's sync state: read that folder from the start."""

SUBSCRIPTION_LOST = _named("subscription_lost")
"""A subscription ended or lost its place: subscribe again and probe every folder."""


def disposition_of(code: str) -> Disposition:
    """Say who must act on any code of the table; one that is unknown halts."""
    return DISPOSITIONS.get(code, Disposition.HALT)


def is_final(code: str) -> bool:
    """Tell whether asking again for the same item can't succeed by itself; of an unknown code it is not known."""
    return OUTLOOKS.get(code) is Outlook.FINAL


def fault_of_status(status: int) -> TransportFault:
    """Name the fault of an HTTP status that is not a success and came without a SOAP fault (RFC 9110 §15).

    Raises ValueError for a status below 300.
    """
    if status < 300:  # noqa: PLR2004 - RFC 9110: 2xx is success
        raise ValueError(f"HTTP status {status} is not a fault.")
    if status in _HTTP:
        return _HTTP[status]
    if status < 400:  # noqa: PLR2004 - RFC 9110: 3xx is redirection
        return TransportFault.HTTP_REDIRECTED
    if status < 500:  # noqa: PLR2004 - RFC 9110: 4xx is the client's error
        return TransportFault.HTTP_BAD_REQUEST
    return TransportFault.HTTP_SERVER_FAILED
