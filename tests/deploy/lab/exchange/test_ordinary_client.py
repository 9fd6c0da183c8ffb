"""Ordinary exchangelib code against the simulated server, with and without a version given."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from exchangelib import (
    BASIC,
    IMPERSONATION,
    Account,
    CalendarItem,
    Configuration,
    Contact,
    Credentials,
    EWSDateTime,
    EWSTimeZone,
    FileAttachment,
    Folder,
    HTMLBody,
    ItemAttachment,
    Mailbox,
    Message,
    Task,
)
from exchangelib.indexed_properties import EmailAddress, PhoneNumber
from exchangelib.properties import CreatedEvent, MovedEvent
from exchangelib.recurrence import DailyPattern, Recurrence
from exchangelib.version import EXCHANGE_2010_SP1, EXCHANGE_2013, EXCHANGE_2016, EXCHANGE_2019, Version

from deploy.lab.exchange.process import ExchangeProcess

pytestmark = pytest.mark.slow
BUILDS = {"2010_SP1": EXCHANGE_2010_SP1, "2013": EXCHANGE_2013, "2016": EXCHANGE_2016, "2019": EXCHANGE_2019}


@pytest.fixture(scope="module", params=["2010_SP1", "2013", "2019", "2016 guessed"])
def account(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    name, _, guessed = request.param.partition(" ")
    directory = tmp_path_factory.mktemp("exchange")
    with ExchangeProcess(directory, version=name, mailboxes=["a@example.com", "b@example.com"]) as server:
        connection = server.connection
        configuration = Configuration(
            service_endpoint=connection.url,
            credentials=Credentials(connection.user, connection.password),
            auth_type=None if guessed else BASIC,
            version=None if guessed else Version(build=BUILDS[name]),
            max_connections=4,
        )
        yield Account("a@example.com", config=configuration, access_type=IMPERSONATION, autodiscover=False)


@pytest.fixture
def folder(account: Any, request: Any) -> Any:
    made = Folder(parent=account.inbox, name=request.node.name)
    made.save()
    return made


def test_the_folder_tree_is_found_by_name_and_by_walking(account: Any, folder: Any) -> None:
    assert (account.inbox / folder.name).id == folder.id
    assert folder.id in {found.id for found in account.inbox.walk()}
    assert account.calendar.folder_class == "IPF.Appointment"
    folder.name += " renamed"
    folder.save()
    account.root.clear_cache()
    assert (account.inbox / folder.name).id == folder.id
    folder.delete()
    assert folder.id not in {found.id for found in account.inbox.walk()}


def test_bulk_created_items_are_filtered_ordered_and_paged(account: Any, folder: Any) -> None:
    account.bulk_create(
        folder, [Message(subject=f"s {number:03d}", body=HTMLBody("<p>x</p>")) for number in range(150)]
    )
    assert folder.all().count() == 150
    assert [item.subject for item in folder.filter(subject__startswith="s 00").order_by("subject").only("subject")] == [
        f"s {number:03d}" for number in range(10)
    ]
    assert folder.filter(subject="s 007").get().body == "<p>x</p>"
    assert folder.filter(subject__in=["s 001", "s 002"]).count() == 2
    assert folder.exclude(subject__contains="s").count() == 0
    assert folder.filter(datetime_received__gt=datetime(2001, 1, 1, tzinfo=UTC)).count() == 150
    assert len(set(folder.all().values_list("id", flat=True))) == 150


def test_hierarchy_and_items_are_synced(account: Any, folder: Any) -> None:
    changes = list(account.root.sync_hierarchy())
    assert folder.id in {changed.id for kind, changed in changes if kind == "create"}
    first, second = (Message(account=account, folder=folder, subject=name) for name in "12")
    first.save()
    second.save()
    created = sorted((kind, item.subject) for kind, item in folder.sync_items(only_fields=["subject"]))
    assert created == [("create", "1"), ("create", "2")]
    first.is_read = True
    first.save(update_fields=["is_read"])
    second.delete()
    found = dict(folder.sync_items(only_fields=["subject"]))
    assert set(found) == {"read_flag_change", "delete"}
    assert found["delete"].id == second.id or second.id is None


def test_a_whole_message_comes_back(account: Any, folder: Any) -> None:
    message = Message(
        account=account,
        folder=folder,
        subject="grüße",
        body=HTMLBody("<p>ünï</p>"),
        to_recipients=[Mailbox(name="Bé", email_address="b@example.com")],
        cc_recipients=["c@example.org"],
        categories=["red", "blue"],
        importance="High",
        is_read=True,
    )
    message.attach(FileAttachment(name="ü.bin", content=bytes(range(256)), is_inline=False))
    message.save()
    message.attach(ItemAttachment(name="inner", item=Message(subject="inner", body="text", folder=folder)))
    found = folder.get(subject="grüße")
    assert found.body == "<p>ünï</p>"
    assert found.to_recipients == [Mailbox(name="Bé", email_address="b@example.com", routing_type="SMTP")]
    assert (found.categories, found.importance, found.is_read) == (["red", "blue"], "High", True)
    files = {attachment.name: attachment for attachment in found.attachments}
    assert files["ü.bin"].content == bytes(range(256))
    assert files["inner"].item.subject == "inner"
    files["ü.bin"].detach()
    assert len(folder.get(subject="grüße").attachments) == 1


def test_items_move_copy_and_vanish(account: Any, folder: Any) -> None:
    message = Message(account=account, folder=folder, subject="m", body="x")
    message.save()
    old = message.id
    message.copy(account.drafts)
    message.move(account.junk)
    assert message.id != old
    assert folder.all().count() == 0
    message.soft_delete()
    assert account.junk.all().count() == 0
    assert account.recoverable_items_deletions.filter(subject="m").count() >= 1
    account.drafts.filter(subject="m").delete()
    assert account.drafts.filter(subject="m").count() == 0


def test_sending_reaches_the_other_mailbox(account: Any) -> None:
    before = account.sent.all().count()
    Message(account=account, subject="sent", body="b", to_recipients=["b@example.com"]).send_and_save()
    draft = Message(account=account, folder=account.drafts, subject="draft", body="b", to_recipients=["b@example.com"])
    draft.save()
    draft.send()
    assert account.sent.all().count() == before + 2
    other = Account("b@example.com", config=account.protocol.config, access_type=IMPERSONATION, autodiscover=False)
    assert {"sent", "draft"} <= {item.subject for item in other.inbox.all().only("subject")}


def test_exports_are_uploaded(account: Any, folder: Any) -> None:
    message = Message(account=account, folder=folder, subject="e", body="x", is_read=True, categories=["c"])
    message.save()
    (data,) = account.export([message])
    ((ident, _),) = account.upload([(account.junk, data)])
    found = account.junk.get(id=ident)
    assert (found.subject, found.is_read, found.categories) == ("e", True, ["c"])
    found.delete()


def test_appointments_contacts_and_tasks_come_back(account: Any) -> None:
    zone = EWSTimeZone("Europe/Berlin")
    start = EWSDateTime(2026, 1, 5, 10, tzinfo=zone)
    event = CalendarItem(
        account=account,
        folder=account.calendar,
        subject="event",
        start=start,
        end=EWSDateTime(2026, 1, 5, 11, tzinfo=zone),
        recurrence=Recurrence(pattern=DailyPattern(interval=2), start=start.date(), number=5),
        required_attendees=["b@example.com"],
        location="here",
    )
    event.save()
    event.refresh()
    assert (event.start, event.location, event.recurrence.pattern.interval) == (start, "here", 2)
    assert event.required_attendees[0].mailbox.email_address == "b@example.com"
    contact = Contact(
        account=account,
        folder=account.contacts,
        display_name="A B",
        file_as="B, A",
        given_name="A",
        surname="B",
        email_addresses=[EmailAddress(label="EmailAddress1", email="x@example.org")],
        phone_numbers=[PhoneNumber(label="HomePhone", phone_number="123")],
    )
    contact.save()
    contact.refresh()
    assert contact.email_addresses[0].email == "x@example.org"
    assert {number.phone_number for number in contact.phone_numbers} == {"123"}
    task = Task(
        account=account, folder=account.tasks, subject="task", status="InProgress", percent_complete=Decimal(25)
    )
    task.save()
    task.refresh()
    assert (task.subject, int(task.percent_complete)) == ("task", 25)


def test_streaming_notifications_arrive(account: Any, folder: Any) -> None:
    events: list[Any] = []
    ready = threading.Event()

    def act() -> None:
        ready.wait(10)
        message = Message(account=account, folder=folder, subject="n", body="x")
        message.save()
        message.move(account.drafts)
        message.delete()

    with account.inbox.streaming_subscription() as ident:
        actor = threading.Thread(target=act)
        actor.start()
        with folder.streaming_subscription() as second:
            ready.set()
            for notification in folder.get_streaming_events([ident, second], connection_timeout=1):
                events += notification.events
                if any(isinstance(event, MovedEvent) for event in events):
                    break
        actor.join()
    assert any(isinstance(event, CreatedEvent) and event.item_id for event in events)


def test_pull_notifications_arrive(account: Any, folder: Any) -> None:
    with folder.pull_subscription() as (ident, watermark):
        Message(account=account, folder=folder, subject="n", body="x").save()
        events = [event for notification in folder.get_events(ident, watermark) for event in notification.events]
    assert any(isinstance(event, CreatedEvent) for event in events)
