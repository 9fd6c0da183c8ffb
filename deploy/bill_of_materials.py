"""What is installed, as a CycloneDX 1.5 document (cyclonedx.org): `python -m deploy.bill_of_materials`."""

import json
import sys
from importlib.metadata import Distribution, distributions, version


def bill_of_materials() -> dict[str, object]:
    """Return every installed distribution with its version, licence and package URL, in the order of names."""
    found = {d.name.lower().replace("_", "-"): d for d in distributions()}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "mailshadow", "version": version("mailshadow")}},
        "components": [_component(name, found[name]) for name in sorted(found)],
    }


def _component(name: str, distribution: Distribution) -> dict[str, object]:
    told = distribution.metadata
    licence = next((str(told[n]) for n in ("License-Expression", "License") if n in told), "")
    component: dict[str, object] = {
        "type": "library",
        "name": name,
        "version": distribution.version,
        "purl": f"pkg:pypi/{name}@{distribution.version}",
    }
    # some put the whole text there
    return component | ({"licenses": [{"license": {"name": licence}}]} if 0 < len(licence) <= 80 else {})  # noqa: PLR2004


if __name__ == "__main__":
    json.dump(bill_of_materials(), sys.stdout, indent=1)
