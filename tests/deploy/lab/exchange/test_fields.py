import pytest

from deploy.lab.exchange.fields import (
    ABSENT,
    CLASS_OF_KIND,
    CONTENT_ONLY,
    KINDS,
    NAMES,
    READ_ONLY,
    SINCE_2013,
    kind_of,
    name_of_uri,
)


@pytest.mark.parametrize(
    ("item_class", "kind"),
    [
        ("IPM.Note", "Message"),
        ("ipm.note.SMIME", "Message"),
        ("IPM.NoteBook", "Message"),
        ("IPM.StickyNote", "Message"),
        ("REPORT.IPM.Note.NDR", "Message"),
        ("IPM.Appointment.Custom", "CalendarItem"),
        ("IPM.Contact", "Contact"),
        ("IPM.DistList", "DistributionList"),
        ("IPM.Task", "Task"),
        ("IPM.TaskRequest.Accept", "Message"),
        ("IPM.Post.Rss", "PostItem"),
        ("IPM.Schedule.Meeting.Request", "MeetingRequest"),
        ("IPM.Schedule.Meeting.Resp.Neg", "MeetingResponse"),
        ("IPM.Schedule.Meeting.Canceled", "MeetingCancellation"),
        ("", "Message"),
    ],
)
def test_every_class_is_shown_as_a_kind(item_class: str, kind: str) -> None:
    assert kind_of(item_class) == kind


def test_the_class_of_every_kind_is_shown_as_that_kind() -> None:
    for kind, item_class in CLASS_OF_KIND.items():
        assert kind_of(item_class) == ("Message" if kind == "Item" else kind)


def test_the_tables_name_known_elements_and_no_kind_repeats_one() -> None:
    for names in (READ_ONLY, CONTENT_ONLY, SINCE_2013 - {"OnlineMeetingSettings"}):
        assert names <= NAMES
    assert not NAMES & ABSENT
    for kind, elements in KINDS.items():
        if kind not in {"MeetingResponse", "MeetingCancellation", "MeetingRequest"}:
            assert len(set(elements)) == len(elements), kind


def test_uris_name_elements() -> None:
    assert name_of_uri("item:Subject") == "Subject"
    assert name_of_uri("item:Hashtags") == "Hashtags"
    for uri in ("", "item:", "Subject", "item:Nonsense", "persona:Subject"):
        assert name_of_uri(uri) is None
