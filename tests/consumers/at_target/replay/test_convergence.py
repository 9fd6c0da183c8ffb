"""Whatever happens at the source and strikes the replay: the target ends as the source and never goes back."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.change import Marks
from schemas.metrics import ReplayMetrics

ITEMS = ("a", "b", "c", "d")
FOLDERS = ("inbox-s", "work-s", "plans-s")
MARKS = (
    Marks(is_read=False),
    Marks(is_read=True),
    Marks(is_read=True, flag_status="Flagged", categories=("red",)),
)
KINDS = ("death", "partition lost", "answer unknown", "busy", "late", "very late")

acts = st.tuples(
    st.sampled_from(("save", "mark", "move", "delete", "name", "seed", "rename", "prove", "replay")),
    st.sampled_from(ITEMS),
    st.sampled_from(FOLDERS),
    st.sampled_from(MARKS),
)
strikes = st.dictionaries(st.integers(0, 90), st.sampled_from(KINDS), max_size=5)


class Play:
    """Carries out acts at a source, each only where the source can do it."""

    def __init__(self, world: Any, source: Any) -> None:
        self.world = world
        self.source = source
        self.versions = 0

    def act(self, what: str, name: str, folder_id: str, marks: Marks) -> None:
        source, is_there = self.source, name in self.source.items
        if what == "save":
            self.versions += 1
            source.save(name, f"{name} in version {self.versions}".encode(), folder_id, marks)
        elif what == "seed":
            if is_there:
                source.delete(name, silently=True)
            source.seed()
        elif what == "prove":
            source.prove(folder_id)
        elif what == "rename":
            self.versions += 1
            source.folder("plans-s", f"Plans {self.versions}", "work-s" if self.versions % 2 else "")
        elif not is_there or (what == "move" and source.items[name][0] == folder_id):
            return
        elif what == "mark":
            source.mark(name, marks)
        elif what == "move":
            source.move(name, folder_id)
        else:
            getattr(source, what)(name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    happened=st.lists(acts, min_size=1, max_size=25),
    struck=strikes,
    cut=st.integers(1, 12),
    portable_only=st.booleans(),
)
def test_the_target_converges_and_no_item_goes_backwards(
    new_world: Callable[..., Any],
    adversity: Any,
    metrics: ReplayMetrics,
    happened: list[tuple[str, str, str, Marks]],
    struck: dict[int, str],
    cut: int,
    *,
    portable_only: bool,
) -> None:
    world = new_world(cut=cut, portable_only=portable_only, checksum_interval_seconds=5.0)
    source = world.source()
    source.folder("work-s", "Work")
    source.folder("plans-s", "Plans")
    world.replay()
    play, adverse = Play(world, source), adversity(struck)
    told = metrics.folders_compared.labels(outcome="different")
    alarms = told._value.get()
    for what, name, folder_id, marks in happened:
        if what == "replay":
            world.replay_through(adverse)
        else:
            play.act(what, name, folder_id, marks)
    for folder_id in FOLDERS:
        source.prove(folder_id)
    world.rests = 30
    world.replay_through(adverse)
    world.assert_exact(source)
    assert told._value.get() == alarms, "a false alarm"
    assert all(f.checksum and f.compared_at for f in world.folder_records())
