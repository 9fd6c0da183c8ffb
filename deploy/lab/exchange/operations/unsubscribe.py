"""Unsubscribe: a subscription closed; its streaming connection ends.

Versions: all. Behaviour: an unknown id answers ErrorSubscriptionNotFound. Skipped: nothing known.
"""

from lxml import etree

from deploy.lab.exchange.call import Call


def answer(call: Call) -> str:
    """Answer one Unsubscribe request."""

    def one(node: etree._Element) -> str:
        call.server.subscriptions.remove((node.text or "").strip())
        return ""

    return call.answer([node for node in call.request if isinstance(node.tag, str)], one)
