"""What a rehearsal left is looked for where it was placed, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from deploy.rehearsal.left_over import clear, note_server
from deploy.rehearsal.pipeline import Place, section_of
from deploy.sections import SettingsError
from deploy.settings import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deploy.conftest import Configuration

SCRATCH = '\n[rehearsal]\nurl = "https://scratch.test/EWS"\nuser = "u"\npassword = "p"\n'


def test_nothing_is_taken_away_with_the_settings_of_another_server(
    configuration: Configuration, tmp_path: Path
) -> None:
    configuration.write()
    configuration.path.write_text(configuration.path.read_text() + SCRATCH)
    settings = load(configuration.path, {})
    place = Place("lab-rehearsal-01234567", tmp_path / "one")
    place.work.mkdir(parents=True)
    note_server(settings, place)
    other = replace(settings, rehearsal=replace(section_of(settings), url="https://other.test/EWS"))
    with pytest.raises(SettingsError, match=r"rehearsal\.url: .* was held at https://scratch\.test/EWS, not at"):
        clear(other, place, pytest.fail)
    assert place.work.is_dir()
