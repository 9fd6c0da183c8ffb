from typing import Any

from deploy.lab.chaos.checker.check import check
from deploy.lab.chaos.checker.report import counts, figures, lines
from deploy.lab.chaos.evidence import FaultLine


def test_a_failure_tells_seed_story_and_the_command_that_repeats_it(story: Any) -> None:
    story.copied()
    story.edited_at_source()
    story.faults.append(FaultLine(fault=1, phase="begin", time_ms=story.time_ms, kind="kill", subject="replay-1"))
    text = lines(story.evidence, check(story.evidence))
    assert text[0] == "seed 7: 2 anomalies: {'stale-content': 1, 'behind': 1}"
    assert text[-1] == "Again: mailshadow lab chaos --seed 7"
    told = [line.split()[1] for line in text if line.startswith("    0")]
    assert {"source", "log", "ledger", "standby", "fault"} <= set(told)


def test_the_story_is_in_the_order_of_time(story: Any) -> None:
    story.copied()
    story.edited_at_source()
    (anomaly,) = [a for a in story.anomalies() if a.rule == "stale-content"]
    assert list(anomaly.story) == sorted(anomaly.story)


def test_a_clean_run_is_one_line(story: Any) -> None:
    story.copied()
    assert len(lines(story.evidence, [])) == 1


def test_figures_say_how_much_there_was_to_lose(story: Any) -> None:
    story.copied()
    found = figures(story.evidence)
    assert (found["items_followed"], found["items_at_the_end"], found["recovery_seconds"]) == (1, 1, 1.0)
    assert found["changes_by_operation"] == {"FolderSaved": 2, "ItemSaved": 1, "SeedBegin": 1}
    story.stages("t5")
    story.places("t6", "t5")
    assert counts(story.anomalies())["twice"] == 1
