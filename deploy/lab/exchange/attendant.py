"""The calendar attendant: what acts by itself on meeting requests that arrive (switch `calendar_attendant`)."""

from deploy.lab.exchange.content import unpack
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.mailbox_server import MailboxServer

_KEPT = (
    "Subject",
    "Start",
    "End",
    "Location",
    "Organizer",
    "RequiredAttendees",
    "OptionalAttendees",
    "UID",
    "Recurrence",
)


def attend(server: MailboxServer, item: Item) -> None:
    """Put a tentative appointment into the calendar for a meeting request that has just come into an inbox."""
    if not server.switches.calendar_attendant or not item.item_class.lower().startswith("ipm.schedule.meeting.request"):
        return
    mailbox = server.folders.by_number[item.mailbox]
    if item.folder != mailbox.distinguished["inbox"].number or "Start" not in item.fields:
        return
    held = server.items.new(mailbox.distinguished["calendar"], "IPM.Appointment")
    held.fields.update({name: item.fields[name] for name in _KEPT if name in item.fields})
    held.fields.update(
        {"MyResponseType": "NoResponseReceived", "LegacyFreeBusyStatus": "Tentative", "IsMeeting": "true"}
    )
    held.is_read = 1
    server.items.insert(held, unpack(server.items.content(item)).pack())
    server.tell_item("CreatedEvent", held)
