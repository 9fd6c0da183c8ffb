from datetime import UTC, datetime

from lxml import etree

from deploy.lab.session import TYPES
from deploy.lab.workload.entries import entries_of
from deploy.lab.workload.people import People


def test_every_entry_is_well_formed_xml_of_its_kind() -> None:
    entries = entries_of(People(1, ("a@x.test",)), 0, datetime(2026, 1, 1, tzinfo=UTC), 8)
    roots = [etree.fromstring(e.element.replace(">", f' xmlns:t="{TYPES}">', 1)) for e in entries]
    names = [str(root.tag).rpartition("}")[2] for root in roots]
    assert names == ["CalendarItem", "Contact", "Task", "Message"] * 2
