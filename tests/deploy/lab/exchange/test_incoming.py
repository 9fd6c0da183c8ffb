import pytest
from lxml import etree

from deploy.lab.exchange.incoming import read_item
from deploy.lab.exchange.soap import EwsError

T = "http://schemas.microsoft.com/exchange/services/2006/types"


def item(inner: str, kind: str = "Message") -> etree._Element:
    return etree.fromstring(f'<x:{kind} xmlns:x="{T}" xmlns="{T}">{inner}</x:{kind}>')


def test_values_take_the_form_of_their_field() -> None:
    found = read_item(
        item(
            "<ItemClass>IPM.Note.X</ItemClass><Subject>s</Subject><IsRead>true</IsRead>"
            '<Body BodyType="HTML">b</Body><Categories><String>c</String></Categories>'
            "<ToRecipients><Mailbox><Name>n</Name><EmailAddress>a@b.c</EmailAddress></Mailbox></ToRecipients>"
            "<DateTimeSent>2026-01-01T10:00:00.5+01:00</DateTimeSent><Flag><FlagStatus>Flagged</FlagStatus></Flag>"
        )
    )
    assert (found.item_class, found.is_read, found.body) == ("IPM.Note.X", True, ("HTML", "b"))
    assert found.fields == {
        "Subject": "s",
        "Categories": ["c"],
        "ToRecipients": [["n", "a@b.c", "SMTP"]],
        "DateTimeSent": "2026-01-01T09:00:00Z",
        "Flag": {"FlagStatus": "Flagged"},
    }


def test_what_only_the_server_writes_is_left_out() -> None:
    assert read_item(item("<Size>5</Size><IsDraft>true</IsDraft><Nonsense>1</Nonsense>")).fields == {}


def test_structures_are_kept_whole_under_our_own_prefix() -> None:
    found = read_item(item("<Recurrence><Daily Interval='1'/></Recurrence>", "CalendarItem"))
    assert found.fields["Recurrence"] == {"xml": '<t:Recurrence><t:Daily Interval="1"/></t:Recurrence>'}


@pytest.mark.parametrize(
    ("node", "code"),
    [
        (item("", "ReplyToItem"), "ErrorInvalidItemForOperationCreateItem"),
        (item("<MimeContent>?x</MimeContent>"), "ErrorMimeContentInvalidBase64String"),
        (item("<DateTimeSent>never</DateTimeSent>"), "ErrorInvalidPropertySet"),
        (item("<ExtendedProperty/>"), "ErrorInvalidExtendedProperty"),
    ],
)
def test_values_that_cannot_be_are_refused(node: etree._Element, code: str) -> None:
    with pytest.raises(EwsError, match=code):
        read_item(node)
