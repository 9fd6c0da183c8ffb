"""Pairs of a feed and a replay in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry

from schemas.metrics import ReplayMetrics
from tests.consumers.at_target.conftest import MemoryTarget
from tests.consumers.conftest import Making, MemoryOwned
from tests.fuzz.pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def new_pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Pair]:
    """Makes as many pairs as there are worlds."""
    directory, metrics = tmp_path_factory.mktemp("pairs"), ReplayMetrics(CollectorRegistry())
    return lambda: Pair(directory, MemoryTarget, MemoryOwned, Making(), metrics)
