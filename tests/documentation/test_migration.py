"""The runbook's diagram and table of stages are those of `deploy.migration.stages`, and its commands exist."""

import re
from pathlib import Path

from deploy.commands.migrate import migrate
from deploy.migration.mapping_file import COLUMNS
from deploy.migration.stages import diagram, meanings


def test_the_runbook_shows_the_table_as_it_is(repository: Path) -> None:
    runbook = (repository / "deploy" / "README.md").read_text()
    assert f"```mermaid\n{diagram()}\n```" in runbook
    assert meanings() in runbook


def test_the_runbook_names_every_command_and_column(repository: Path) -> None:
    runbook = (repository / "deploy" / "README.md").read_text()
    assert set(re.findall(r"mailshadow migrate ([a-z-]+)", runbook)) == set(migrate.commands)
    assert f"`{','.join(COLUMNS)}`" in runbook
