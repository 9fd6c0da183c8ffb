"""Names, TLS, clocks and disk: each failure says what mends it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from deploy import exit_codes
from deploy.commands import surroundings
from deploy.commands.surroundings import check_clock, check_disk, check_server
from deploy.lab.certificates import DAYS_VALID, Authority
from deploy.sections import ServerSection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def port(authority: Authority) -> Iterator[int]:
    """A server that shakes hands and says no more."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("server"))
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                    connection.recv(1)
            except ssl.SSLError:
                continue
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def section(url: str, ca_file: Path | None = None) -> ServerSection:
    return ServerSection(name="mail", url=url, user="u", password="p", ca_file=ca_file)


def test_a_name_without_an_address_is_said_and_nothing_more_is_asked() -> None:
    (found,) = check_server(section("https://nowhere.invalid/EWS"), "source")
    assert not found.is_good
    assert found.exit_code == exit_codes.SOURCE_UNREACHABLE
    assert "nowhere.invalid has no address" in found.text


def test_a_trusted_certificate_is_good_for_so_many_days(port: int, authority: Authority) -> None:
    told = check_server(section(f"https://127.0.0.1:{port}/EWS", authority.ca_file), "target", lambda: 0.0)
    assert [f.is_good for f in told] == [True, True]
    assert "TLSv1.3, the certificate is good for" in told[1].text


def test_a_certificate_about_to_end_is_a_failure(port: int, authority: Authority) -> None:
    """The lab's are good for a week, which is less than two."""
    told = check_server(section(f"https://127.0.0.1:{port}/EWS", authority.ca_file), "target", time.time)
    assert not told[1].is_good
    assert f"ends in {DAYS_VALID} days" in told[1].text


def test_a_certificate_of_nobody_we_know_is_said_with_the_setting(port: int) -> None:
    told = check_server(section(f"https://127.0.0.1:{port}/EWS"), "target")
    assert not told[1].is_good
    assert told[1].exit_code == exit_codes.TARGET_UNREACHABLE
    assert "name its authority in ca_file" in told[1].text


def test_nobody_listening_is_said(free_port: int) -> None:
    told = check_server(section(f"https://127.0.0.1:{free_port}/EWS"), "source")
    assert f"127.0.0.1:{free_port} does not answer" in told[1].text


def test_a_server_without_tls_is_told_of() -> None:
    told = check_server(section("http://127.0.0.1/EWS"), "source")
    assert told[1].is_good
    assert "no TLS" in told[1].text


@pytest.mark.parametrize(("server", "is_good"), [(NOW, True), (NOW - 59, True), (NOW + 61, False), (NOW - 61, False)])
def test_clocks_may_be_a_minute_apart(server: float, is_good: bool) -> None:  # noqa: FBT001
    found = check_clock("source mail", server, lambda: NOW)
    assert found is not None
    assert found.is_good is is_good


def test_a_server_that_tells_no_time_is_not_judged() -> None:
    assert check_clock("source mail", 0, lambda: NOW) is None


def test_the_data_directory_is_made_and_written(tmp_path: Path) -> None:
    assert check_disk(tmp_path / "data").is_good
    assert list((tmp_path / "data").iterdir()) == []


def test_a_directory_that_cannot_be_written_or_has_no_room_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert check_disk(tmp_path / "file").exit_code == exit_codes.DISK
    monkeypatch.setattr(surroundings, "FREE_BYTES_MIN", 1 << 62)
    assert "GB free" in check_disk(tmp_path).text
    assert not check_disk(tmp_path).is_good
