from deploy.lab.exchange.bodies import body_of, decoded, file_part
from deploy.lab.exchange.content import Content
from deploy.lab.exchange.editing import (
    add_attachment,
    compose,
    find_attachment,
    remove_attachment,
    replace_body,
    replace_headers,
)
from deploy.lab.exchange.items import Item
from deploy.lab.exchange.mime import parse_mime


def item(**fields: object) -> Item:
    return Item(1, 1, 1, 1, 0, 1, 1, 1, 1, "IPM.Note", 1, 1, "r", "c", "m", b"k", dict(fields), {})


def test_fields_become_headers() -> None:
    headers = compose(item(Subject="s", From=["n", "a@b.c", "SMTP"], IsReadReceiptRequested="true", Importance="High"))
    assert dict(headers) == {"Subject": "s", "From": '"n" <a@b.c>', "Disposition-Notification-To": '"n" <a@b.c>'}


def test_only_the_changed_headers_are_replaced() -> None:
    content = parse_mime(b"Subject: old\r\nsubject: older\r\nX-A: 1\r\n\r\nb")
    assert replace_headers(content, item(Subject="new"), {"Subject", "Importance"})
    assert content.root.headers == [("X-A", "1"), ("Subject", "new")]
    assert not replace_headers(content, item(), {"Importance"})


def test_numbers_of_attachments_are_never_used_again() -> None:
    held, content = item(), Content()
    for expected in (1, 2):
        content, number = add_attachment(held, content, file_part(f"{expected}", "", b"%d" % expected), {})
        assert number == expected
    smaller = remove_attachment(held, content, 1)
    assert smaller is not None
    content, number = add_attachment(held, smaller, file_part("3", "", b"3"), {})
    assert number == 3
    assert remove_attachment(held, content, 1) is None
    found = find_attachment(held, content, 2)
    assert found is not None
    assert decoded(found[1]) == b"2"
    assert find_attachment(held, content, 1) is None


def test_a_new_body_keeps_the_attachments() -> None:
    held = item()
    content, _ = add_attachment(held, Content(), file_part("f", "", b"x"), {})
    content = replace_body(content, "HTML", "<p>new</p>")
    body = body_of(content)
    assert body is not None
    assert (body.kind, body.text) == ("HTML", "<p>new</p>")
    assert find_attachment(held, content, 1) is not None
