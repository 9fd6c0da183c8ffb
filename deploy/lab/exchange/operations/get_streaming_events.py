"""GetStreamingEvents: a connection on which the events of up to 200 subscriptions arrive as they happen.

Versions: from 2010 SP1. Behaviour: unprefixed Envelope documents one after another, at most 50 events each; a first
document says that the connection is open, a StatusEvent comes now and then, a last one closes; one unknown id fails the
whole call. Skipped: ConnectionTimeout may be 1 to 30 minutes, nothing else ends it but a closed subscription.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import MESSAGES, SOAP, TYPES, EwsError, M, element, escape
from deploy.lab.exchange.subscriptions import Subscription

_EVENTS_MAX: Final = 50
_SUBSCRIPTIONS_MAX: Final = 200
_TIMEOUT_MINUTES_MAX: Final = 30
_STATUS_SECONDS: Final = 45.0

Send = Callable[[bytes], Awaitable[None]]


def _document(call: Call, inner: str, *, error: EwsError | None = None) -> bytes:
    state = (
        "<m:ResponseCode>NoError</m:ResponseCode>"
        if error is None
        else f"<m:MessageText>{error.text}</m:MessageText><m:ResponseCode>{error.code}</m:ResponseCode>"
        "<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>"
    )
    info = call.server.version.server_version_info()
    return (
        f'<Envelope xmlns="{SOAP}"><soap11:Header xmlns:soap11="{SOAP}">{info}</soap11:Header>'
        f'<soap11:Body xmlns:soap11="{SOAP}"><m:GetStreamingEventsResponse xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f'<m:ResponseMessages><m:GetStreamingEventsResponseMessage ResponseClass="{"Error" if error else "Success"}">'
        f"{state}{inner}</m:GetStreamingEventsResponseMessage></m:ResponseMessages>"
        "</m:GetStreamingEventsResponse></soap11:Body></Envelope>"
    ).encode()


def _status(text: str) -> str:
    return f"<m:ConnectionStatus>{text}</m:ConnectionStatus>"


def _subscriptions(call: Call) -> tuple[list[Subscription], list[str]]:
    idents = [(node.text or "").strip() for node in call.children("SubscriptionIds")]
    found, unknown = [], []
    for ident in idents[:_SUBSCRIPTIONS_MAX]:
        try:
            found.append(call.server.subscriptions.find(ident))
        except EwsError:
            unknown.append(ident)
    return found, unknown + idents[_SUBSCRIPTIONS_MAX:]


async def stream(call: Call, send: Send) -> None:
    """Answer one GetStreamingEvents request until its time is over or a subscription is closed."""
    found, unknown = _subscriptions(call)
    if unknown or not found:
        error = EwsError("ErrorSubscriptionNotFound", "The subscription is not valid.")
        idents = "".join(f"<m:SubscriptionId>{escape(ident)}</m:SubscriptionId>" for ident in unknown)
        wrapped = f"<m:ErrorSubscriptionIds>{idents}</m:ErrorSubscriptionIds>" if idents else ""
        await send(_document(call, wrapped + _status("Closed"), error=error))
        return
    text = (call.request.findtext(f"{M}ConnectionTimeout") or "1").strip()
    minutes = min(max(int(text) if text.isdigit() else 1, 1), _TIMEOUT_MINUTES_MAX)
    end = time.monotonic() + 60 * minutes
    wake = asyncio.Event()
    for subscription in found:
        subscription.wake = wake
    await send(_document(call, _status("OK")))
    try:
        await _follow(call, found, wake, end, send)
    finally:
        for subscription in found:
            if subscription.wake is wake:
                subscription.wake = None
    await send(_document(call, _status("Closed")))


async def _follow(call: Call, found: list[Subscription], wake: asyncio.Event, end: float, send: Send) -> None:
    quiet_until = time.monotonic() + _STATUS_SECONDS
    while (now := time.monotonic()) < end:
        wake.clear()
        document = _next_document(call, found)
        if document is not None:
            await send(document)
            quiet_until = time.monotonic() + _STATUS_SECONDS
            continue
        if any(
            not call.server.subscriptions.has(subscription) or subscription.wake is not wake for subscription in found
        ):
            return
        if now >= quiet_until:
            quiet_until = now + _STATUS_SECONDS
            await send(_document(call, _notification(call, found[0], "")))
        try:
            await asyncio.wait_for(wake.wait(), min(end, quiet_until) - now)
        except TimeoutError:
            continue


def _notification(call: Call, subscription: Subscription, events: str) -> str:
    subscriptions = call.server.subscriptions
    watermark = subscriptions.watermark(subscription.position)
    if not events:
        events = f"<t:StatusEvent>{element('Watermark', watermark)}</t:StatusEvent>"
    inner = element("SubscriptionId", subscription.ident) + element("PreviousWatermark", watermark)
    more = element("MoreEvents", "false")
    return f"<m:Notifications><m:Notification>{inner}{more}{events}</m:Notification></m:Notifications>"


def _next_document(call: Call, found: list[Subscription]) -> bytes | None:
    """Return the next waiting events of one subscription, at most 50, or None where nothing waits."""
    for subscription in found:
        waiting = subscription.waiting
        if not waiting:
            continue
        page = [waiting.popleft() for _ in range(min(len(waiting), _EVENTS_MAX))]
        events = "".join(call.server.subscriptions.event_xml(*entry) for entry in page)
        return _document(call, _notification(call, subscription, events))
    return None
