"""Streaming notifications over EWS (MS-OXWSNTIF): documents one after another on a hanging connection."""

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import requests
from lxml import etree

from producers.doorbell import Notification
from schemas import markup
from schemas.ews import M, T, child_text
from schemas.faults import TransportFault, fault_of_status
from schemas.ports import AnswerUnknown, CallFailed, CallRefused, Element, EwsSession

CONNECTION_TIMEOUT_MINUTES = 10
READ_TIMEOUT_SECONDS = 90.0
DOCUMENT_SIZE_BYTES_MAX = 10_000_000
_END = b"Envelope>"
_EVENTS = ("NewMailEvent", "CreatedEvent", "ModifiedEvent", "MovedEvent", "CopiedEvent", "DeletedEvent")


class StreamSession(EwsSession, Protocol):
    """A session that can also hold a connection open."""

    def open_stream(self, mailbox: str, body: str, read_timeout_seconds: float) -> requests.Response:
        """POST and return the response unread."""
        ...


class ExchangeNotifier:
    """Subscribes to all folders of mailboxes and listens; `close` may be called by another thread."""

    def __init__(self, session: StreamSession) -> None:
        self._session = session
        self._response: requests.Response | None = None

    def subscribe(self, address: str) -> str:
        """Return the id of a fresh streaming subscription to a mailbox."""
        events = "".join(f"<t:EventType>{e}</t:EventType>" for e in _EVENTS)
        body = (
            '<m:Subscribe><m:StreamingSubscriptionRequest SubscribeToAllFolders="true">'
            f"<t:EventTypes>{events}</t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>"
        )
        message = self._session.call("Subscribe", address, body, 1).messages[0]
        subscription = child_text(message.element, f"{M}SubscriptionId")
        if not message.is_done or not subscription:
            raise CallRefused(message.code, message.text)
        return subscription

    def listen(self, address: str, subscriptions: list[str]) -> Iterator[list[Notification]]:
        """Yield the notifications of each document; ends when the server ends the connection."""
        ids = "".join(f"<t:SubscriptionId>{s}</t:SubscriptionId>" for s in subscriptions)
        body = (
            f"<m:GetStreamingEvents><m:SubscriptionIds>{ids}</m:SubscriptionIds>"
            f"<m:ConnectionTimeout>{CONNECTION_TIMEOUT_MINUTES}</m:ConnectionTimeout></m:GetStreamingEvents>"
        )
        try:
            with self._session.open_stream(address, body, READ_TIMEOUT_SECONDS) as response:
                self._response = response
                _check(response)
                for document in _documents(response.raw):
                    yield _notifications(document)
        except CallFailed:
            raise
        except (requests.RequestException, OSError, AttributeError, ValueError) as error:
            # a connection closed by another thread ends in any of these
            raise AnswerUnknown(TransportFault.RESET, "the streaming connection broke") from error
        except Exception as error:
            if type(error).__module__.startswith(("urllib3", "http")):
                raise AnswerUnknown(TransportFault.RESET, "the streaming connection broke") from error
            raise
        finally:
            self._response = None

    def close(self) -> None:
        """Break the hanging connection, if there is one."""
        if response := self._response:
            # close() would wait for the very read it is to break
            with contextlib.suppress(OSError, RuntimeError, ValueError):
                response.raw.shutdown()


def _check(response: requests.Response) -> None:
    if not response.ok:
        raise CallRefused(fault_of_status(response.status_code), "GetStreamingEvents was refused")


def _documents(raw: Any) -> Iterator[Element]:
    buffer = b""
    for chunk in raw.stream(65536, decode_content=True):
        buffer += chunk
        while (cut := _document_end(buffer)) > 0:
            yield _parsed(buffer[:cut])
            buffer = buffer[cut:].lstrip()
        if len(buffer) > DOCUMENT_SIZE_BYTES_MAX:
            raise AnswerUnknown(TransportFault.MALFORMED_ANSWER, "a streaming document has no end")


def _parsed(document: bytes) -> Element:
    try:
        return markup.parse_answer(document)
    except etree.XMLSyntaxError as error:
        raise AnswerUnknown(TransportFault.MALFORMED_ANSWER, "a streaming document is not whole XML") from error


def _document_end(buffer: bytes) -> int:
    """Return the offset after the closing tag of the first envelope, prefixed or not; -1 if not there yet."""
    start = 0
    while (found := buffer.find(_END, start)) >= 0:
        opening = buffer.rfind(b"<", 0, found)
        if buffer[opening : opening + 2] == b"</":
            return found + len(_END)
        start = found + len(_END)
    return -1


def _notifications(document: Element) -> list[Notification]:
    heard = []
    for message in document.iter(f"{M}GetStreamingEventsResponseMessage"):
        code = message.findtext(f"{M}ResponseCode")
        if code and code != "NoError":
            raise CallRefused(str(code), "GetStreamingEvents was refused")
        for notification in message.iter(f"{M}Notification"):
            subscription = child_text(notification, f"{T}SubscriptionId")
            heard += [_notification(subscription, e) for e in notification if e.tag.endswith("Event")]
    return heard


def _notification(subscription: str, event: Element) -> Notification:
    paths = ("ParentFolderId", "OldParentFolderId", "FolderId")
    ids = {str(e.get("Id")) for p in paths for e in event.iterfind(f"{T}{p}")}
    return Notification(subscription, frozenset(ids), event.find(f"{T}FolderId") is not None)
