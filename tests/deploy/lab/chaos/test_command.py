"""What `mailshadow lab chaos` refuses before anything is started."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy import exit_codes
from deploy.lab.chaos.command import chaos
from deploy.lab.chaos.faults.table import FAULTS


def test_the_kinds_of_faults_can_be_listed() -> None:
    done = CliRunner().invoke(chaos, ["--faults", "list"])
    assert done.exit_code == 0
    assert done.output.split() == list(FAULTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--faults", "kill,earthquake"], "earthquake"),
        (["--target", "standby=2007"], "standby=2007"),
        (["--target", "source=2019"], "source=2019"),
        (["--minutes", "0"], "0"),
    ],
    ids=["unknown fault", "unknown version", "a target named like the source", "no time"],
)
def test_what_cannot_be_run_is_refused_with_its_name(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(chaos, arguments)
    assert done.exit_code == exit_codes.USAGE
    assert said in done.output


def test_evidence_is_never_mixed_with_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    done = CliRunner().invoke(chaos, ["--keep", str(tmp_path)])
    assert done.exit_code == exit_codes.DISK
    assert "not empty" in done.output
