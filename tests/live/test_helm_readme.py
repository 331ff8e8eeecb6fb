"""What the README of the chart says about values of prometheus-node-exporter is what the chart has and refuses."""

import re

import pytest
import yaml
from chart import CHART

pytestmark = pytest.mark.newest(never=True, reason="does not depend on the version of Helm")


def paths(node, prefix=""):
    """The path of each key, such as service.port."""
    for key, value in node.items() if isinstance(node, dict) else ():
        yield f"{prefix}{key}"
        yield from paths(value, f"{prefix}{key}.")


def keys(cell):
    """The keys in a cell of a table, without the value or the brackets behind them."""
    found = (re.fullmatch(r"([A-Za-z.]+)(\[\].*|: .*)?", it) for it in re.findall(r"`([^`]+)`", cell))
    return [it[1] for it in found if it]


def test_keys_that_differ():
    own = set(paths(yaml.safe_load((CHART / "values.yaml").read_text())))
    listed = yaml.safe_load((CHART / "files/node-exporter-values.yaml").read_text())
    # A row may name a whole group.
    foreign = {name for it in listed for name in (it["key"], it["key"].split(".")[0])}
    # jobLabel is a key of both monitors, for example.
    is_own = lambda key: any(it == key or it.endswith(f".{key}") for it in own)
    text = (CHART / "README.md").read_text()
    table = text.split("| in prometheus-node-exporter | in hostnorm |\n|---|---|\n")[1].split("\n\n")[0]
    rows = [line.strip("|").split(" | ") for line in table.splitlines()]
    assert len(rows) >= 12, rows
    for there, here in rows:
        assert keys(there), there
        wrong = [it for it in keys(there) if not is_own(it) and it not in foreign] + [it for it in keys(here) if not is_own(it)]
        assert not wrong, f"{there} | {here}: there is no value {wrong}"
