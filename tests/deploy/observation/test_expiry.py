"""When a certificate and a password run out, asked of a real listener with TLS."""

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.lab.certificates import DAYS_VALID, Authority
from deploy.observation import expiry
from deploy.observation.expiry import certificate_expires_at, secret_expires_at
from deploy.sections import ServerSection


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def port(authority: Authority) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("server"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            try:
                with plain, context.wrap_socket(plain, server_side=True) as connection:
                    connection.recv(1)
            except OSError:
                continue  # who does not trust it leaves

    threading.Thread(target=serve, daemon=True).start()
    yield int(listener.getsockname()[1])
    listener.close()


def section(port: int, ca_file: Path | None = None, scheme: str = "https") -> ServerSection:
    return ServerSection(url=f"{scheme}://127.0.0.1:{port}/EWS/Exchange.asmx", user="u", ca_file=ca_file)


def test_the_certificate_a_server_shows_says_when_it_ends(port: int, authority: Authority) -> None:
    found = certificate_expires_at(section(port, authority.ca_file))
    assert found is not None
    assert abs(found - (time.time() + DAYS_VALID * 86_400)) < 600


def test_without_an_accepted_certificate_nothing_is_said(
    port: int, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "TIMEOUT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        unanswered = section(silent.getsockname()[1], authority.ca_file)
        assert certificate_expires_at(unanswered) is None
    assert certificate_expires_at(section(port)) is None  # nobody we trust issued it
    assert certificate_expires_at(section(port, tmp_path / "absent.pem")) is None
    assert certificate_expires_at(section(port, authority.ca_file, scheme="http")) is None
    assert certificate_expires_at(unanswered) is None  # nobody listens any more


def test_a_password_ends_at_the_beginning_of_its_day_and_is_unknown_unless_the_settings_say() -> None:
    named = ServerSection(url="", user="u", password_expires_on=dt.date(2027, 1, 2))
    assert secret_expires_at(named) == dt.datetime(2027, 1, 2, tzinfo=dt.UTC).timestamp()
    assert secret_expires_at(ServerSection(url="", user="u")) is None
