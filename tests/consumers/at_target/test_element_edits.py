"""Elements set where an item is, at the oldest server a way back leads to: what is not named in them stays."""

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consumers.exchange_target import ExchangeTarget
from consumers.target import Done, Edit, Held, Refused
from deploy.exchange import ServerSettings, Session
from deploy.lab.exchange.process import ExchangeProcess
from deploy.lab.session import ServerAddress, UserSession
from deploy.lab.workload.mailbox import UserMailbox
from deploy.throttle import Throttle
from schemas.change import Marks
from schemas.element_values import unpacked
from schemas.ews import M, Property, T, child_text, extended_values, item_ref, value_of
from schemas.faults import GONE, STALE
from schemas.metrics import SessionMetrics

pytestmark = pytest.mark.slow
ADDRESS = "target@target.test"
PRIVATE = Property("String", set_id="11111111-2222-3333-4444-555555555555", name="only here")
MARKS = Marks(is_read=False, categories=("red",), importance="High")
ITEMS = {
    "calendar": (
        "<t:CalendarItem><t:Subject>Plan</t:Subject>"
        '<t:Body BodyType="Text">words</t:Body>{}<t:Start>2026-12-01T10:00:00Z</t:Start>'
        "<t:End>2026-12-01T11:00:00Z</t:End><t:Location>here</t:Location></t:CalendarItem>"
    ),
    "contacts": (
        "<t:Contact>{}<t:FileAs>Berta</t:FileAs><t:GivenName>Berta</t:GivenName>"
        '<t:EmailAddresses><t:Entry Key="EmailAddress1">b@x.test</t:Entry></t:EmailAddresses>'
        '<t:PhysicalAddresses><t:Entry Key="Home"><t:Street>Way</t:Street><t:City>Ulm</t:City></t:Entry>'
        '</t:PhysicalAddresses><t:PhoneNumbers><t:Entry Key="HomePhone">1</t:Entry><t:Entry Key="Pager">2</t:Entry>'
        "</t:PhoneNumbers></t:Contact>"
    ),
    "tasks": "<t:Task><t:Subject>Do</t:Subject>{}<t:Mileage>7</t:Mileage><t:Status>NotStarted</t:Status></t:Task>",
}
CHANGES = {
    "calendar": [
        (b"<t:Location>here</t:Location>", b""), (b"2026-12-01T11", b"2026-12-01T13"), (b"words", b"&lt;&amp;")
    ],
    "contacts": [
        (b">b@x.test<", b">berta@x.test<"), (b"<t:City>Ulm</t:City>", b""), (b'Key="Pager">2', b'Key="Telex">3')
    ],
    "tasks": [(b"NotStarted", b"Completed"), (b"Do", b"Done")],
}  # fmt: skip


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, UserMailbox]]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), version="2013", mailboxes=[ADDRESS]) as process:
        found = process.connection
        settings = ServerSettings(
            name="t", url=found.url, user=found.user, password=found.password, version="2013", timeout_seconds=30.0
        )
        opened = Session(settings, Throttle(), SessionMetrics(CollectorRegistry()))
        where = ServerAddress(url=found.url, user=found.user, password=found.password, version="2013")
        yield opened, UserMailbox(UserSession(where), ADDRESS)
        opened.close()


def whole(session: Session, item_id: str) -> Any:
    shape = f"<t:BaseShape>AllProperties</t:BaseShape><t:AdditionalProperties>{PRIVATE.uri}</t:AdditionalProperties>"
    body = f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{item_ref(item_id)}</m:ItemIds></m:GetItem>"
    return session.call("GetItem", ADDRESS, body, 1).messages[0].element.find(f"{M}Items/*")


def changed(body: bytes, folder: str) -> bytes:
    for before, after in CHANGES[folder]:
        assert before in body
        body = body.replace(before, after)
    return body


@pytest.mark.parametrize("folder", ITEMS)
def test_an_item_becomes_what_its_elements_say_and_keeps_everything_else(
    session: tuple[Session, UserMailbox], folder: str
) -> None:
    opened, user = session
    target = ExchangeTarget(opened)
    (item_id,) = user.create_entries(user.folder((f"/{folder}",)), [ITEMS[folder].format(PRIVATE.with_value("stays"))])
    (present,) = target.elements(ADDRESS, [item_id])
    assert isinstance(present, bytes)
    wanted = changed(present, folder)
    edit = Edit(
        item_id=item_id, change_key=user.change_key(item_id), stamp="aa:bb:01", marks=MARKS, elements=wanted,
        present=present,
    )  # fmt: skip
    (done,) = target.edit(ADDRESS, [edit])
    assert isinstance(done, Done)
    assert (done.item_id, done.change_key) == (item_id, user.change_key(item_id))
    (now,) = target.elements(ADDRESS, [item_id])
    assert isinstance(now, bytes)
    assert now != present
    assert values(now) == values(wanted)
    assert value_of(extended_values(whole(opened, item_id)), PRIVATE) == "stays"
    (held,) = target.look(ADDRESS, [item_id])
    assert isinstance(held, Held)
    assert (held.stamp, held.marks.categories, held.marks.importance) == ("aa:bb:01", ("red",), "High")
    again = target.edit(ADDRESS, [edit])
    assert isinstance(again[0], Refused)
    assert again[0].code in STALE
    user.delete(item_id, how="HardDelete")
    late = (target.edit(ADDRESS, [edit])[0], target.elements(ADDRESS, [item_id])[0])
    assert all(isinstance(o, Refused) and o.code in GONE for o in late)


def values(body: bytes) -> dict[object, str]:
    return {field: value.same for field, value in unpacked(body).values.items()}


def test_attendees_are_set_as_a_whole(session: tuple[Session, UserMailbox]) -> None:
    opened, user = session
    target = ExchangeTarget(opened)
    attendee = (
        "<t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>a@x.test</t:EmailAddress></t:Mailbox>"
        "</t:Attendee></t:RequiredAttendees></t:CalendarItem>"
    )
    element = ITEMS["calendar"].format("").replace("</t:CalendarItem>", attendee)
    (item_id,) = user.create_entries(user.folder(("/calendar",)), [element])
    (present,) = target.elements(ADDRESS, [item_id])
    assert isinstance(present, bytes)
    edit = Edit(
        item_id=item_id, change_key=user.change_key(item_id), stamp="aa:bb:02", marks=MARKS,
        elements=present.replace(b"a@x.test", b"b@x.test"), present=present,
    )  # fmt: skip
    assert isinstance(target.edit(ADDRESS, [edit])[0], Done)
    found = whole(opened, item_id).findall(f"{T}RequiredAttendees/{T}Attendee/{T}Mailbox")
    assert [child_text(one, f"{T}EmailAddress") for one in found] == ["b@x.test"]
