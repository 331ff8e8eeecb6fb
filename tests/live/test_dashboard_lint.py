"""The shipped dashboards against the conditions of Grafana's dashboard-linter and the table of metrics.

The names of the conditions are those of dashboard-linter, as are those in grafana/dashboards/.lint.
"""

import copy
import json
import re

import pytest
import yaml
from dashboards import FOLDER, RATE_INTERVAL_SECONDS, ROOT, TARGET_LABELS, Board, boards, documented, grouped, listed, nodes, parse, recorded
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from program import note

UNITS = set(
    "percentunit bytes Bps binBps s iops ops pps short none bool_yes_no celsius dateTimeAsIso dateTimeFromNow".split()
)
# Prometheus's own series.
PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
# What Grafana reads although its published model of a dashboard does not have it: the queries of annotations and how
# these are called (processEvents in packages/grafana-prometheus/src/annotations.ts).
UNPUBLISHED = re.compile(r"^\.annotations\.list\[\d+\]\.(target\.\w+|titleFormat|textFormat|useValueForTime)$")


class Names:
    """Which metrics there are, each with its type and labels."""

    def __init__(self, docs, expected):
        self.known = {**docs, **{it: ("gauge", labels) for it, labels in PROMETHEUS.items()}}
        for where, (name, kind, labels) in expected:
            labels = set(labels.split())
            if name in recorded() or (name in docs and labels <= docs[name][1]):
                pytest.fail(f"{where}: {name} is documented or recorded by now: take it off this list")
            has = docs.get(name, (kind, set()))
            self.known[name] = (has[0], has[1] | labels)
        self.recorded = recorded()

    def of(self, name):
        return ("gauge", None) if name in self.recorded else self.known.get(name)


def datasources(board):
    found = [it for it in board.variables() if it["type"] == "datasource"]
    if [(it["name"], it["label"]) for it in found] != [("datasource", "Data source")]:
        yield "template-datasource-rule", board.at("title", board.title), "no variable 'datasource' labeled 'Data source', or too many"
    for panel in board.panels():
        for holder in [panel, *panel.get("targets", [])]:
            if panel["type"] != "text" and holder.get("datasource", {}).get("uid") != "${datasource}":
                yield "panel-datasource-rule", board.at("title", panel["title"]), f"panel '{panel['title']}' does not use ${{datasource}}"
    for it in board.variables() + board.json["annotations"]["list"]:
        if it.get("type") != "datasource" and it["datasource"]["uid"] not in ("${datasource}", "$datasource"):
            yield "template-datasource-rule", board.at("name", it["name"]), f"'{it['name']}' does not use ${{datasource}}"


def variables(board):
    for name in ("job", "instance"):
        rule = f"template-{name}-rule"
        it = next((it for it in board.variables() if it["name"] == name), None)
        if it is None:
            yield rule, board.at("title", board.title), f"no variable '{name}'"
            continue
        wanted = {"type": "query", "label": name.title(), "multi": True, "includeAll": True, "allValue": ".+"}
        for key, value in wanted.items():
            if it.get(key) != value:
                yield rule, board.at("name", name), f"variable '{name}': {key} is {it.get(key)!r}, not {value!r}"
    for it in board.variables():
        if it["type"] == "query" and it["refresh"] != 2:
            yield "template-on-time-change-reload-rule", board.at("name", it["name"]), f"variable '{it['name']}' is not asked again when the time range changes"


def shape(board):
    top = board.at("title", board.title)
    if board.json["editable"]:
        yield "uneditable-dashboard", board.at("editable", True), "is editable"
    for key, wanted in {"id": None, "schemaVersion": 39, "timezone": "browser", "graphTooltip": 1, "tags": ["hostnorm-mixin"]}.items():
        if board.json[key] != wanted:
            yield "shape", top, f"{key} is {board.json[key]!r}, not {wanted!r}"
    if not 1 <= len(board.json["uid"]) <= 40:
        yield "shape", top, "uid is not of 1 to 40 characters"
    for word in ("DS_PROMETHEUS", "__inputs"):
        if word in board.text:
            yield "shape", top, f"{word}: provisioning does not resolve it"
    if len(board.text) > 1 << 20:
        yield "shape", top, "is over 1 MiB, the most that a ConfigMap holds"
    known = {it["name"] for it in board.variables()}
    for used in set(re.findall(r"\$\{?([a-z_]+)", re.sub(r"\$\{?__\w+", "", board.text))) - known:
        yield "shape", top, f"variable '{used}' is used and there is none"


def panels(board):
    for panel in board.panels():
        where, title = board.at("title", panel["title"]), f"panel '{panel['title']}'"
        if panel["type"] == "text":
            continue
        if not panel["title"] or not panel.get("description"):
            yield "panel-title-description-rule", where, f"{title} has no title or no description"
        if not panel.get("targets"):
            yield "panel-no-targets-rule", where, f"{title} has no query"
        defaults = panel["fieldConfig"]["defaults"]
        unit = panel["options"]["cellValues"]["unit"] if panel["type"] == "heatmap" else defaults.get("unit")
        for it in [unit, *(p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit")]:
            if it not in UNITS and not defaults.get("mappings"):
                yield "panel-units-rule", where, f"{title} has the unit {it!r}"


def places(board):
    """Panels side by side, none over another, within 24 columns; ids once."""
    taken, ids = {}, set()
    for panel in [it for it in board.json["panels"]] + [p for it in board.json["panels"] for p in it.get("panels", [])]:
        if panel["id"] in ids:
            yield "shape", board.at("title", panel["title"]), f"panel '{panel['title']}' has the id of another"
        ids.add(panel["id"])
    for group in [board.json["panels"], *(it["panels"] for it in board.json["panels"] if it.get("panels"))]:
        taken.clear()
        for panel in group:
            at = panel["gridPos"]
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                if cell in taken or cell[0] >= 24:
                    other = taken.get(cell, "the edge")
                    yield "shape", board.at("title", panel["title"]), f"panel '{panel['title']}' lies over {other}"
                    break
                taken[cell] = f"'{panel['title']}'"


def queries(board, names):
    for query in board.queries():
        try:
            tree = parse(query.expr)
        except ValueError as error:
            yield "target-promql-rule", query.where, f"{query.of}: {error}: {query.expr}"
            continue
        for rule, text in wrong(query, tree, names):
            yield rule, query.where, f"{query.of}: {text}: {query.expr}"


def wrong(query, tree, names):
    labels = set(TARGET_LABELS)
    open_ended = False
    for node, inside in nodes(tree):
        kind = type(node).__name__
        if kind == "Call" and node.func.name in ("rate", "irate", "increase"):
            if query.panel and node.args[0].range.total_seconds() != RATE_INTERVAL_SECONDS:
                yield "target-rate-interval-rule", f"{node.func.name} without [$__rate_interval]"
        if kind == "Call" and node.func.name == "label_replace":
            labels.add(node.args[1].val)
        if kind != "VectorSelector":
            continue
        known = names.of(node.name)
        if known is None:
            yield "metric", f"there is no metric {node.name}"
            continue
        if node.name == "ALERTS" or known[1] is None:
            open_ended = True
        if known[0] == "counter" and query.panel and not {"rate", "irate", "increase"} & set(inside):
            yield "target-counter-agg-rule", f"counter {node.name} outside of rate, irate and increase"
        matchers = {it.name: it for it in node.matchers.matchers}
        for name in ("job", "instance"):
            it = matchers.get(name)
            # The values of a variable depend on those that stand before it.
            if not query.label and (it is None or str(it.op) != "MatchOp.Re" or it.value != f"${name}"):
                yield f"target-{name}-rule", f"{node.name} is not selected by {name}=~\"${name}\""
        labels |= known[1] or set()
        if known[1] is not None:
            for it in set(matchers) - known[1] - TARGET_LABELS:
                yield "label", f"{node.name} has no label {it}"
    if not open_ended:
        for it in set(grouped(tree)) - labels:
            yield "label", f"no metric in the query has the label {it}"
        for it in set(re.findall(r"\{\{(\w+)\}\}", query.holder.get("legendFormat", ""))) - labels:
            yield "label", f"the legend names the label {it}, which no metric in the query has"
        if query.label and query.label not in labels:
            yield "label", f"no metric in the query has the label {query.label}"


def understood(board):
    """What Grafana's own model of a dashboard does not know is lost on the way through it."""
    ours = copy.deepcopy(board.json)
    theirs = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(copy.deepcopy(ours))))
    for path, holder, key in lost(ours, theirs, ""):
        if not UNPUBLISHED.search(path):
            yield "schema", board.at(key, holder[key]) if isinstance(holder, dict) else board.at("title", board.title), f"unknown to Grafana: {path[1:]}"


def lost(ours, theirs, path):
    if isinstance(ours, dict):
        for key, value in ours.items():
            here = f"{path}.{key}"
            if value in (None, [], {}, "", False):
                continue
            if not isinstance(theirs, dict) or key not in theirs:
                yield here, ours, key
            else:
                yield from lost(value, theirs[key], here)
    elif isinstance(ours, list):
        for index, (mine, other) in enumerate(zip(ours, theirs)):
            yield from lost(mine, other, f"{path}[{index}]")


def provisioned():
    """The files for provisioning have no key that Grafana does not know, as far as they use any."""
    source = {"name", "uid", "type", "access", "url", "editable", "jsonData"}
    provider = {"name", "folder", "type", "disableDeletion", "allowUiUpdates", "updateIntervalSeconds", "options"}
    for file, key, known in [("datasources/prometheus.yaml", "datasources", source), ("dashboards/hostnorm.yaml", "providers", provider)]:
        path = FOLDER.parent / "provisioning" / file
        content = yaml.safe_load(path.read_text())
        if content["apiVersion"] != 1 or set(content) != {"apiVersion", key}:
            yield f"{path.relative_to(ROOT)}:1: is not version 1, or has more than {key}"
        for it in content.get(key, []):
            if set(it) - known:
                yield f"{path.relative_to(ROOT)}:1: unknown: {', '.join(set(it) - known)}"


def exceptions():
    """The entries of grafana/dashboards/.lint: (rule, title of dashboard, panel or variable) → whether it was needed."""
    rules = yaml.safe_load((FOLDER / ".lint").read_text())["exclusions"]
    found = {}
    for rule, it in rules.items():
        for entry in it["entries"]:
            if not entry.get("reason") and not it.get("reason"):
                pytest.fail(f"grafana/dashboards/.lint: an entry of {rule} has no reason")
            found[rule, entry["dashboard"], entry.get("panel")] = False
    return found


def findings(all_boards, names, allowed):
    for board in all_boards:
        for found in (datasources(board), variables(board), shape(board), panels(board), places(board), queries(board, names), understood(board)):
            for rule, where, text in found:
                title = re.search(r"(?:panel|annotation|variable) '(.*?)'", text)
                keys = [(rule, board.title, None), (rule, board.title, title and title.group(1))]
                key = next((it for it in keys if it in allowed), None)
                if key:
                    allowed[key] = True
                else:
                    yield f"{where}: {rule}: {text}"


# What is broken in a copy of a dashboard, and what must be said of it.
BROKEN = [
    ("fleet.json", "max(anomaly_score{", "max(anomaly_scores{", "there is no metric anomaly_scores"),
    ("itself.json", '"expr": "sum(up{cluster=~\\"$cluster\\", job=~\\"$job\\", ', '"expr": "sum(up{', "target-job-rule"),
    ("host.json", "rate(hostnorm_forks_total{", "deriv(hostnorm_forks_total{", "target-counter-agg-rule"),
    ("host.json", 'cpu_waiting_seconds_total{cluster=~\\"$cluster\\", job=~\\"$job\\", instance=~\\"$instance\\"}[$__rate_interval]', 'cpu_waiting_seconds_total{cluster=~\\"$cluster\\", job=~\\"$job\\", instance=~\\"$instance\\"}[5m]', "target-rate-interval-rule"),
    ("host.json", "sum by (signal, direction) (", "sum by (signal, side) (", "has the label side"),
    ("host.json", '"{{detector}}"', '"{{detectors}}"', "the legend names the label detectors"),
    ("fleet.json", "sum(is_anomaly{", "sum((is_anomaly{", "target-promql-rule"),
    ("fleet.json", '"unit": "percentunit"', '"unit": "percent"', "panel-units-rule"),
    ("fleet.json", '"uid": "${datasource}"', '"uid": "${DS_PROMETHEUS}"', "does not use ${datasource}"),
    ("containers.json", '"description": "Containers, pods and services that hostnorm scores."', '"description": ""', "panel-title-description-rule"),
    ("itself.json", '"editable": false', '"editable": true', "uneditable-dashboard"),
    ("fleet.json", '"maxDataPoints": ', '"mostDataPoints": ', "unknown to Grafana"),
]


def prove(names):
    """Each condition bites: a broken copy is named with its line, as is a metric that was renamed in the code."""
    for file, old, new, said in BROKEN:
        board = Board(FOLDER / file)
        if old not in board.text:
            pytest.fail(f"{file} has no {old} to break")
        line = board.text[: board.text.index(old)].count("\n") + 1
        broken = Board(board.path, board.text.replace(old, new, 1))
        found = [it for it in findings([broken], names, exceptions()) if said in it]
        at = re.match(r".*\.json:(\d+): ", found[0]) if found else None
        # What has a query is named by the line of that, a panel by that of its title, a dashboard by that of its own.
        near = old.startswith('"u') or "panel-" in said or abs(int(at.group(1)) - line) <= 4 if at else False
        if not near:
            pytest.fail(f"{file}:{line} with {new} instead of {old}: said {found}, expected {said}")
        if "metric" in said:
            note(f"a broken copy: {found[0][:110]}")
    renamed = copy.copy(names)
    renamed.known = {f"{name}s" if name == "is_anomaly" else name: it for name, it in names.known.items()}
    if not any("there is no metric is_anomaly" in it for it in findings(boards(), renamed, exceptions())):
        pytest.fail("a metric that was renamed in docs/metrics.md is not found out")


def test_dashboard_lint():
    names = Names(documented(), listed("dashboards_expected.txt"))
    allowed = exceptions()
    found = [*provisioned(), *findings(boards(), names, allowed)]
    found += [f"grafana/dashboards/.lint: {' '.join(filter(None, it))}: is no longer needed" for it, used in allowed.items() if not used]
    if found:
        pytest.fail("\n".join(found))
    prove(names)
    count = sum(1 for it in boards() for _ in it.queries())
    note(f"{len(boards())} dashboards, {sum(1 for it in boards() for _ in it.panels())} panels, {count} queries; {len(BROKEN) + 1} broken copies found out")
