from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.front_door.haproxy_maps import led, map_text, read_map
from deploy.front_door.haproxy_runtime import PAYLOAD_BYTES_MAX, payloads
from deploy.front_door.routes import Route, Routes, RoutesError, RoutesFile, read_routes, write_routes

ROUTE = Route(mailbox="m", server="standby", address="anna@target.test")


def test_what_is_written_is_read_and_a_change_makes_the_next_version(tmp_path: Path) -> None:
    routes = Routes(version=1, by_address={}).changed([("Anna@source.test", ROUTE)])
    write_routes(tmp_path / "r.json", routes)
    assert read_routes(tmp_path / "r.json") == routes
    assert routes.version == 2
    assert routes.of("ANNA@source.test") == ROUTE
    assert routes.changed([("anna@source.test", ROUTE)]) is routes


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}', '{"version": "x", "routes": {}}', "\x00"])
def test_a_damaged_file_is_refused_and_what_was_read_before_stays(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(RoutesError, match="no file of routes"):
        read_routes(path)
    with pytest.raises(RoutesError):
        RoutesFile(path).now()
    write_routes(path, Routes(version=7, by_address={}))
    file = RoutesFile(path)
    assert file.now().version == 7
    path.write_text(text)
    assert file.now().version == 7
    path.unlink()
    assert file.now().version == 7


NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), min_size=1, max_size=60)


@given(st.dictionaries(NAMES, NAMES, max_size=300))
def test_a_map_reads_back_as_it_was_written_and_fits_into_commands(entries: dict[str, str]) -> None:
    assert read_map(map_text(entries)) == entries
    texts = payloads(entries)
    assert "".join(texts) == "".join(f"{k} {v}\n" for k, v in entries.items())
    assert all(len(t.encode()) <= PAYLOAD_BYTES_MAX for t in texts)


def test_leading_changes_only_the_keys_it_names() -> None:
    assert led({"a": "x", "b": "y"}, [("a", "z"), ("b", None), ("c", None)]) == {"a": "z"}
