from pathlib import Path

from deploy.removal import remains_of
from schemas.topics import Topics


def test_the_caches_of_a_target_whose_name_only_begins_alike_remain(tmp_path: Path) -> None:
    topics = Topics("lab", "source")
    state = tmp_path / "state"
    state.mkdir()
    for target in ("branch", "branch-2"):
        for name in ("0.sqlite", "11.sqlite", "11.sqlite-wal"):
            (state / f"{topics.replay_group(target)}-{name}").touch()
    found = remains_of(topics, "branch", {}, tmp_path).cache_files
    group = topics.replay_group("branch")
    assert [p.name for p in found] == [f"{group}-0.sqlite", f"{group}-11.sqlite", f"{group}-11.sqlite-wal"]
