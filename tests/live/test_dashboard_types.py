"""The shipped dashboards against Grafana's own types of dashboards, panels and queries, of the oldest and newest Grafana.

The types are those of the npm package @grafana/schema, checked by TypeScript: an option that a panel does not know,
or a value that it does not take, is an error. Grafana itself would ignore it.
"""

import copy
import json
import re
import subprocess

import pytest
from dashboards import ROOT, boards
from program import note

VERSIONS = ["10.4.19", "13.2.3"]
TYPESCRIPT = "5.9.3"
TYPES = {
    "bargauge": "bargauge/panelcfg/x/BarGaugePanelCfg",
    "heatmap": "heatmap/panelcfg/x/HeatmapPanelCfg",
    "stat": "stat/panelcfg/x/StatPanelCfg",
    "status-history": "statushistory/panelcfg/x/StatusHistoryPanelCfg",
    "table": "table/panelcfg/x/TablePanelCfg",
    "text": "text/panelcfg/x/TextPanelCfg",
    "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg",
}
# Queries of Prometheus have their types in the first version only; they have hardly changed.
QUERY = "prometheus/dataquery/x/PrometheusDataQuery"


def installed(version):
    """The folder with the types of that version."""
    folder = ROOT / ".venv" / f"grafana-{version}"
    package = folder / "node_modules" / "@grafana" / "schema"
    if not (folder / "ready").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", f"@grafana/schema@{version}", f"typescript@{TYPESCRIPT}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"npm: {done.stderr}")
        loosened([it for it in package.glob("dist/**/*.d.ts") if "/schema/" not in str(it.relative_to(package))])
        (folder / "ready").touch()
    return folder


def loosened(files):
    """A member of an enumeration may be written as its value, as it is in JSON; TypeScript takes its name alone."""
    texts, values = {it: it.read_text() for it in files}, {}

    def union(match):
        members = re.findall(r"(\w+)\s*=\s*(\"[^\"]*\"|-?\d+)", match.group(3))
        values.update({f"{match.group(2)}.{name}": value for name, value in members})
        return f"{match.group(1)}type {match.group(2)} = {' | '.join(value for _, value in members)};"

    for path in files:
        texts[path] = re.sub(r"((?:export )?(?:declare )?)enum (\w+(?:\$\d+)?) \{(.*?)\n\}", union, texts[path], flags=re.S)
    for path in files:
        path.write_text(re.sub(r"\b\w+(?:\$\d+)?\.\w+\b", lambda it: values.get(it.group(), it.group()), texts[path]))


def program(folder, all_boards):
    """TypeScript that says of each part of each dashboard which type it has, and for each line which part it is."""
    raw = "@grafana/schema/dist/esm/raw/composable"
    lines, parts = ["import type { Dashboard, Panel } from '@grafana/schema';"], [None]

    def add(line, part=None):
        lines.append(line)
        parts.append(part)

    for kind, path in TYPES.items():
        add(f"import type * as {kind.replace('-', '')} from '{raw}/{path}_types.gen';")
    queries = (folder / "node_modules" / raw / f"{QUERY}_types.gen.d.ts").exists()
    if queries:
        add(f"import type {{ PrometheusDataQuery }} from '{raw}/{QUERY}_types.gen';")

    def say(kind, value, where):
        add(f"export const it{len(lines)}: {kind} = {json.dumps(value)};", where)

    for board in all_boards:
        frame = copy.deepcopy(board.json) | {"panels": []}
        for it in frame["annotations"]["list"]:
            # The model knows Grafana's own annotations only, not those of a data source.
            for key in ("target", "titleFormat", "textFormat", "useValueForTime"):
                it.pop(key)
        say("Dashboard", frame, board.at("title", board.title))
        for panel in board.panels():
            kind = panel["type"].replace("-", "")
            custom = f"{kind}.FieldConfig" if panel["type"] not in ("bargauge", "stat", "text") else "Record<string, unknown>"
            where = f"{board.at('title', panel['title'])}: panel '{panel['title']}'"
            say(f"Panel<{kind}.Options, {custom}>", {key: it for key, it in panel.items() if key != "targets"}, where)
            for target in panel.get("targets", []) if queries else []:
                say("PrometheusDataQuery", target, f"{board.at('expr', target['expr'])}: query of panel '{panel['title']}'")
    return "\n".join(lines), parts


def errors(folder, all_boards):
    text, parts = program(folder, all_boards)
    (folder / "dashboards.ts").write_text(text)
    compiler = folder / "node_modules" / ".bin" / "tsc"
    flags = ["--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "node", "--target", "es2020"]
    done = subprocess.run([compiler, *flags, "dashboards.ts"], cwd=folder, capture_output=True, text=True)
    found = [re.match(r"dashboards\.ts\((\d+),\d+\): error TS\d+: (.*)", it) for it in done.stdout.splitlines()]
    said = [f"{parts[int(it.group(1)) - 1]}: {it.group(2)}" for it in found if it]
    if done.returncode and not said:
        pytest.fail(f"tsc: {done.stdout}{done.stderr}")
    return said


def test_dashboard_types():
    for version in VERSIONS:
        folder = installed(version)
        said = errors(folder, boards())
        if said:
            pytest.fail("\n".join(f"{it} (Grafana {version})" for it in said))
        broken = boards()
        panel = next(it for it in broken[0].panels() if it["type"] == "timeseries")
        panel["options"]["legends"] = panel["options"].pop("legend")
        panel["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "lines"
        if len(errors(folder, broken)) < 1:
            pytest.fail(f"an option that Grafana {version} does not know is not found out")
    note(f"{len(boards())} dashboards have the types of Grafana {' and '.join(VERSIONS)}")
