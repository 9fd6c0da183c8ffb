import re
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from schemas import fleet_metrics
from schemas import metrics as module

FAMILIES = [
    v for one in (module, fleet_metrics) for n, v in vars(one).items() if isinstance(v, type) and n.endswith("Metrics")
]
FOREIGN_UNITS = re.compile(r"_(ms|millis|milliseconds|minutes|hours|kb|mb|kib|mib|percent)(_|$)")


def declared() -> list[Metric]:
    registry = CollectorRegistry()
    for family in FAMILIES:
        family(registry)
    return [metric for metric in registry.collect() if isinstance(metric, Metric)]


def test_all_families_fit_in_one_registry_so_names_are_unique() -> None:
    assert len(FAMILIES) == len(["session", "worker", "partition", "feed", "replay", "door", "fleet", "worst", "log"])
    names = [m.name for m in declared()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", declared(), ids=lambda m: m.name)
def test_a_metric_has_our_prefix_base_units_and_a_sentence(metric: Metric) -> None:
    assert re.fullmatch(r"mailshadow_[a-z_]+", metric.name)
    assert not FOREIGN_UNITS.search(metric.name)
    assert metric.documentation.endswith(".")


def _values(family: type) -> dict[str, Any]:
    return dict(vars(family(CollectorRegistry())))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_counters_end_in_total_and_nothing_else_does(family: type) -> None:
    for metric in _values(family).values():
        (described,) = metric.describe()
        exposed = described.name + ("_total" if described.type == "counter" else "")
        assert exposed.endswith("_total") is (described.type == "counter")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_labels_hold_no_address_subject_or_item(family: type) -> None:
    allowed = {"server", "operation", "outcome", "mailbox", "code", "kind", "finding", "partition", "reason"}
    allowed |= {"role", "target", "state", "directory", "stage", "health", "topic", "setting", "group", "over_seconds"}
    allowed |= {"protocol", "status"}
    for metric in _values(family).values():
        assert set(metric._labelnames) <= allowed


def test_buckets_grow() -> None:
    assert list(module.SECONDS_BUCKETS) == sorted(set(module.SECONDS_BUCKETS))
