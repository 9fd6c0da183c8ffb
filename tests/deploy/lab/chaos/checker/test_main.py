import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.chaos.checker.__main__ import main
from deploy.lab.chaos.evidence import Evidence, history_file, load, write_lines


def keep(evidence: Evidence, directory: Path) -> None:
    """Write a run's directory as a run does."""
    run = asdict(evidence.run) | {"targets": {name: {} for name in evidence.run.targets}}
    (directory / "run.json").write_text(json.dumps(run), encoding="utf-8")
    write_lines(history_file(directory, "source"), evidence.source)
    for name, writes in evidence.targets.items():
        write_lines(history_file(directory, name), writes)
    records = [asdict(r) | {"key": r.key.encode()} for r in evidence.log]
    write_lines(directory / "topics.jsonl", records)
    write_lines(directory / "truth.jsonl", evidence.truth)
    write_lines(directory / "faults.jsonl", evidence.faults)


def test_a_kept_run_is_read_as_it_was(story: Any, tmp_path: Path) -> None:
    story.copied()
    keep(story.evidence, tmp_path)
    assert load(tmp_path) == story.evidence


@pytest.mark.parametrize(("is_broken", "code"), [(False, 0), (True, 1)])
def test_a_kept_run_is_judged_again(
    story: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_broken: bool, code: int
) -> None:
    story.copied()
    if is_broken:
        story.edited_at_source()
    keep(story.evidence, tmp_path)
    monkeypatch.setattr("sys.argv", ["checker", str(tmp_path)])
    assert main() == code


def test_a_directory_without_a_run_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["checker", str(tmp_path)])
    assert main() == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
