#!/usr/bin/env python3
"""Writes the dashboards as grafana.com takes them: the data source is asked for at import.

    dashboards.py DIRECTORY

The files of grafana/dashboards are for provisioning and for the sidecar of Kubernetes, which cannot answer `__inputs`.
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# The oldest Grafana that the dashboards are checked with.
GRAFANA = "10.4.0"
INPUT = "DS_PROMETHEUS"
NAMES = {
    "bargauge": "Bar gauge",
    "heatmap": "Heatmap",
    "stat": "Stat",
    "status-history": "Status history",
    "table": "Table",
    "text": "Text",
    "timeseries": "Time series",
}


def panels(board):
    for panel in board["panels"]:
        yield from [it for it in [panel, *panel.get("panels", [])] if it["type"] != "row"]


def published(board):
    """The dashboard with its inputs and requirements. The variable `datasource` keeps its place, with the answer as its value."""
    kinds = sorted({it["type"] for it in panels(board)})
    for variable in board["templating"]["list"]:
        if variable["type"] == "datasource":
            variable["current"] = {"selected": True, "text": f"${{{INPUT}}}", "value": f"${{{INPUT}}}"}
    return {
        "__inputs": [
            {
                "name": INPUT,
                "label": "Prometheus",
                "description": "The Prometheus that scrapes hostnorm and evaluates prometheus/hostnorm-rules.yml",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__elements": {},
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": GRAFANA},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            *({"type": "panel", "id": it, "name": NAMES[it], "version": ""} for it in kinds),
        ],
        **board,
        "id": None,
        "editable": True,
    }


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(64)
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted((ROOT / "grafana/dashboards").glob("*.json")):
        made = published(json.loads(path.read_text()))
        (out / f"hostnorm-{path.name}").write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
