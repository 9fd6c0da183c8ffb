import pytest
from lxml import etree

from deploy.lab.exchange.folder_shapes import FolderShape, folder_kind, folder_value
from deploy.lab.exchange.folders import Folder, Mailbox
from deploy.lab.exchange.soap import SoapFaultError

T = "http://schemas.microsoft.com/exchange/services/2006/types"


def folder(folder_class: str = "IPF.Note") -> Folder:
    return Folder(5, 1, 5, "name", folder_class, "", 1, 1, 1, total=3, unread=2, committed=1e9, deleted=4, id="ID")


@pytest.mark.parametrize(
    ("folder_class", "kind"),
    [("", "Folder"), ("IPF.Note", "Folder"), ("IPF.Appointment", "CalendarFolder"), ("ipf.contact.x", "ContactsFolder"),
     ("IPF.Task", "TasksFolder")],
)  # fmt: skip
def test_the_class_gives_the_element(folder_class: str, kind: str) -> None:
    assert folder_kind(folder(folder_class)) == kind


def test_calendars_and_contacts_have_no_unread_count() -> None:
    shape, mailbox = FolderShape(None, (15, 0)), Mailbox(1, "a", 0)
    assert "UnreadCount" in shape.xml(mailbox, folder())
    assert "UnreadCount" not in shape.xml(mailbox, folder("IPF.Appointment"))


def test_probes_are_values_of_the_folder() -> None:
    values = [
        folder_value(Mailbox(1, "a", 0), folder(), key) for key in ("0x670a:SystemTime", "0x670b:Integer", "0x9:String")
    ]
    assert values == ["2001-09-09T01:46:40Z", "4", None]


def test_paths_that_name_nothing_are_refused() -> None:
    node = etree.fromstring(
        f'<FolderShape xmlns="{T}"><BaseShape>IdOnly</BaseShape><AdditionalProperties>'
        '<FieldURI FieldURI="folder:Nonsense"/>'
        "</AdditionalProperties></FolderShape>"
    )
    with pytest.raises(SoapFaultError):
        FolderShape(node, (15, 0))
