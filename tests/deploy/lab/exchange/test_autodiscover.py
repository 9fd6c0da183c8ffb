"""The simulated server's own Autodiscover, its directory and delivery from outside."""

from typing import Any

import pytest

from .conftest import Harness

SOAP = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetUserSettingsRequestMessage '
    'xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Request><Users><User><Mailbox>{}</Mailbox></User>'
    "</Users><RequestedSettings><Setting>ExternalEwsUrl</Setting></RequestedSettings></Request>"
    "</GetUserSettingsRequestMessage></s:Body></s:Envelope>"
)
POX = "<Autodiscover><Request><EMailAddress>{}</EMailAddress></Request></Autodiscover>"


@pytest.fixture
def harness(tmp_path: Any) -> Any:
    found = Harness(tmp_path, None, "2019")
    yield found
    found.close()


def _said(harness: Harness, address: str) -> tuple[str, str]:
    soap = harness.raw("POST", "/autodiscover/autodiscover.svc", SOAP.format(address).encode())[2].decode()
    pox = harness.raw("POST", "/autodiscover/autodiscover.xml", POX.format(address).encode())[2].decode()
    return soap, pox


def test_a_mailbox_is_told_its_address_a_moved_one_the_new_one_and_a_stranger_nothing(harness: Harness) -> None:
    url = f"http://127.0.0.1:{harness.port}/EWS/Exchange.asmx"
    assert all(url in text for text in _said(harness, "A@example.com"))
    harness.server.directory.change({"moved": {"a@example.com": "a@other.test"}})
    soap, pox = _said(harness, "a@example.com")
    assert "<RedirectTarget>a@other.test</RedirectTarget>" in soap
    assert "<RedirectAddr>a@other.test</RedirectAddr>" in pox
    soap, pox = _said(harness, "nobody@example.com")
    assert "InvalidUser" in soap
    assert "<ErrorCode>500</ErrorCode>" in pox


def test_it_asks_for_credentials(harness: Harness) -> None:
    assert harness.raw("POST", "/autodiscover/autodiscover.svc", b"", password=None)[0] == 401


def test_mail_from_outside_arrives_unread_at_a_further_address(harness: Harness) -> None:
    harness.server.directory.change({"also": {"x@example.com": "a@example.com"}})
    message = b"From: c@d.test\r\nSubject: hello\r\nMessage-ID: <1@d.test>\r\n\r\nbody\r\n"
    assert harness.raw("POST", "/lab/deliver?address=x@example.com", message)[0] == 200
    assert harness.raw("POST", "/lab/deliver?address=nobody@example.com", message)[0] == 404
    inbox = harness.server.folders.mailboxes["a@example.com"].distinguished["inbox"]
    assert inbox.unread == 1
