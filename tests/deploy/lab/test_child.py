import signal
from pathlib import Path

import pytest

from deploy.lab.child import Child, ChildError


def watch(child: Child) -> None:
    while True:
        child.require_running()


@pytest.mark.slow
def test_a_child_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    child = Child("feed", ["feed", "--config", str(tmp_path / "none.toml")], tmp_path / "feed.log")
    child.start()
    with pytest.raises(ChildError, match="no such file"):
        watch(child)
    child.stop()


def test_a_child_that_never_ran_stops_without_a_word_and_has_no_pid(tmp_path: Path) -> None:
    child = Child("feed", ["feed"], tmp_path / "feed.log")
    child.require_running()
    assert child.stop() == 0
    assert not child.is_running
    with pytest.raises(ChildError):
        child.signal(signal.SIGTERM)
