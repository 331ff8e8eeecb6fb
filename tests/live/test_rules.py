"""The files in prometheus/ with the tools that load them; and that a mistake in one is told with file and line."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from shipped_stack import ROOT, SHIPPED, rules

FORMAT = ["-n", "2", "--max-blank-lines", "2", "--string-style", "s", "--comment-style", "s", "--test"]

# What the labels of an alert are, and to whom it goes.
ROUTES = [
    ("alertname=HostAnomalous severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=HostUnusual severity=info job=hostnorm instance=db-1", "nobody"),
    ("alertname=LogAnomalous severity=warning job=hostnorm instance=db-1 kind=log subject=nginx", "webhook,chat"),
    ("alertname=HostAnomalySevere severity=critical job=hostnorm instance=db-1", "webhook,page"),
    ("alertname=ContainerAnomalous severity=warning job=hostnorm instance=db-1", "webhook,chat"),
    ("alertname=HostAnomalyLong severity=info job=hostnorm instance=db-1", "webhook,mail"),
    ("alertname=HostFilesystemFillsSoon severity=warning job=hostnorm instance=db-1", "webhook,chat"),
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
    ("hostnorm-rules.yml", r'anomaly_alert\{job="hostnorm",kind="host"\}', 'anomaly_alert{job="x"', "rules", r"rules\.yml: \d+:\d+: .*HostAno"),
    ("hostnorm-rules.yml", r'for: "1m"', 'fro: "1m"', "rules", r"hostnorm-rules\.yml.*\n? +line \d+: field fro"),
    ("hostnorm-rules.yml", r"sort_desc", "sort_down", "sentences", r"__alert_FleetAnomalous:\d+:\d+"),
    ("hostnorm-rules.yml", r'severity: "info"', 'severity: "warning"', "generated", STEP_OUT),
    ("mixin/config.libsonnet", r"severeScore: 4", "severeScore: 3", "generated", STEP_OUT),
    ("mixin/config.libsonnet", r"severeScore: 4", "severScore: 4", "generated", r"severeScore"),
    ("mixin/alerts/alerts.libsonnet", r"\$\._config,", "$._confg,", "generated", r"alerts\.libsonnet:\(?\d+"),
    ("alertmanager.yml", r"receiver: page", "receiver: pager", "alertmanager", r"pager"),
    ("scrape.yml", r"static_configs", "static_config", "scrape", r"line \d+: field static_config"),
]


class Shipped:
    """What each tool says of the shipped files."""

    def __init__(self, tools):
        self.tools = tools

    def generated(self, shipped):
        return run(["bash", shipped / "mixin/generate.sh", "--check"], env={"JSONNET": self.tools.jsonnet})

    def rules(self, shipped):
        examples = [shipped / "examples" / it for it in ("with-node-exporter.yml", "rules-pods.yml")]
        files = [shipped / "hostnorm-rules.yml", *examples]
        return run([self.tools.promtool, "check", "rules", "--lint=all", "--lint-fatal", *files])

    def text(self, shipped):
        return run([self.tools.promtool, "test", "rules", *sorted(shipped.glob("tests/*.yml"))], cwd=shipped)

    def sentences(self, shipped):
        return run([self.tools.promtool, "test", "rules", "tests/anomalies.yml"], cwd=shipped)

    def scrape(self, shipped):
        return run([self.tools.promtool, "check", "config", shipped / "scrape.yml"])

    def alertmanager(self, shipped):
        return run([self.tools.amtool, "check-config", shipped / "alertmanager.yml"])


def run(command, env=None, cwd=None):
    done = subprocess.run(
        [str(it) for it in command], capture_output=True, text=True, cwd=cwd, env={**os.environ, **(env or {})}
    )
    return done.returncode, done.stdout + done.stderr


def well(what, outcome):
    code, said = outcome
    if code:
        pytest.fail(f"{what}:\n{said}")


@pytest.fixture
def shipped(tools):
    return Shipped(tools)


@pytest.mark.newest(reason="new receivers, and vmalert with keep_firing_for")
@pytest.mark.parametrize("check", ["generated", "rules", "text", "scrape", "alertmanager"])
def test_shipped(shipped, check):
    well(check, getattr(shipped, check)(SHIPPED))


def test_links(tools, folder):
    """With a Grafana alerts lead to the time of the anomaly; without one they lead nowhere, and never to this machine."""
    for file in ("hostnorm-rules.yml", "mixin/config.libsonnet"):
        if "localhost" in (text := (SHIPPED / file).read_text()) or "dashboard_url" in text:
            pytest.fail(f"{file}: a link of alerts leads to nobody's Grafana")
    rules(folder, tools.jsonnet, grafanaURL="https://grafana.example.com/", clusterLabel="zone")
    shutil.copy(ROOT / "tests/live/rule_links.yml", folder)
    well("links", run([tools.promtool, "test", "rules", "rule_links.yml"], cwd=folder))
    made = rules(folder, tools.jsonnet, runbookURLPattern="")
    if "runbook_url" in made.read_text():
        pytest.fail("alerts have links to runbooks although there is no URL of them")


def test_examples_are_of_what_exists():
    """No host is in two jobs, which would scrape it twice; no receiver is a program on this machine that nobody has."""
    jobs = yaml.safe_load((SHIPPED / "scrape.yml").read_text())["scrape_configs"]
    targets = []
    for job in jobs:
        static = list(job.get("static_configs", []))
        for file in (file for it in job.get("file_sd_configs", []) for file in it["files"]):
            static += yaml.safe_load((SHIPPED / file).read_text())
        targets += [host for it in static for host in it["targets"]]
    if len(set(targets)) < len(targets):
        pytest.fail(f"scrape.yml has a host in two jobs: {sorted(targets)}")
    for file in ("alertmanager.yml", "examples/alertmanager-newest.yml"):
        if found := re.findall(r"https?://(?:127\.|localhost)\S*", (SHIPPED / file).read_text()):
            pytest.fail(f"{file} sends to {found}, where nothing of hostnorm listens")


def test_format(tools):
    for source in [*SHIPPED.glob("mixin/**/*.libsonnet"), SHIPPED / "mixin/generate.jsonnet"]:
        well(f"format of {source}", run([tools.jsonnetfmt, *FORMAT, source]))


@pytest.mark.newest(only=True, reason="the oldest do not know these settings, or Debian has left them out")
def test_newer_settings(tools):
    well("jsonnet-lint", run([tools.jsonnet_lint, SHIPPED / "mixin/mixin.libsonnet", SHIPPED / "mixin/generate.jsonnet"]))
    well("newer receivers", run([tools.amtool, "check-config", SHIPPED / "examples/alertmanager-newest.yml"]))
    well("Kubernetes", run([tools.promtool, "check", "config", SHIPPED / "examples/scrape-kubernetes.yml"]))


def test_routes(tools):
    for labels, receivers in ROUTES:
        command = [tools.amtool, "config", "routes", "test", f"--config.file={SHIPPED}/alertmanager.yml"]
        well(f"{labels} goes elsewhere", run([*command, f"--verify.receivers={receivers}", *labels.split()]))
    known = set(re.findall(r'alert: "(\w+)"', (SHIPPED / "hostnorm-rules.yml").read_text()))
    routed = {labels.split()[0].removeprefix("alertname=") for labels, _ in ROUTES}
    if known != routed - {"SomebodyElses"}:
        pytest.fail(f"alerts {known} are not those that are routed, {routed}")


@pytest.mark.newest(reason="new receivers, and vmalert with keep_firing_for")
def test_victoria_metrics(tools, folder):
    if not tools.newest:
        config = SHIPPED / "examples/victoriametrics-vmagent.yml"
        well("vmagent", run([tools.vmagent, "-dryRun", f"-promscrape.config={config}"]))
    # The vmalert of Debian is from before keep_firing_for.
    old = {} if tools.newest else {"anomalousKeepFiringFor": None, "fillsKeepFiringFor": None}
    made = rules(folder, tools.jsonnet, **old)
    files = [made, SHIPPED / "examples/with-node-exporter.yml"]
    well("vmalert", run([tools.vmalert, "-dryRun", *(f"-rule={it}" for it in files)]))


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{file} {by}" for file, _, by, _, _ in MISTAKES])
def test_mistake(shipped, folder, mistake):
    """A mistake in a copy of all files is told with its place."""
    file, pattern, by, check, expected = mistake
    copy = pathlib.Path(folder, "prometheus")
    shutil.copytree(SHIPPED, copy)
    # The mixin makes these too.
    shutil.copytree(ROOT / "grafana", copy.parent / "grafana")
    shutil.copytree(ROOT / "helm/hostnorm/files", copy.parent / "helm/hostnorm/files")
    text, count = re.subn(pattern, by, (copy / file).read_text())
    assert count, f"{file} has no {pattern} to be changed"
    (copy / file).write_text(text)
    code, said = getattr(shipped, check)(copy)
    assert code and re.search(expected, said), f"{by!r} in {file} gives {code} and\n{said}\nexpected {expected}"
