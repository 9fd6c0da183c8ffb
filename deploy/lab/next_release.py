"""What the next release may be: today's program under another version, with today's records or a field more in each."""

import json
import os
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

from schemas.codec import NAMESPACE, schema_texts

PACKAGES = ("schemas", "producers", "consumers", "deploy")
NEW_FIELD = {"name": "of_the_next_release", "type": "string", "default": ""}
NEXT_VERSION = "1000.0.0"


def make_next_release(directory: Path, *, changes_schemas: bool = True) -> dict[str, str]:
    """Make it in a directory; return the environment in which `python -m deploy` is that release.

    One that changes the schemas keeps today's beside them, to read what was written before.
    """
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(str(files(package))), directory / package, ignore=ignored)
    known = directory / f"mailshadow-{NEXT_VERSION}.dist-info"
    known.mkdir()
    (known / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mailshadow\nVersion: {NEXT_VERSION}\n")
    if changes_schemas:
        _change_schemas(directory / "schemas" / "avro")
    searched = [str(directory), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {"PYTHONPATH": os.pathsep.join(searched), "PYTHONSAFEPATH": "1"}


def _change_schemas(folder: Path) -> None:
    (folder / "earlier").mkdir(exist_ok=True)
    for record, text in schema_texts().items():
        (folder / "earlier" / f"{NAMESPACE}{record}.1.avsc").write_text(text, encoding="utf-8")
    for path in folder.glob("*.avsc"):
        schema: Any = json.loads(path.read_text(encoding="utf-8"))
        if schema["type"] == "record":
            schema["fields"].append(NEW_FIELD)
            path.write_text(json.dumps(schema), encoding="utf-8")
