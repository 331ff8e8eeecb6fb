"""The files in prometheus/ with the tools that load them; and that a mistake in one is told with file and line."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import pytest
from deployed import ROOT, SHIPPED, rules
from program import note

FORMAT = ["-n", "2", "--max-blank-lines", "2", "--string-style", "s", "--comment-style", "s", "--test"]

# What the labels of an alert are, and to whom it goes.
ROUTES = [
    ("alertname=HostAnomalous severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=HostAnomalySevere severity=critical job=hostnorm instance=db-1", "webhook,page"),
    ("alertname=HostAnomalyLong severity=info job=hostnorm instance=db-1", "webhook,mail"),
    ("alertname=FleetAnomalous severity=critical job=hostnorm", "webhook,page,chat"),
    ("alertname=HostnormDown severity=critical job=hostnorm instance=db-1", "webhook,page,chat"),
    ("alertname=HostnormAbsent severity=warning job=hostnorm", "webhook,chat"),
    ("alertname=HostnormSamplingStalled severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=HostnormCollectorFailing severity=warning job=hostnorm instance=db-1 collector=cpu", "webhook,chat"),
    ("alertname=HostnormModelStale severity=warning job=hostnorm instance=db-1 kind=host", "webhook,chat"),
    ("alertname=HostnormConfigReloadFailed severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=HostnormStoreFailing severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=HostnormBlind severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=SomebodyElses", "webhook,chat"),
]

# A file, what is changed in it, what finds that, and what it says of it.
STEP_OUT = r"prometheus/hostnorm-rules\.yml:\d+: is out of step"
MISTAKES = [
    ("hostnorm-rules.yml", r'is_anomaly\{job="hostnorm"\}', 'is_anomaly{job="x"', "rules", r"rules\.yml: \d+:\d+: .*HostAno"),
    ("hostnorm-rules.yml", r'for: "1m"', 'fro: "1m"', "rules", r"hostnorm-rules\.yml.*\n? +line \d+: field fro"),
    ("hostnorm-rules.yml", r"sort_desc", "sort_down", "sentences", r"__alert_FleetAnomalous:\d+:\d+"),
    ("hostnorm-rules.yml", r'severity: "info"', 'severity: "warning"', "generated", STEP_OUT),
    ("mixin/config.libsonnet", r"severeScore: 2", "severeScore: 3", "generated", STEP_OUT),
    ("mixin/config.libsonnet", r"severeScore: 2", "severScore: 2", "generated", r"severeScore"),
    ("mixin/alerts/alerts.libsonnet", r"\$\._config,", "$._confg,", "generated", r"alerts\.libsonnet:\(?\d+"),
    ("alertmanager.yml", r"receiver: page", "receiver: pager", "alertmanager", r"pager"),
    ("scrape.yml", r"static_configs", "static_config", "scrape", r"line \d+: field static_config"),
]


class Tools:
    """What each tool says of the shipped files."""

    def __init__(self, tools):
        self.tools = tools

    def __getattr__(self, name):
        return getattr(self.tools, name)

    def generated(self, shipped):
        return run(["bash", shipped / "mixin/generate.sh", "--check"], env={"JSONNET": self.jsonnet})

    def rules(self, shipped):
        examples = shipped / "examples/with-node-exporter.yml"
        files = [shipped / "hostnorm-rules.yml", examples]
        return run([self.promtool, "check", "rules", "--lint=all", "--lint-fatal", *files])

    def text(self, shipped):
        return run([self.promtool, "test", "rules", *sorted(shipped.glob("tests/*.yml"))], cwd=shipped)

    def sentences(self, shipped):
        return run([self.promtool, "test", "rules", "tests/anomalies.yml"], cwd=shipped)

    def scrape(self, shipped):
        return run([self.promtool, "check", "config", shipped / "scrape.yml"])

    def alertmanager(self, shipped):
        return run([self.amtool, "check-config", shipped / "alertmanager.yml"])


def run(command, env=None, cwd=None):
    done = subprocess.run(
        [str(it) for it in command], capture_output=True, text=True, cwd=cwd, env={**os.environ, **(env or {})}
    )
    return done.returncode, done.stdout + done.stderr


def well(what, outcome):
    code, said = outcome
    if code:
        sys.exit(f"{what}:\n{said}")


@pytest.mark.newest(reason="new receivers, and vmalert with keep_firing_for")
def test_rules(options):
    tools = Tools(options)
    for check in ("generated", "rules", "text", "scrape", "alertmanager"):
        well(check, getattr(tools, check)(SHIPPED))
    sources = [*SHIPPED.glob("mixin/**/*.libsonnet"), SHIPPED / "mixin/generate.jsonnet"]
    for source in sources:
        well(f"format of {source}", run([tools.jsonnetfmt, *FORMAT, source]))
    if tools.newest:
        well("jsonnet-lint", run([tools.jsonnet_lint, SHIPPED / "mixin/mixin.libsonnet", SHIPPED / "mixin/generate.jsonnet"]))
    if tools.newest:
        # What the oldest do not know, or Debian has left out.
        well("newer receivers", run([tools.amtool, "check-config", SHIPPED / "examples/alertmanager-newest.yml"]))
        well("Kubernetes", run([tools.promtool, "check", "config", SHIPPED / "examples/scrape-kubernetes.yml"]))
    routes(tools)
    victoria(tools)
    note(f"{len(ROUTES)} routes, {len(sources)} sources of the mixin, {len(mistakes(tools))} mistakes told with their place")


def routes(tools):
    for labels, receivers in ROUTES:
        command = [tools.amtool, "config", "routes", "test", f"--config.file={SHIPPED}/alertmanager.yml"]
        well(f"{labels} goes elsewhere", run([*command, f"--verify.receivers={receivers}", *labels.split()]))
    known = set(re.findall(r'alert: "(\w+)"', (SHIPPED / "hostnorm-rules.yml").read_text()))
    routed = {labels.split()[0].removeprefix("alertname=") for labels, _ in ROUTES}
    if known != routed - {"SomebodyElses"}:
        sys.exit(f"alerts {known} are not those that are routed, {routed}")


def victoria(tools):
    if not tools.newest:
        config = SHIPPED / "examples/victoriametrics-vmagent.yml"
        well("vmagent", run([tools.vmagent, "-dryRun", f"-promscrape.config={config}"]))
    with tempfile.TemporaryDirectory() as folder:
        # The vmalert of Debian is from before keep_firing_for.
        old = {} if tools.newest else {"anomalousKeepFiringFor": None}
        made = rules(folder, tools.jsonnet, **old)
        files = [made, SHIPPED / "examples/with-node-exporter.yml"]
        well("vmalert", run([tools.vmalert, "-dryRun", *(f"-rule={it}" for it in files)]))


def mistakes(tools):
    """Each mistake is made in a copy of all files."""
    for file, pattern, by, check, expected in MISTAKES:
        with tempfile.TemporaryDirectory() as folder:
            copy = pathlib.Path(folder, "prometheus")
            shutil.copytree(SHIPPED, copy)
            # The mixin makes these too.
            if (ROOT / "grafana").exists():
                shutil.copytree(ROOT / "grafana", copy.parent / "grafana")
            text, count = re.subn(pattern, by, (copy / file).read_text())
            if not count:
                sys.exit(f"{file} has no {pattern} to be changed")
            (copy / file).write_text(text)
            code, said = getattr(tools, check)(copy)
            if not code or not re.search(expected, said):
                sys.exit(f"{by!r} in {file} gives {code} and\n{said}\nexpected {expected}")
            print(f"{by!r} in {file}:\n{said[:600]}")
    return MISTAKES
