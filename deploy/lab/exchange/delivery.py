"""Sending: messages given to the mailboxes of this server, and the receipts that reading causes."""

import secrets
from email.utils import formatdate

from deploy.lab.exchange.attendant import attend
from deploy.lab.exchange.content import Content, Part, unpack
from deploy.lab.exchange.editing import replace_headers
from deploy.lab.exchange.items import Item, utc_text
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.properties import FROM_ME, UNSENT


def stamp_message(server: MailboxServer, item: Item, content: Content | None, address: str) -> None:
    """Give a message what the server adds: Message-ID, sender, sent time; with a content also as headers."""
    changed = set()
    for name, value in (
        ("InternetMessageId", f"<{secrets.token_hex(16)}@{address.rpartition('@')[2]}>"),
        ("From", [address.partition("@")[0], address, "SMTP"]),
        ("Sender", [address.partition("@")[0], address, "SMTP"]),
        ("DateTimeSent", utc_text(server.clock())),
    ):
        if not item.fields.get(name) or (name == "DateTimeSent" and content is not None):
            item.fields[name] = value
            changed.add(name)
    if "Subject" in item.fields:
        item.fields.setdefault("ConversationTopic", item.fields["Subject"])
    if content is not None:
        replace_headers(content, item, changed)
        item.fields["MessageFlags"] = (int(item.fields.get("MessageFlags", 0)) & ~UNSENT) | FROM_ME
        item.is_read = 1


def deliver(server: MailboxServer, item: Item, content: Content, sender: str) -> int:
    """Put a sent message into the inboxes of its recipients on this server; answers how many there were."""
    recipients = {
        mailbox[1].lower()
        for name in ("ToRecipients", "CcRecipients", "BccRecipients")
        for mailbox in item.fields.get(name, ())
    }
    headers = [(name, value) for name, value in content.root.headers if name.lower() != "bcc"]
    moment = formatdate(server.clock(), usegmt=False)
    count = 0
    for address in sorted(recipients & server.folders.mailboxes.keys()):
        root = content.root
        traced = [
            ("Received", f"from {sender.rpartition('@')[2]} by {address.rpartition('@')[2]}; {moment}"),
            *headers,
        ]
        copy = Content(Part(traced, root.media_type, root.encoding, root.data, root.children))
        inbox = server.folders.mailboxes[address].distinguished["inbox"]
        twin = server.items.new(inbox, item.item_class)
        twin.search_key = item.search_key
        twin.fields.update(item.fields)
        twin.fields.pop("BccRecipients", None)
        twin.fields["MessageFlags"] = 0
        twin.extended.update(item.extended)
        server.items.insert(twin, copy.pack())
        server.tell_item("CreatedEvent", twin)
        server.tell_item("NewMailEvent", twin)
        attend(server, twin)
        count += 1
    return count


def receipt_is_due(server: MailboxServer, item: Item, *, suppressed: bool) -> bool:
    """Whether marking this item read makes the server send a read receipt."""
    fields = item.fields
    return (
        server.switches.read_receipts_sent
        and not suppressed
        and fields.get("IsReadReceiptRequested") == "true"
        and fields.get("ReceiptSuppressed") != "true"
        and not int(fields.get("MessageFlags", 0)) & UNSENT
    )


def send_receipt(server: MailboxServer, item: Item) -> None:
    """Send a read receipt to the sender of an item: counted, and delivered where the sender is on this server."""
    server.store.receipts += 1
    item.fields["ReceiptSuppressed"] = "true"
    sender = item.fields.get("From") or item.fields.get("Sender")
    reader = server.folders.by_number[item.mailbox].address
    mailbox = server.folders.mailboxes.get(sender[1].lower()) if sender else None
    if mailbox is None:
        return
    content = unpack(b"")
    receipt = server.items.new(mailbox.distinguished["inbox"], "REPORT.IPM.Note.IPNRN")
    receipt.fields.update(
        {
            "Subject": f"Read: {item.fields.get('Subject', '')}",
            "ToRecipients": [sender],
            "InReplyTo": item.fields.get("InternetMessageId", ""),
        }
    )
    stamp_message(server, receipt, None, reader)
    replace_headers(content, receipt, set(receipt.fields))
    server.items.insert(receipt, content.pack())
    server.tell_item("CreatedEvent", receipt)
    server.tell_item("NewMailEvent", receipt)
