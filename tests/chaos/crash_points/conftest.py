"""One ground for all crash-point tests of a session."""

from collections.abc import Iterator

import pytest

from .ground import Ground, new_ground


@pytest.fixture(scope="session")
def ground(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with new_ground(kafka, tmp_path_factory.mktemp("crash-points")) as found:
        yield found
