from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from producers.exchange_source import ExchangeSource
from producers.source import CursorLostError, Failed, Source

if TYPE_CHECKING:
    from schemas.ports import EwsSession

    from .conftest import Rig


def test_the_source_in_memory_and_the_one_over_ews_are_both_sources(rig: Rig) -> None:
    class Unconnected:
        server_version = "15.2.1"

    sources: list[Source] = [rig.source, ExchangeSource(cast("EwsSession", Unconnected()))]
    assert [s.version.split(".")[0] for s in sources] == ["15", "15"]


def test_no_ids_are_no_answers(rig: Rig) -> None:
    assert rig.source.describe("", []) == rig.source.export("", []) == rig.source.portable("", []) == []


def test_an_id_that_is_gone_fails_by_itself(rig: Rig) -> None:
    item_id = rig.source.add(rig.source.inbox)
    gone, there = rig.source.export("", ["gone", item_id])
    assert gone == Failed("ErrorItemNotFound")
    assert isinstance(there, bytes)


def test_a_cursor_of_another_life_is_lost(rig: Rig) -> None:
    page = rig.source.items("", rig.source.inbox, "")
    rig.source.lose_cursors()
    with pytest.raises(CursorLostError):
        rig.source.items("", rig.source.inbox, page.cursor)
