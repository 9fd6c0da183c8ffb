from pathlib import Path

from deploy.metrics_table import FAMILIES, text
from schemas import fleet_metrics, metrics


def test_the_document_is_what_the_declarations_say(repository: Path) -> None:
    assert (repository / "deploy" / "metrics.md").read_text() == text()


def test_every_family_is_in_it() -> None:
    declared = {v for m in (metrics, fleet_metrics) for n, v in vars(m).items() if n.endswith("Metrics")}
    assert set(FAMILIES.values()) == declared
