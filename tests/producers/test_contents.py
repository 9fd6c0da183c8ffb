from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from producers import contents as module
from producers.contents import ContentReader, Fetched
from producers.round import newcomer
from producers.source import Described
from producers.spool import CHUNK_SIZE_BYTES, INLINE_SIZE_BYTES_MAX
from schemas.change import Form
from schemas.faults import ReplicationFault

if TYPE_CHECKING:
    from schemas.state import IndexEntry

    from .conftest import Rig

MAIL = b"Subject: letter\r\n\r\nbody\r\n"


def found(rig: Rig, item_id: str) -> Described:
    (answer,) = rig.source.describe("", [item_id])
    assert isinstance(answer, Described)
    return answer


def fetch(rig: Rig, *item_ids: str, known: IndexEntry | None = None) -> list[Fetched]:
    needed = [(known or newcomer("m", i, rig.source.inbox), found(rig, i)) for i in item_ids]
    rig.source.calls.clear()
    return list(ContentReader(rig.source, rig.spool, rig.forms).fetch("", needed))


def sizes_of_exports(rig: Rig) -> list[int]:
    return [len(asked) for method, (_, asked) in rig.source.calls if method == "export" and isinstance(asked, tuple)]


def test_calls_hold_at_most_fifty_items(rig: Rig) -> None:
    ids = [rig.source.add(rig.source.inbox) for _ in range(module.CALL_ITEMS_MAX + 1)]
    assert [f.found.item_id for f in fetch(rig, *ids)] == ids
    assert sizes_of_exports(rig) == [module.CALL_ITEMS_MAX, 1]


def test_calls_hold_a_bounded_number_of_bytes_and_a_larger_item_goes_alone(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALL_SIZE_BYTES_MAX", 100)
    ids = [rig.source.add(rig.source.inbox, b"x" * size) for size in (40, 60, 500, 40)]
    fetch(rig, *ids)
    assert sizes_of_exports(rig) == [2, 1, 1]


def test_an_item_has_one_content_for_each_form_the_targets_take(rig: Rig) -> None:
    rig.forms = (Form.STREAM, Form.PORTABLE)
    (fetched,) = fetch(rig, rig.source.add(rig.source.inbox, MAIL))
    assert [c.form for c in fetched.contents] == [Form.STREAM, Form.PORTABLE]
    assert all(c.body == MAIL for c in fetched.contents)


def test_a_stream_alone_costs_one_other_call_for_a_new_item_its_change_key(rig: Rig) -> None:
    fetch(rig, rig.source.add(rig.source.inbox, MAIL))
    assert [method for method, _ in rig.source.calls] == ["export", "change_keys"]


@pytest.mark.parametrize("method", ["portable", "export", "elements", "change_keys"])
def test_content_that_is_not_what_was_described_is_fetched_later(rig: Rig, method: str) -> None:
    rig.forms = (Form.STREAM, Form.PORTABLE, Form.ELEMENTS)
    item_class = "IPM.Contact" if method == "elements" else "IPM.Note"
    item_id = rig.source.add(rig.source.inbox, MAIL, item_class=item_class)
    rig.source.before(method, lambda: rig.source.edit(item_id))
    (fetched,) = fetch(rig, item_id)
    assert (fetched.failure, fetched.contents) == (ReplicationFault.CHANGED_MEANWHILE, ())


def test_a_body_that_does_not_fit_its_record_is_spooled_and_whole(rig: Rig) -> None:
    body = b"0123456789" * 100_000
    assert len(body) > max(INLINE_SIZE_BYTES_MAX, CHUNK_SIZE_BYTES)
    (fetched,) = fetch(rig, rig.source.add(rig.source.inbox, body))
    (content,) = fetched.contents
    assert (content.body, content.chunk_count, content.size_bytes) == (b"", 2, len(body))
    assert b"".join(fetched.spooled[content.sha256].chunks()) == body


def test_a_stream_that_is_not_whole_is_a_failure(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox, MAIL)
    rig.source.items_by_id[item_id].refusals["export"] = ReplicationFault.TRUNCATED_STREAM
    (fetched,) = fetch(rig, item_id)
    assert (fetched.failure, fetched.contents) == (ReplicationFault.TRUNCATED_STREAM, ())


def test_a_contact_has_no_portable_form_and_says_so(rig: Rig) -> None:
    rig.forms = (Form.PORTABLE,)
    (fetched,) = fetch(rig, rig.source.add(rig.source.inbox, MAIL, item_class="IPM.Contact"))
    assert fetched.failure == ReplicationFault.NO_PORTABLE_FORM


def test_what_is_no_message_has_its_elements_where_they_are_asked_for(rig: Rig) -> None:
    rig.forms = (Form.PORTABLE, Form.ELEMENTS)
    mail, contact = rig.source.add(rig.source.inbox, MAIL), rig.source.add(rig.source.inbox, item_class="IPM.Contact")
    fetched = fetch(rig, mail, contact)
    assert [[c.form for c in f.contents] for f in fetched] == [[Form.PORTABLE], [Form.ELEMENTS]]
    assert [about for method, about in rig.source.calls if method == "elements"] == [("", (contact,))]


def test_elements_that_are_not_handed_out_are_owed_and_not_parked_unseen(rig: Rig) -> None:
    rig.forms = (Form.PORTABLE, Form.ELEMENTS)
    contact = rig.source.add(rig.source.inbox, item_class="IPM.Contact")
    rig.source.items_by_id[contact].refusals["elements"] = "ErrorInternalServerError"
    (fetched,) = fetch(rig, contact)
    assert (fetched.failure, fetched.contents) == ("ErrorInternalServerError", ())
    rig.forms = (Form.STREAM, Form.ELEMENTS)
    (fetched,) = fetch(rig, contact)
    assert [c.form for c in fetched.contents] == [Form.STREAM]


def test_content_that_proves_to_be_the_same_is_not_exported(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox, MAIL)
    known = replace(newcomer("m", item_id, rig.source.inbox), change_key="before")
    (first,) = fetch(rig, item_id, known=known)
    (again,) = fetch(rig, item_id, known=replace(known, digest=first.digest))
    assert first.contents
    assert not again.contents
    assert not again.failure
    assert sizes_of_exports(rig) == []


def test_a_known_message_without_mime_is_still_exported(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox, MAIL)
    rig.source.items_by_id[item_id].refusals["portable"] = "ErrorContentConversionFailed"
    known = replace(newcomer("m", item_id, rig.source.inbox), change_key="before", digest="d")
    (fetched,) = fetch(rig, item_id, known=known)
    assert [c.form for c in fetched.contents] == [Form.STREAM]


@pytest.mark.parametrize(
    ("item_class", "is_message"),
    [
        *(("IPM.Note", True), ("ipm.note.SMIME", True), ("IPM.Post", True), ("REPORT.IPM.Note.NDR", True)),
        *(("IPM.Contact", False), ("IPM.Appointment", False), ("IPM.Task", False), ("", False)),
    ],
)
def test_mime_holds_all_of_mail_posts_and_reports_only(item_class: str, *, is_message: bool) -> None:
    assert module.is_message(item_class) is is_message
