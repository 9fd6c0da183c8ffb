"""What `lab scale` prints: rates beside their ratio to linear, and whether anything differs."""

from io import StringIO

from rich.console import Console

from deploy.lab.scale import PARTITIONS, show

VALUES = {
    "partitions": PARTITIONS,
    "latency_seconds": 0.02,
    "items": 1600,
    "rates": [
        {"replays": 1, "items_per_second": 100.0, "of_linear": 1.0},
        {"replays": 2, "items_per_second": 150.0, "of_linear": 0.75},
    ],
    "joined_seconds": 4.0,
    "different_targets": [],
}


def printed(values: dict[str, object]) -> str:
    out = StringIO()
    show(Console(file=out, width=100), values)
    return out.getvalue()


def test_every_rate_stands_beside_its_ratio_to_linear() -> None:
    said = printed(VALUES)
    assert "20 ms" in said
    assert "150" in said
    assert "0.75" in said
    assert "had work after 4.0 s" in said
    assert "differ from the source: none" in said


def test_a_target_that_differs_is_named() -> None:
    assert "differ from the source: by2" in printed({**VALUES, "different_targets": ["by2"]})
