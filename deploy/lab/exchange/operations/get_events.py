"""GetEvents: the events of a pull subscription after a watermark.

Versions: all. Behaviour: events up to the given watermark are forgotten, so an older one answers
ErrorInvalidWatermark; a StatusEvent where nothing happened. Skipped: subscriptions never expire.
"""

from typing import Final

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import EwsError, M, element

_EVENTS_MAX: Final = 50


def answer(call: Call) -> str:
    """Answer one GetEvents request."""

    def one(node: etree._Element) -> str:  # noqa: ARG001 - one request is one part
        subscriptions = call.server.subscriptions
        found = subscriptions.find((call.request.findtext(f"{M}SubscriptionId") or "").strip())
        if found.streaming:
            raise EwsError("ErrorInvalidPullSubscriptionId", "The subscription is not one for GetEvents.")
        watermark = (call.request.findtext(f"{M}Watermark") or "").strip()
        position = subscriptions.position(watermark)
        if found.missed:
            raise EwsError("ErrorMissedNotificationEvents", "Events of the subscription were lost; subscribe afresh.")
        oldest = found.waiting[0][0] - 1 if found.waiting else found.position
        if not oldest <= position <= found.position:
            raise EwsError("ErrorInvalidWatermark", "The watermark is not one of this subscription.")
        while found.waiting and found.waiting[0][0] <= position:
            found.waiting.popleft()
        page = list(found.waiting)[:_EVENTS_MAX]
        events = "".join(subscriptions.event_xml(*entry) for entry in page)
        if not events:
            events = f"<t:StatusEvent>{element('Watermark', watermark)}</t:StatusEvent>"
        more = "true" if len(found.waiting) > len(page) else "false"
        return (
            f"<m:Notification>{element('SubscriptionId', found.ident)}{element('PreviousWatermark', watermark)}"
            f"{element('MoreEvents', more)}{events}</m:Notification>"
        )

    return call.answer([call.request], one)
