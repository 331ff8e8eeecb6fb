#!/usr/bin/env python3
"""Generates files of the chart.

    generate.py            write the files
    generate.py --check    report outdated files with the first line that differs; exit status 1 if there is one

The table of README.md and values.schema.json are generated from values.yaml, the schema of `config` from
docs/configuration.md. files/dashboards are copies of grafana/, because a chart can only read files below itself and symbolic links do not survive
every clone and package; files/collector-flags.txt has the flags that templates accept; files/hostnorm-rules.yml is made by prometheus/mixin/generate.sh. Requires PyYAML.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
CHART = ROOT / "helm/hostnorm"
NODE_EXPORTER = CHART / "files/node-exporter-values.yaml"
BEGIN = "<!-- values: written by helm/generate.py from values.yaml -->"
END = "<!-- end of values -->"

# Settings that the chart derives from other values.
MADE_BY_CHART = {"storage.path", "web.listen_address", "web.systemd_socket", "web.control_socket", "web.config_file", "path.procfs", "path.sysfs", "path.rootfs"}

# The JSON schema of each type in docs/configuration.md. Helm reads an unquoted `off` as false.
TAKES = {
    "a duration": {"type": "string", "pattern": "^(0|([0-9]+(ms|[smhdwy]))+)$"},
    "a whole number": {"type": "integer"},
    "a number": {"type": "number"},
    "a size": {"type": "string", "pattern": "^[0-9]+([kKMGT]i?)?B$"},
    "a budget": {"type": ["string", "boolean"]},
    "a directory": {"type": "string"},
    "text": {"type": "string"},
    "a list of text": {"type": "array", "items": {"type": "string"}},
    "true or false": {"type": "boolean"},
    "a list of windows": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["cron", "duration"],
            "properties": {it: {"type": "string"} for it in ("cron", "duration", "name")},
        },
    },
    "a list of logs": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                **{it: {"type": "object"} for it in ("file", "journald", "syslog", "loki", "victorialogs")},
            },
        },
    },
}


class Value:
    """A key of values.yaml with the comments above it."""

    def __init__(self, path, node, comments):
        self.path, self.node = path, node
        self.default = yaml.safe_load(yaml.serialize(node))
        about, extra = [], {}
        for line in comments:
            if line.startswith("@schema "):
                extra = json.loads(line.removeprefix("@schema "))
            elif line.startswith("-- "):
                about = [line.removeprefix("-- ")]
            elif about:
                about.append(line)
        self.about, self.extra = " ".join(about), extra

    def schema(self):
        """The schema of the type of the default, with the additions of the comment."""
        types = {bool: "boolean", str: "string", int: "integer", float: "number", list: "array", dict: "object"}
        made = {"description": self.about} if self.about else {}
        if "$ref" not in self.extra and "enum" not in self.extra and "const" not in self.extra:
            if self.default is None and "type" not in self.extra:
                sys.exit(f"values.yaml: {self.path} is null; say its type in a comment @schema")
            if self.default is not None:
                made["type"] = types[type(self.default)]
        return {**made, **self.extra}


def values(text):
    """All described values in order, and their sections."""
    lines = text.splitlines()

    def comments(line, indent):
        found = []
        for above in reversed(lines[:line]):
            if not above.startswith(" " * indent + "# "):
                break
            found.insert(0, above[indent + 2 :])
        return found

    def walk(node, prefix):
        for key, value in node.value:
            path = f"{prefix}.{key.value}" if prefix else key.value
            it = Value(path, value, comments(key.start_mark.line, key.start_mark.column))
            yield it
            if not it.about:
                if not isinstance(value, yaml.MappingNode) or not value.value:
                    sys.exit(f"values.yaml:{key.start_mark.line + 1}: {path} has no comment that begins with --")
                yield from walk(value, path)

    return list(walk(yaml.compose(text), ""))


def schema(found):
    root = {"type": "object", "additionalProperties": False, "properties": {}}
    places = {"": root}
    for it in found:
        prefix, _, key = it.path.rpartition(".")
        made = it.schema()
        if not it.about:
            made = {"type": "object", "additionalProperties": False, "properties": {}, **it.extra}
            places[it.path] = made
        places[prefix]["properties"][key] = made
    for it in yaml.safe_load(NODE_EXPORTER.read_text()):
        foreign(root, it["key"].split("."))
    # Helm adds this to the values of a dependency.
    about = "For charts that have this one as a dependency, as its condition"
    root["properties"]["enabled"] = {"type": "boolean", "description": about}
    alerts = re.findall(r'alert: "(\w+)"', (ROOT / "prometheus/hostnorm-rules.yml").read_text())
    mount = {"name": {"type": "string"}, "mountPath": {"type": "string"}}
    host = {
        "hostPath": {"type": "string"},
        "type": {"type": "string"},
        "readOnly": {"type": "boolean"},
        "mountPropagation": {"enum": ["None", "HostToContainer", "Bidirectional"]},
    }
    closed = {"type": "object", "additionalProperties": False}
    root["$defs"] = {
        "alert": {"enum": alerts},
        "config": settings((ROOT / "docs/configuration.md").read_text()),
        "durations": {**closed, "properties": {it: {"type": "string", "pattern": "^([0-9]+(ms|[smhdwy]))+$"} for it in alerts}},
        "hostMount": {**closed, "properties": {**mount, **host}, "required": ["name", "mountPath", "hostPath"]},
        "severities": {**closed, "properties": {it: {"type": "string", "minLength": 1} for it in alerts}},
        "mount": {**closed, "properties": mount, "required": ["name", "mountPath"]},
    }
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart hostnorm"}
    return json.dumps({**head, **root}, indent=2) + "\n"


def foreign(schema, keys):
    """Allows a value of another chart, whatever it is; the templates refuse it where it would have an effect there."""
    known = schema["properties"].get(keys[0])
    if known is None:
        schema["properties"][keys[0]] = {"description": "A value of the chart prometheus-node-exporter"}
    elif "properties" in known:
        foreign(known, keys[1:])


def settings(text):
    """The schema of the settings file, from the table of settings."""
    root = {"type": "object", "additionalProperties": False, "properties": {}}
    for line in re.findall(r"^\| `.*", text, re.M):
        row = re.fullmatch(r"\| `([a-z0-9_.]+)` \| .* \| ([^|]+) \| ([^|]*) \|", line)
        if row is None:
            sys.exit(f"docs/configuration.md: helm/generate.py does not understand the line {line}")
        key, takes, about = row.groups()
        if key in MADE_BY_CHART:
            continue
        choice = takes.removeprefix("one of ").split(", ")
        of = {"enum": [*choice, True, False]} if choice == ["on", "off"] else {"type": "string", "enum": choice} if takes.startswith("one of ") else TAKES.get(takes)
        if of is None:
            sys.exit(f"docs/configuration.md: {key} takes {takes!r}, which helm/generate.py does not know")
        *sections, name = key.split(".")
        place = root
        for section in sections:
            place = place["properties"].setdefault(section, {"type": "object", "additionalProperties": False, "properties": {}})
        place["properties"][name] = {"description": about, **of}
    return root


def flags():
    """The flags of collectors, one a line: those of settings, and those of node_exporter with the same meaning."""
    collectors = re.findall(r"^\| `(collector\.\w+)`", (ROOT / "docs/configuration.md").read_text(), re.M)
    aliases = (ROOT / "src/cli/node_exporter_flags.rs").read_text().partition("const ALIASES")[2].partition("];")[0]
    found = [f"{no}{it}" for it in collectors for no in ("", "no-")] + re.findall(r'"(collector\.[a-z.-]+)"', aliases)
    return "\n".join(sorted([*found, "collector.disable-defaults"])) + "\n"


def table(found):
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for it in found:
        if it.about:
            default = json.dumps(it.default).replace("|", "\\|")
            rows.append(f"| `{it.path}` | `{default}` | {it.about}. |")
    return "\n".join(rows)


def files():
    """Each file with its expected text."""
    text = (CHART / "values.yaml").read_text()
    found = values(text)
    made = {CHART / "values.schema.json": schema(found)}
    for source in sorted((ROOT / "grafana/dashboards").glob("*.json")):
        made[CHART / "files/dashboards" / source.name] = source.read_text()
    made[CHART / "files/collector-flags.txt"] = flags()
    readme = CHART / "README.md"
    head, begin, rest = readme.read_text().partition(BEGIN)
    if not begin or END not in rest:
        sys.exit(f"{readme.relative_to(ROOT)} has no lines {BEGIN} and {END}")
    made[readme] = head + begin + "\n" + table(found) + "\n" + END + rest.partition(END)[2]
    return made


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        sys.exit(64)
    check, status, made = bool(sys.argv[1:]), 0, files()
    for stale in set((CHART / "files/dashboards").rglob("*.*")) - set(made):
        print(f"{stale.relative_to(ROOT)}: has no source; delete it")
        status = 1
    for path, text in made.items():
        old = path.read_text() if path.exists() else ""
        if old == text:
            continue
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            continue
        pairs = zip((old + "\n").splitlines(), text.splitlines())
        line = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), 1)
        print(f"{path.relative_to(ROOT)}:{line}: is out of step with its source; run helm/generate.py")
        status = 1
    sys.exit(status)


if __name__ == "__main__":
    main()
