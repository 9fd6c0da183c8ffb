"""schemas/README.md says what the .avsc files say, and the dataclasses mirror both."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from schemas import change, state

SCHEMAS = sorted((Path(change.__file__).parent / "avro").glob("*.avsc"))


def _type(avro: Any) -> str:
    if isinstance(avro, str):
        return avro.removeprefix("mailshadow.")
    if isinstance(avro, list):
        return " or ".join(map(_type, avro))
    kinds = {"array": ("list of ", "items"), "map": ("map of ", "values")}
    if avro["type"] in kinds:
        prefix, inner = kinds[avro["type"]]
        return prefix + _type(avro[inner])
    return _type(avro["type"])


def _section(readme: str, name: str) -> str:
    found = re.search(rf"^### {name}$(.*?)(?=^### |\Z)", readme, re.DOTALL | re.MULTILINE)
    assert found, f"schemas/README.md has no section {name}"
    return found.group(1)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_the_readme_tells_every_field_with_its_type_and_meaning(path: Path, repository: Path) -> None:
    schema = json.loads(path.read_text())
    section = _section((repository / "schemas/README.md").read_text(), schema["name"])
    assert schema["doc"] in section
    if schema["type"] == "enum":
        assert all(f"`{symbol}`" in section for symbol in schema["symbols"])
        return
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    assert rows == [(f["name"], _type(f["type"]), f["doc"]) for f in schema["fields"]]


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_a_dataclass_of_the_same_name_has_the_same_fields(path: Path) -> None:
    schema = json.loads(path.read_text())
    mirrored = getattr(change, schema["name"], None) or getattr(state, schema["name"])
    if schema["type"] == "enum":
        assert [m.value for m in mirrored] == schema["symbols"]
    else:
        assert {f.name for f in dataclasses.fields(mirrored)} == {f["name"] for f in schema["fields"]}
