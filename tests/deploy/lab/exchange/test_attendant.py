from typing import Any

import pytest

REQUEST = (
    "<t:MeetingRequest><t:ItemClass>IPM.Schedule.Meeting.Request</t:ItemClass><t:Subject>m</t:Subject>"
    "<t:Start>2026-01-01T10:00:00Z</t:Start><t:End>2026-01-01T11:00:00Z</t:End></t:MeetingRequest>"
)


@pytest.mark.parametrize("acts", [True, False])
def test_a_meeting_request_that_comes_into_an_inbox_fills_the_calendar_by_switch(build: Any, *, acts: bool) -> None:
    exchange = build(calendar_attendant=acts)
    ident = exchange.create(REQUEST, "drafts")
    assert exchange.changes("calendar")[0] == []
    exchange.post(
        '<m:MoveItem><m:ToFolderId><t:DistinguishedFolderId Id="inbox"/></m:ToFolderId>'
        f"<m:ItemIds>{exchange.ids([ident])}</m:ItemIds></m:MoveItem>"
    )
    held = exchange.changes("calendar")[0]
    assert len(held) == (1 if acts else 0)
    if acts:
        item = exchange.get(held[0][1], "item:Subject", "calendar:Start", "calendar:LegacyFreeBusyStatus")
        assert exchange.text(item, "Start") == "2026-01-01T10:00:00Z"
        assert exchange.text(item, "LegacyFreeBusyStatus") == "Tentative"


def test_other_messages_fill_nothing(build: Any) -> None:
    exchange = build(calendar_attendant=True)
    exchange.message(b"Subject: x\r\n\r\ny")
    assert exchange.changes("calendar")[0] == []
