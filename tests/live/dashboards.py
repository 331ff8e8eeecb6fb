"""The shipped dashboards as the checks see them: panels, queries with their lines, and what queries are made of."""

import dataclasses
import json
import pathlib
import re

import promql_parser

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / "grafana" / "dashboards"

# Stands for a variable of Grafana where a duration has to be. None of them is in any query.
STAND_IN = {"$__rate_interval": "7m", "$__range": "7d", "$__interval": "7s"}
RATE_INTERVAL_SECONDS = 7 * 60

# The labels that Prometheus and the operator give to each series.
TARGET_LABELS = {"job", "instance", "cluster"}


@dataclasses.dataclass
class Query:
    """A query of a panel, a variable or an annotation."""

    board: "Board"
    # What it belongs to, as a person would call it.
    of: str
    # The title of the panel, or the name of the variable or of the annotation.
    title: str
    expr: str
    # The JSON object that holds it.
    holder: dict
    # The panel around it, if any.
    panel: dict | None = None
    # The label that a variable takes its values from.
    label: str | None = None

    @property
    def where(self):
        return self.board.at(*("query", self.holder["query"]) if self.label else ("expr", self.expr))

    @property
    def instant(self):
        return bool(self.holder.get("instant"))


class Board:
    """A dashboard with its text, so that findings name a line."""

    def __init__(self, path, text=None):
        self.path = path
        self.text = path.read_text() if text is None else text
        self.json = json.loads(self.text)

    @property
    def title(self):
        return self.json["title"]

    def at(self, key, value):
        """`file:line` of the first such member, or of the file."""
        wanted = json.dumps(value, ensure_ascii=False)
        # An object spans lines: its first member is found instead.
        if isinstance(value, dict):
            key, wanted = next((k, json.dumps(v, ensure_ascii=False)) for k, v in value.items() if isinstance(v, str))
        name = self.path.relative_to(ROOT) if self.path.is_relative_to(ROOT) else self.path
        for number, line in enumerate(self.text.splitlines(), 1):
            if f'"{key}": {wanted}' in line:
                return f"{name}:{number}"
        return f"{name}:1"

    def panels(self):
        """Each panel, those in folded rows as well, without the rows."""
        for panel in self.json["panels"]:
            yield from (it for it in [panel, *panel.get("panels", [])] if it["type"] != "row")

    def variables(self):
        return self.json["templating"]["list"]

    def queries(self):
        for panel in self.panels():
            for target in panel.get("targets", []):
                yield Query(self, f"panel '{panel['title']}'", panel["title"], target["expr"], target, panel)
        for it in self.variables():
            if it["type"] == "query":
                expr, label = re.fullmatch(r"label_values\((.+), *(\w+)\)", it["query"]["query"]).groups()
                yield Query(self, f"variable '{it['name']}'", it["name"], expr, it["query"], label=label)
        for it in self.json["annotations"]["list"]:
            yield Query(self, f"annotation '{it['name']}'", it["name"], it["target"]["expr"], it["target"])


def boards():
    return [Board(it) for it in sorted(FOLDER.glob("*.json"))]


def parse(expr):
    """The syntax tree; a ValueError says what is wrong."""
    for variable, value in STAND_IN.items():
        expr = expr.replace(variable, value)
    return promql_parser.parse(expr)


def nodes(tree, inside=()):
    """Each node with the names of the functions and the ranges around it, outermost first."""
    kind = type(tree).__name__
    yield tree, inside
    if kind == "Call":
        for it in tree.args:
            yield from nodes(it, (*inside, tree.func.name))
    elif kind == "MatrixSelector":
        yield from nodes(tree.vector_selector, (*inside, tree.range))
    elif kind == "BinaryExpr":
        yield from nodes(tree.lhs, inside)
        yield from nodes(tree.rhs, inside)
    elif kind in ("AggregateExpr", "ParenExpr", "SubqueryExpr", "UnaryExpr"):
        yield from nodes(tree.expr, inside)


def grouped(tree):
    """The labels that aggregations and joins in the tree name."""
    for node, _ in nodes(tree):
        if type(node).__name__ == "AggregateExpr" and node.modifier:
            yield from node.modifier.labels
        if type(node).__name__ == "BinaryExpr" and node.modifier and node.modifier.matching:
            yield from node.modifier.matching.labels


def documented():
    """Name → (type, labels) of each metric in docs/metrics.md."""
    found = {}
    for line in (ROOT / "docs" / "metrics.md").read_text().splitlines():
        cells = [it.strip() for it in line.strip("|").split("|")]
        if len(cells) >= 4 and cells[1] in ("gauge", "counter", "histogram", "info"):
            name, labels = cells[0].strip("`"), set(re.findall(r"\w+", cells[2]))
            found[name] = (cells[1], labels)
            if cells[1] == "histogram":
                found |= {f"{name}_{end}": ("counter", labels) for end in ("count", "sum")}
                found[f"{name}_bucket"] = ("counter", labels | {"le"})
    return found


def recorded():
    """Names that the shipped recording rules make."""
    files = (ROOT / "prometheus").glob("*.y*ml")
    return {name for it in files for name in re.findall(r"^\s*(?:- )?\"?record\"?: *[\"']?([\w:]+)", it.read_text(), re.M)}


def listed(name):
    """The lines of a list beside the checks: (line, cells), comments left out."""
    path = pathlib.Path(__file__).with_name(name)
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line and not line.startswith("#"):
            yield f"{path.relative_to(ROOT)}:{number}", [it.strip() for it in line.split("|")]
