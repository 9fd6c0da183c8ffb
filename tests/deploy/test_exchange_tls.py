"""TLS to a server: whom it trusts, the certificate it shows, the oldest version it speaks, and rotation."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.exchange import ServerSettings, Session
from deploy.exchange_tls import TlsSettings
from deploy.lab.certificates import Authority
from deploy.throttle import Throttle
from schemas.metrics import SessionMetrics
from schemas.ports import CallFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
ANSWER = (
    f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">'
    '<s:Body><m:PingResponse><m:ResponseMessages><m:PingResponseMessage ResponseClass="Success"/>'
    "</m:ResponseMessages></m:PingResponse></s:Body></s:Envelope>"
).encode()


class Front:
    """A server of TLS that answers every request with the same document and remembers who asked, and how."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.clients: list[str] = []
        self.logins: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(plain,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                shown: Any = (connection.getpeercert() or {}).get("subject", ())
                subject = dict(pair[0] for pair in shown)
                stream = connection.makefile("rb")
                while line := stream.readline():
                    headers = {}
                    while (line := stream.readline()) not in (b"\r\n", b""):
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    stream.read(int(headers.get("content-length", 0)))
                    self.clients.append(subject.get("commonName", ""))
                    self.logins.append(headers.get("authorization", ""))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER))
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(authority.issue("server"))
    found.load_verify_locations(authority.ca_file)
    return found


@pytest.fixture
def front(context: ssl.SSLContext) -> Iterator[Front]:
    server = Front(context)
    yield server
    server.close()


def ping(front: Front, tls: TlsSettings, password_file: Path | None = None) -> Session:
    """Call once; return the session, still open."""
    url = f"https://127.0.0.1:{front.port}/EWS"
    settings = ServerSettings(name="n", url=url, user="u", password="old", password_file=password_file, tls=tls)
    session = Session(settings, Throttle(), SessionMetrics(CollectorRegistry()))
    session.call("Ping", "anna@source.test", "<m:Ping/>", 1)
    return session


def test_a_private_authority_is_trusted_where_it_is_named_and_nowhere_else(front: Front, authority: Authority) -> None:
    ping(front, TlsSettings(ca_file=authority.ca_file)).close()
    with pytest.raises(CallFailed):
        ping(front, TlsSettings())


def test_a_certificate_of_somebody_else_is_refused(front: Front, tmp_path: Path) -> None:
    with pytest.raises(CallFailed):
        ping(front, TlsSettings(ca_file=Authority(tmp_path / "other").ca_file))


def test_our_certificate_is_shown_to_a_server_that_asks_for_one(
    front: Front, context: ssl.SSLContext, authority: Authority
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(CallFailed):
        ping(front, TlsSettings(ca_file=authority.ca_file))
    pair = authority.issue("mailshadow")
    ping(front, TlsSettings(ca_file=authority.ca_file, certificate_file=pair, key_file=pair)).close()
    assert front.clients == ["mailshadow"]


def test_a_server_below_the_floor_is_refused(front: Front, context: ssl.SSLContext, authority: Authority) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    ping(front, TlsSettings(ca_file=authority.ca_file)).close()
    with pytest.raises(CallFailed):
        ping(front, TlsSettings(ca_file=authority.ca_file, version_min=ssl.TLSVersion.TLSv1_3))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_an_old_server_is_spoken_to_where_its_floor_says_so(
    front: Front, context: ssl.SSLContext, authority: Authority
) -> None:
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.raises(CallFailed):
        ping(front, TlsSettings(ca_file=authority.ca_file))
    ping(front, TlsSettings(ca_file=authority.ca_file, version_min=ssl.TLSVersion.TLSv1)).close()


def test_a_password_and_a_certificate_that_are_replaced_are_used_from_the_next_call_on(
    front: Front, context: ssl.SSLContext, authority: Authority, tmp_path: Path
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    pair, secret = tmp_path / "own.pem", tmp_path / "password"
    shutil.copy(authority.issue("first"), pair)
    secret.write_text("old\n")
    session = ping(front, TlsSettings(ca_file=authority.ca_file, certificate_file=pair, key_file=pair), secret)
    shutil.copy(authority.issue("second"), pair)
    secret.write_text("rotated\n")
    session.call("Ping", "anna@source.test", "<m:Ping/>", 1)
    assert front.clients == ["first", "second"]
    assert len(set(front.logins)) == 2


def test_a_file_half_replaced_leaves_the_session_as_it_was(
    front: Front, context: ssl.SSLContext, authority: Authority, tmp_path: Path
) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    pair = tmp_path / "own.pem"
    shutil.copy(authority.issue("first"), pair)
    session = ping(front, TlsSettings(ca_file=authority.ca_file, certificate_file=pair, key_file=pair))
    pair.write_text("half")
    session.call("Ping", "anna@source.test", "<m:Ping/>", 1)
    assert front.clients == ["first", "first"]
