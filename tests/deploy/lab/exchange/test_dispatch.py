import re
from pathlib import Path

from lxml import etree

import deploy.lab.exchange
from deploy.lab.exchange.calls import STREAMING, WRITES
from deploy.lab.exchange.dispatch import OPERATIONS

PACKAGE = Path(deploy.lab.exchange.__file__).parent
XSD = "{http://www.w3.org/2001/XMLSchema}"


def test_every_operation_has_its_file_and_every_file_its_operation() -> None:
    named = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in [*OPERATIONS, STREAMING]}
    files = {path.stem for path in (PACKAGE / "operations").glob("*.py")} - {"__init__"}
    assert named == files


def test_every_operation_file_says_versions_behaviour_and_gaps() -> None:
    for path in (PACKAGE / "operations").glob("[a-z]*.py"):
        head = path.read_text(encoding="utf-8").split('"""')[1]
        assert all(word in head for word in ("Versions:", "Behaviour:", "Skipped:")), path.name


def test_writing_operations_exist() -> None:
    assert OPERATIONS.keys() >= WRITES


def test_every_response_code_in_the_source_is_one_of_the_schema(shared: Path) -> None:
    known: set[str] = set()
    for name in ("messages.xsd", "types.xsd"):
        for kind in etree.parse(shared / "schema" / name).getroot():
            if kind.get("name") == "ResponseCodeType":
                known |= {str(node.get("value")) for node in kind.iter(f"{XSD}enumeration")}
    used = {
        code
        for path in PACKAGE.rglob("*.py")
        for code in re.findall(r'"(Error[A-Z]\w+)"', path.read_text(encoding="utf-8"))
    }
    assert used <= known
    assert len(used) > 50
