import sqlite3
from pathlib import Path

import pytest

from deploy.lab.exchange.tables import FORMAT, DataError, open_database


def test_a_new_database_has_the_format_and_the_given_identity(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "d", b"i" * 16)
    assert connection.execute("SELECT format, identity FROM server").fetchall() == [(FORMAT, b"i" * 16)]
    connection.close()
    again = open_database(tmp_path / "d", b"j" * 16)
    assert again.execute("SELECT identity FROM server").fetchone() == (b"i" * 16,)
    again.close()


def test_what_is_no_database_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"no database" * 200)
    other = sqlite3.connect(tmp_path / "other")
    other.executescript("CREATE TABLE things (a)")
    other.close()
    for name in ("text", "other"):
        with pytest.raises(DataError):
            open_database(tmp_path / name, b"")
