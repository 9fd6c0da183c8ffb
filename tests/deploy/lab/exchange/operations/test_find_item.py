from typing import Any

import pytest

T = "{http://schemas.microsoft.com/exchange/services/2006/types}"
M = "{http://schemas.microsoft.com/exchange/services/2006/messages}"
MIME = b"From: jane@example.org\r\nTo: a@example.com\r\nSubject: x\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"


STAMP = (
    '<t:ExtendedFieldURI PropertySetId="c0ffee00-1111-2222-3333-444455556666" PropertyName="s" PropertyType="String"/>'
)
SUBJECT = '<t:FieldURI FieldURI="item:Subject"/>'


def constant(value: str) -> str:
    return f'<t:FieldURIOrConstant><t:Constant Value="{value}"/></t:FieldURIOrConstant>'


def find(
    restriction: str = "", order: str = "", view: str = "", folder: str = "inbox", traversal: str = "Shallow"
) -> str:
    held = f"<m:Restriction>{restriction}</m:Restriction>" if restriction else ""
    return (
        f'<m:FindItem Traversal="{traversal}"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties>'
        f"{SUBJECT}</t:AdditionalProperties></m:ItemShape>{view}{held}{order}"
        f'<m:ParentFolderIds><t:DistinguishedFolderId Id="{folder}"/></m:ParentFolderIds></m:FindItem>'
    )


def subjects(exchange: Any, *arguments: str) -> list[str]:
    return [node.text or "" for node in exchange.post(find(*arguments)).iter(f"{T}Subject")]


@pytest.fixture
def filled(exchange: Any) -> Any:
    for number in range(5):
        stamp = f"<t:ExtendedProperty>{STAMP}<t:Value>AB{number}</t:Value></t:ExtendedProperty>"
        mime = MIME.replace(b"Subject: x", b"Subject: Item %d" % number).replace(b"<1@", b"<%d@" % number)
        exchange.message(mime + b"y" * 1000 * number, extra=stamp if number < 3 else "", flags=number % 2)
    return exchange


def compare(kind: str, path: str, value: str) -> str:
    held = f'<t:FieldURI FieldURI="{path}"/>' if ":" in path and not path.startswith("<") else path
    return f"<t:{kind}>{held}{constant(value)}</t:{kind}>"


def contains(value: str, mode: str, comparison: str) -> str:
    attributes = f'ContainmentMode="{mode}" ContainmentComparison="{comparison}"'
    return f'<t:Contains {attributes}>{SUBJECT}<t:Constant Value="{value}"/></t:Contains>'


FIRST, SECOND = compare("IsEqualTo", STAMP, "ab1"), compare("IsEqualTo", STAMP, "ab2")
FLAGS = '<t:ExtendedFieldURI PropertyTag="0x0E07" PropertyType="Integer"/>'


@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        (compare("IsEqualTo", "item:Subject", "item 3"), [3]),
        (FIRST, [1]),
        (f"<t:Or>{FIRST}{SECOND}</t:Or>", [1, 2]),
        (f"<t:And>{FIRST}{compare('IsEqualTo', 'item:Subject', 'Item 2')}</t:And>", []),
        (f"<t:And>{FIRST}{compare('IsEqualTo', 'item:Subject', 'Item 1')}</t:And>", [1]),
        (f"<t:Or>{FIRST}{compare('IsEqualTo', 'item:Subject', 'Item 4')}</t:Or>", [1, 4]),
        (f"<t:Not><t:Exists>{STAMP}</t:Exists></t:Not>", [3, 4]),
        (compare("IsNotEqualTo", "item:Subject", "Item 3"), [0, 1, 2, 4]),
        (compare("IsGreaterThan", "item:Subject", "Item 2"), [3, 4]),
        (compare("IsLessThanOrEqualTo", "item:Subject", "Item 1"), [0, 1]),
        (compare("IsGreaterThanOrEqualTo", "item:Size", "3000"), [3, 4]),
        (compare("IsEqualTo", "message:IsRead", "true"), [1, 3]),
        (compare("IsEqualTo", "message:InternetMessageId", "&lt;2@example.org&gt;"), [2]),
        (compare("IsLessThan", "item:DateTimeReceived", "2000-01-01T00:00:00Z"), []),
        (contains("ITEM 4", "Substring", "IgnoreCase"), [4]),
        (contains("item", "Prefixed", "Exact"), []),
        (contains("Item 0", "FullString", "Exact"), [0]),
        (f'<t:Excludes>{FLAGS}<t:Bitmask Value="1"/></t:Excludes>', [0, 2, 4]),
    ],
)
def test_each_condition_selects_what_it_says(filled: Any, restriction: str, expected: list[int]) -> None:
    assert sorted(subjects(filled, restriction)) == [f"Item {number}" for number in expected]


def test_results_are_ordered_as_asked(filled: Any) -> None:
    for direction, expected in (("Ascending", [0, 1, 2, 3, 4]), ("Descending", [4, 3, 2, 1, 0])):
        order = f'<m:SortOrder><t:FieldOrder Order="{direction}">{SUBJECT}</t:FieldOrder></m:SortOrder>'
        assert subjects(filled, "", order) == [f"Item {number}" for number in expected]


@pytest.mark.parametrize("restricted", [True, False])
def test_pages_cover_everything_once_and_say_where_they_end(filled: Any, *, restricted: bool) -> None:
    restriction = f"<t:Exists>{SUBJECT}</t:Exists>" if restricted else ""
    found, offset, last = [], 0, "false"
    while last == "false":
        view = f'<m:IndexedPageItemView MaxEntriesReturned="2" Offset="{offset}" BasePoint="Beginning"/>'
        answer = filled.post(find(restriction, "", view))
        root = next(answer.iter(f"{M}RootFolder"))
        assert root.get("TotalItemsInView") == "5"
        found += [node.text for node in answer.iter(f"{T}Subject")]
        offset, last = int(root.get("IndexedPagingOffset")), root.get("IncludesLastItemInRange")
    assert sorted(found) == [f"Item {number}" for number in range(5)]


def test_the_find_limit_shortens_a_page(build: Any) -> None:
    exchange = build(find_count_limit=2)
    for _ in range(3):
        exchange.message(MIME)
    assert len(subjects(exchange)) == 2


def test_content_cannot_be_asked_for_in_a_list(exchange: Any) -> None:
    assert exchange.fault(find().replace("item:Subject", "item:Body")) == "ErrorInvalidPropertyRequest"


def test_a_calendar_view_answers_what_overlaps(exchange: Any) -> None:
    for day in (1, 2, 3):
        exchange.create(
            f"<t:CalendarItem><t:Subject>d{day}</t:Subject><t:Start>2026-01-0{day}T10:00:00Z</t:Start>"
            f"<t:End>2026-01-0{day}T11:00:00Z</t:End></t:CalendarItem>",
            "calendar",
        )
    view = '<m:CalendarView StartDate="2026-01-02T00:00:00Z" EndDate="2026-01-03T00:00:00Z"/>'
    assert subjects(exchange, "", "", view, "calendar") == ["d2"]
