"""The runbook's diagram and table of states are those of `schemas.failover`."""

from pathlib import Path

from schemas.failover import diagram, meanings


def test_the_runbook_shows_the_table_as_it_is(repository: Path) -> None:
    runbook = (repository / "deploy/README.md").read_text()
    assert f"```mermaid\n{diagram()}\n```" in runbook
    assert meanings() in runbook
