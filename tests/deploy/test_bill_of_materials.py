"""What is in the image, by name and version."""

from importlib.metadata import version
from typing import Any

from deploy.bill_of_materials import bill_of_materials


def test_every_distribution_has_its_version_and_package_url() -> None:
    found: Any = bill_of_materials()
    components = {c["name"]: c for c in found["components"]}
    assert found["bomFormat"] == "CycloneDX"
    assert components["confluent-kafka"]["version"] == version("confluent-kafka")
    assert components["lxml"]["purl"] == f"pkg:pypi/lxml@{version('lxml')}"
