"""Messages made and edited from MIME, at a server that takes everything from there and at one that does not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from consumers.exchange_target import ExchangeTarget
from consumers.target import Done, Edit, PortableItem
from deploy.exchange import ServerSettings, Session
from deploy.lab.exchange.process import ExchangeProcess
from deploy.throttle import Throttle
from schemas.change import Marks
from schemas.ews import M, T, child_text, item_ref
from schemas.metrics import SessionMetrics

pytestmark = pytest.mark.slow
ADDRESS = "target@target.test"
MIME = b"From: Anna <anna@x.test>\r\nSubject: %b\r\nDate: Wed, 2 Jan 2002 10:00:00 +0000\r\n\r\nbody %b\r\n"
MARKS = Marks(is_read=False, categories=("red",))
TIMES = {"0x0e06": "2026-01-31T10:00:05Z", "0x0039": "2026-01-31T10:00:00Z"}


@pytest.fixture(scope="module", params=[False, True], ids=["keeps", "rebuilds"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with ExchangeProcess(tmp_path_factory.mktemp("exchange"), version="2013", mailboxes=[ADDRESS]) as process:
        process.set_switch("mime_update_rebuilds_item", request.param)
        process.set_switch("delivery_time_kept_for_saved_items", not request.param)
        connection = process.connection
        settings = ServerSettings(
            name="t", url=connection.url, user=connection.user, password=connection.password, version="2013",
            timeout_seconds=30.0,
        )  # fmt: skip
        opened = Session(settings, Throttle(), SessionMetrics(CollectorRegistry()))
        yield opened
        opened.close()


def shown(session: Session, item_id: str) -> dict[str, str]:
    """What a client sees of a message."""
    names = ("Subject", "DateTimeReceived", "DateTimeSent", "IsDraft")
    uris = "".join(f'<t:FieldURI FieldURI="item:{name}"/>' for name in names)
    shape = f"<t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>{uris}</t:AdditionalProperties>"
    body = f"<m:GetItem><m:ItemShape>{shape}</m:ItemShape><m:ItemIds>{item_ref(item_id)}</m:ItemIds></m:GetItem>"
    item = session.call("GetItem", ADDRESS, body, 1).messages[0].element.find(f"{M}Items/*")
    return {name: child_text(item, f"{T}{name}") for name in names}


def created(session: Session, properties: dict[str, str], subject: str = "") -> Done:
    target = ExchangeTarget(session)
    item = PortableItem(
        mime=MIME % (b"first", b"one"), item_class="IPM.Note", properties={"0x0e07": "0"} | properties, marks=MARKS,
        stamp="aa:bb:01", subject=subject,
    )  # fmt: skip
    (outcome,) = target.create(ADDRESS, target.root(ADDRESS, "inbox"), [item])
    assert isinstance(outcome, Done)
    return outcome


def test_an_edit_keeps_the_times_and_sets_the_subject_whatever_the_server_takes_from_mime(session: Session) -> None:
    made = created(session, TIMES)
    edit = Edit(
        item_id=made.item_id, change_key=made.change_key, stamp="aa:bb:02", marks=MARKS,
        mime=MIME % (b"Gr\xfc\xdfe", b"two"), properties=TIMES, subject="Grüße ",
    )  # fmt: skip
    (outcome,) = ExchangeTarget(session).edit(ADDRESS, [edit])
    assert isinstance(outcome, Done)
    assert shown(session, outcome.item_id) == {
        "Subject": "Grüße ",
        "DateTimeReceived": "2026-01-31T10:00:05Z",
        "DateTimeSent": "2026-01-31T10:00:00Z",
        "IsDraft": "false",
    }
    (mime,) = ExchangeTarget(session).mimes(ADDRESS, [outcome.item_id])
    assert isinstance(mime, bytes)
    assert b"body two" in mime


def test_a_message_is_made_with_its_times_and_its_subject(session: Session) -> None:
    made = created(session, TIMES, subject="first ")
    assert shown(session, made.item_id) == {
        "Subject": "first ",
        "DateTimeReceived": "2026-01-31T10:00:05Z",
        "DateTimeSent": "2026-01-31T10:00:00Z",
        "IsDraft": "false",
    }
