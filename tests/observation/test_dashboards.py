"""The dashboards as files: made of the table, whole, and about nothing but declared metrics."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.grafana.build import text
from deploy.grafana.panels import DASHBOARDS
from schemas import fleet_metrics, metrics

FAMILIES = [v for m in (metrics, fleet_metrics) for n, v in vars(m).items() if n.endswith("Metrics")]
SUFFIXES = re.compile(r"_(bucket|count|sum)$")


def declared() -> set[str]:
    names = set()
    for family in FAMILIES:
        for metric in vars(family(CollectorRegistry())).values():
            (one,) = metric.describe()
            names.add(one.name + ("_total" if one.type == "counter" else ""))
    return names


def used() -> set[str]:
    found = [e for panels in DASHBOARDS.values() for p in panels for e, _ in p.queries]
    return {SUFFIXES.sub("", name) for e in found for name in re.findall(r"mailshadow_[a-z_]+", e)}


def test_the_six_dashboards_are_there() -> None:
    assert set(DASHBOARDS) == {"fleet", "mailbox", "feed", "replay", "kafka", "failover"}


@pytest.mark.parametrize("name", DASHBOARDS)
def test_the_file_is_what_the_table_makes(repository: Path, name: str) -> None:
    assert (repository / "deploy" / "grafana" / "dashboards" / f"{name}.json").read_text() == text(name)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_have_their_own_id_and_place_a_title_and_a_unit(name: str) -> None:
    panels: list[dict[str, Any]] = json.loads(text(name))["panels"]
    assert len({p["id"] for p in panels}) == len({p["title"] for p in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells
        assert at["x"] + at["w"] <= 24
        cells |= taken
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]


def test_every_declared_metric_is_on_a_dashboard_and_every_dashboard_metric_is_declared() -> None:
    assert used() == declared()
