import socket
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.lab.exchange.command import EXIT_DATA, EXIT_PORT, EXIT_USAGE, exchange


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(exchange, arguments)
    return result.exit_code, result.output


def test_data_are_required_and_a_bad_version_is_refused(tmp_path: Path) -> None:
    assert run()[0] == EXIT_USAGE
    code, text = run("--data", str(tmp_path / "d"), "--version", "2003")
    assert code == EXIT_USAGE
    assert "2010_SP1" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--switch", "nonsense=1"), "does not exist"),
        (("--switch", "move_atomic"), "NAME=VALUE"),
        (("--switch", "move_atomic=maybe"), "on or off"),
        (("--mailbox", "no address"), "name@domain"),
    ],
)
def test_options_that_cannot_be_are_refused_with_a_reason(
    tmp_path: Path, arguments: tuple[str, str], words: str
) -> None:
    code, text = run("--data", str(tmp_path / "d"), *arguments)
    assert code == EXIT_USAGE
    assert words in text


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, text = run("--data", str(tmp_path / "d"), "--port", port)
    assert code == EXIT_PORT
    assert port in text


def test_data_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "exchange.sqlite").write_bytes(b"this is no database" * 100)
    code, text = run("--data", str(tmp_path))
    assert code == EXIT_DATA
    assert "empty directory" in text


def test_data_of_another_format_are_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "exchange.sqlite")
    connection.executescript("CREATE TABLE server (format INTEGER); INSERT INTO server VALUES (99);")
    connection.close()
    code, text = run("--data", str(tmp_path))
    assert code == EXIT_DATA
    assert "99" in text


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert run("--data", str(tmp_path / "file" / "below"))[0] == EXIT_DATA
