"""The sabotages must fit the code they break: a table that no longer applies proves nothing."""

import ast
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.chaos.checker import check
from deploy.lab.chaos.faults.table import FAULTS

HERE = Path(__file__).resolve().parent
# the tests may have been copied away from the repository, to run against an installed wheel
CHECKOUT = Path(os.environ.get("MAILSHADOW_REPOSITORY") or HERE.parents[2])


def _load() -> Any:
    spec = importlib.util.spec_from_file_location("sabotage_catalogue", HERE / "catalogue.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


CATALOGUE = _load()
ROWS = CATALOGUE.catalogue()
RULES = "\n".join(path.read_text(encoding="utf-8") for path in Path(check.__file__).parent.glob("*.py"))


def test_there_are_at_least_fifteen_each_with_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 15


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_sabotage_fits_the_code_and_leaves_it_readable(row: Any, tmp_path: Path) -> None:
    row.copy_into(CHECKOUT, tmp_path)
    for edit in row.edits:
        text = (tmp_path / edit.file).read_text(encoding="utf-8")
        ast.parse(text)
        assert text != (CHECKOUT / edit.file).read_text(encoding="utf-8")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_sabotage_names_faults_and_rules_that_exist(row: Any) -> None:
    assert set(row.faults.split(",")) <= set(FAULTS)
    for rule in row.expects:
        stem, _, aspect = rule.rpartition("-")
        assert f'"{rule}"' in RULES or (aspect in {"content", "marks", "folder"} and f'"{stem}-' in RULES), rule


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_no_sabotage_touches_the_checker_or_the_simulated_server(row: Any) -> None:
    assert not any(edit.file.startswith(("deploy/lab", "schemas")) for edit in row.edits)


def test_a_text_that_is_not_there_once_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("a a", encoding="utf-8")
    with pytest.raises(CATALOGUE.SabotageError):
        CATALOGUE.Edit("x.py", "a", "b").apply(tmp_path)


def test_the_committed_results_are_of_these_sabotages() -> None:
    results = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
    assert {result["name"] for result in results} == {row.name for row in ROWS}
