"""Mail from outside: a message as it came over SMTP, put into an inbox."""

from email.utils import formatdate

from deploy.lab.exchange.bodies import describe_all
from deploy.lab.exchange.content import Content, Part
from deploy.lab.exchange.folders import Mailbox
from deploy.lab.exchange.headers import fields_of
from deploy.lab.exchange.items import utc_text
from deploy.lab.exchange.mailbox_server import MailboxServer
from deploy.lab.exchange.mime import parse_mime


def receive(server: MailboxServer, mailbox: Mailbox, mime: bytes) -> None:
    """Deliver a message, unread, with a trace of this server, as NewMail."""
    content = parse_mime(mime)
    root = content.root
    traced = [("Received", f"by {mailbox.address.rpartition('@')[2]}; {formatdate(server.clock())}"), *root.headers]
    arrived = Content(Part(traced, root.media_type, root.encoding, root.data, root.children))
    with server.writing("Deliver"):
        item = server.items.new(mailbox.distinguished["inbox"], "IPM.Note")
        item.fields.update(fields_of(traced))
        item.fields["MessageFlags"] = 0
        item.fields["DateTimeReceived"] = utc_text(server.clock())
        item.is_read = 0
        if described := describe_all(arrived):
            item.fields["Attachments"] = described
        packed = arrived.pack()
        server.admit(mailbox, len(packed))
        server.items.insert(item, packed)
        server.tell_item("CreatedEvent", item)
        server.tell_item("NewMailEvent", item)
