from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from deploy.lab.session import ServerAddress, SessionError, UserSession, markup

GET_INBOX = (
    "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape>"
    '<m:FolderIds><t:DistinguishedFolderId Id="inbox"/></m:FolderIds></m:GetFolder>'
)


@given(st.text())
def test_markup_is_always_content_of_an_xml_element(value: str) -> None:
    assert etree.fromstring(f"<a>{markup(value)}</a>").tag == "a"


def test_a_server_that_does_not_answer_is_an_error_with_its_address() -> None:
    session = UserSession(ServerAddress(url="http://127.0.0.1:9/EWS", user="u", password="p", version="2013"))
    with pytest.raises(SessionError, match=r"127\.0\.0\.1:9") as raised:
        session.answers("GetFolder", "a@x.test", GET_INBOX)
    assert raised.value.code == "NoAnswer"


def test_the_password_is_not_in_the_text_of_an_address() -> None:
    assert "hidden" not in repr(ServerAddress(url="http://x", user="u", password="hidden", version="2013"))


@pytest.mark.slow
def test_a_call_answers_and_is_counted(exchange_pair: Any) -> None:
    source, _ = exchange_pair.new_mailboxes()
    before = exchange_pair.source.calls
    assert exchange_pair.source.one("GetFolder", source, GET_INBOX).get("ResponseClass") == "Success"
    assert exchange_pair.source.calls == before + 1


@pytest.mark.slow
def test_a_mailbox_that_does_not_exist_is_an_error_by_its_code(exchange_pair: Any) -> None:
    with pytest.raises(SessionError) as raised:
        exchange_pair.source.one("GetFolder", "nobody@source.test", GET_INBOX)
    assert raised.value.code == "ErrorNonExistentMailbox"


@pytest.mark.slow
def test_a_wrong_password_is_an_error(exchange_pair: Any) -> None:
    url = exchange_pair.source.address.url
    session = UserSession(ServerAddress(url=url, user="u", password="wrong", version="2013"))
    with pytest.raises(SessionError) as raised:
        session.one("GetFolder", "first@source.test", GET_INBOX)
    assert raised.value.code == "Http401"


@pytest.mark.slow
def test_a_busy_server_is_asked_again_after_a_pause(exchange_pair: Any) -> None:
    source, _ = exchange_pair.new_mailboxes()
    pauses: list[float] = []
    session = UserSession(exchange_pair.source.address, pause=pauses.append)
    exchange_pair.source_process.add_fault("GetFolder", "busy_503", count=2)
    assert session.one("GetFolder", source, GET_INBOX).get("ResponseClass") == "Success"
    assert len(pauses) == 2
