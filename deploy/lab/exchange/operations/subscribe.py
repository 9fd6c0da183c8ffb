"""Subscribe: pull and streaming subscriptions to folders or to everything.

Versions: pull all, streaming and SubscribeToAllFolders from 2010 SP1. Behaviour: subscriptions die with the server; at
most `subscriptions_max` of them. Skipped: push subscriptions; old watermarks are not replayed.
"""

from lxml import etree

from deploy.lab.exchange.call import Call
from deploy.lab.exchange.soap import EwsError, T, local_name


def answer(call: Call) -> str:
    """Answer one Subscribe request."""
    return call.answer(
        [node for node in call.request if isinstance(node.tag, str)], lambda node: _subscribe(call, node)
    )


def _subscribe(call: Call, node: etree._Element) -> str:
    streaming = local_name(node) == "StreamingSubscriptionRequest"
    if not streaming and local_name(node) != "PullSubscriptionRequest":
        raise EwsError("ErrorInvalidSubscriptionRequest", "Push subscriptions are not supported here (see SKIPPED.md).")
    server = call.server
    if len(server.subscriptions) >= server.switches.subscriptions_max:
        raise EwsError("ErrorExceededSubscriptionCount", "There are too many subscriptions.")
    kinds = frozenset((kind.text or "").strip() for kind in node.iterfind(f"{T}EventTypes/{T}EventType"))
    mailbox, folders = call.mailbox, None
    if node.get("SubscribeToAllFolders") != "true":
        found = [call.folder(one) for one in node.iterfind(f"{T}FolderIds/*")]
        if not found:
            raise EwsError("ErrorInvalidSubscriptionRequest", "The subscription names no folder.")
        mailbox, folders = found[0][0], frozenset(folder.number for _, folder in found)
    subscription = server.subscriptions.add(mailbox.number, folders, kinds, streaming=streaming)
    watermark = "" if streaming else f"<m:Watermark>{server.subscriptions.watermark(0)}</m:Watermark>"
    return f"<m:SubscriptionId>{subscription.ident}</m:SubscriptionId>{watermark}"
