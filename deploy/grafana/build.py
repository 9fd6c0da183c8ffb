"""Grafana's JSON from the table of panels: run as a module it writes `dashboards/`, or TypeScript to a path."""

import json
import sys
from pathlib import Path
from typing import Any

from deploy.grafana.panels import DASHBOARDS, Panel

DIRECTORY = Path(__file__).parent / "dashboards"
COLUMNS, WIDTH, HEIGHT = 24, 12, 8
SCHEMA_VERSION = 39
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard(name: str) -> dict[str, Any]:
    """Return one dashboard as Grafana reads it."""
    return {
        "uid": f"mailshadow-{name}",
        "title": f"mailshadow / {name.capitalize()}",
        "tags": ["mailshadow"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(DASHBOARDS[name])],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    place = {"x": number * WIDTH % COLUMNS, "y": number // (COLUMNS // WIDTH) * HEIGHT, "w": WIDTH, "h": HEIGHT}
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": {},
        "targets": [
            {"refId": chr(ord("A") + n), "datasource": DATASOURCE, "expr": expression, "legendFormat": legend}
            for n, (expression, legend) in enumerate(panel.queries)
        ],
    }


def text(name: str) -> str:
    """Return the file of a dashboard."""
    return json.dumps(dashboard(name), indent=2) + "\n"


def typescript() -> str:
    """Return all dashboards as TypeScript, for Grafana's own types to check."""
    head = "import type { Dashboard } from '@grafana/schema';\nexport const dashboards: Array<Partial<Dashboard>> = "
    return head + json.dumps([dashboard(name) for name in DASHBOARDS], indent=2) + ";\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(typescript(), encoding="utf-8")
        sys.exit()
    for one in DASHBOARDS:
        (DIRECTORY / f"{one}.json").write_text(text(one), encoding="utf-8")
