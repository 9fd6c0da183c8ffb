"""Every setting of the program stands in the example or in the runbook."""

import dataclasses
import re
import types
import typing
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from deploy.sections import Settings


def names(section: Any) -> Iterator[str]:
    """Yield the name of every setting of a section and of those below it."""
    hints = typing.get_type_hints(section)
    for field in dataclasses.fields(section):
        below = list(sections(hints[field.name]))
        yield field.name
        for one in below:
            yield from names(one)


def sections(hint: Any) -> Iterator[type]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        yield hint
    elif get_origin(hint) in (Union, types.UnionType, tuple, dict):
        for argument in get_args(hint):
            yield from sections(argument)


def test_every_setting_is_documented(repository: Path) -> None:
    example = resources.files("deploy").joinpath("example.toml").read_text(encoding="utf-8")
    runbook = (repository / "deploy" / "README.md").read_text(encoding="utf-8")
    missing = {n for n in names(Settings) if not re.search(rf"\b{n}\b", example + runbook)}
    assert not missing
