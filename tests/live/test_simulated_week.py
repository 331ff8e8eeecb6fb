"""A week of a simulated machine that is known for a week, with ten faults, in Prometheus: each is one alert and one message.

hostnorm scores the rows as it would have live; promtool makes blocks of the scores, and a real Prometheus answers the
expressions of the shipped rules for each minute of them. Prometheus evaluates alerts only as time goes by, so what
`for` and `keep_firing_for` make of the answers is computed here as rules/alerting.go of Prometheus does it, and compared
with what promtool's rule engine makes of the same values. The alerts are then played to a real Alertmanager, one after
the other, with the time between them left out.
"""

import csv
import datetime
import json
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

import pytest
from shipped_stack import alertmanager, alertmanager_config, ask, prometheus, rules
from program import note, until
from receivers import Receivers

SEED = "1"
FAULTS = 10
FOUND_MIN = 9
OTHERS_MAX = 1
STEP = 60
# How long after the end of a fault an alert may begin and still be about it.
ECHO_SECONDS = 300
LABELS = 'job="hostnorm",instance="simulated",kind="host",subject="host"'
ALERTS = ("HostAnomalous", "HostAnomalySevere")


@pytest.mark.slow
def test_simulated_week(tools):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        rows, faults = simulated(tools.hostnorm, folder)
        (folder / "scores.txt").write_text(openmetrics(rows))
        blocks = [tools.promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "scores.txt", folder / "data"]
        subprocess.run(blocks, check=True, stdout=subprocess.DEVNULL)
        made = rules(folder)
        options_of = ["--storage.tsdb.retention.time=10y"]
        with prometheus(tools.prometheus, folder, [made], "[]", interval="1m", options=options_of) as server:
            server.ready(60)
            shipped = {it["name"]: it for group in ask(server, "rules")["groups"] for it in group["rules"]}
            alerts = {name: firing(server, shipped[name], rows) for name in ALERTS}
        compare(tools.promtool, folder, shipped["HostAnomalous"], rows, alerts["HostAnomalous"])
        judge(alerts["HostAnomalous"], faults)
        with Receivers() as receivers, open(folder / "log", "wb") as log:
            config = alertmanager_config(folder, receivers, group_wait="1s", group_interval="2s")
            with alertmanager(tools.alertmanager, folder, config, log) as manager:
                manager.ready()
                play(manager, receivers, alerts)


def simulated(binary, folder):
    """What hostnorm said at each minute, and when the faults were."""
    files = {it: folder / f"{it}.csv" for it in ("history", "rows", "scores")}
    causes = folder / "causes"
    sizes = ["--seed", SEED, "--for", "7d", "--faults", str(FAULTS), "--history-for", "7d"]
    outputs = ["--history", files["history"], "--output", files["rows"], "--causes", causes]
    subprocess.run([binary, "simulate", *sizes, *outputs], check=True, stdout=subprocess.DEVNULL)
    tables = ["--history", files["history"], "--input", files["rows"], "--output", files["scores"]]
    subprocess.run([binary, "replay", "--all", *tables], check=True)
    with open(files["rows"]) as table, open(files["scores"]) as scores:
        times = [float(it["timestamp"]) for it in csv.DictReader(table)]
        said = [(float(it["score"]), int(it["is_anomaly"]), int(it["alert"])) for it in csv.DictReader(scores)]
    ends = [map(int, it.split(":")[0].split("-")) for it in causes.read_text().split()]
    faults = [(times[0] + STEP * start, times[0] + STEP * end) for start, end in ends]
    # While too little is known nothing is exposed.
    return [(at, *it) for at, it in zip(times, said, strict=True) if it[0] == it[0]], faults


def openmetrics(rows):
    lines = []
    for idx, name in ((1, "anomaly_score"), (2, "is_anomaly"), (3, "anomaly_alert")):
        lines.append(f"# TYPE {name} gauge")
        lines.extend(f"{name}{{{LABELS}}} {it[idx]} {it[0]:.0f}" for it in rows)
    return "\n".join([*lines, "# EOF\n"])


def firing(server, alert, rows):
    """When the alert fires, as pairs of times."""
    true = set()
    # A query may give 11,000 points.
    days = range(int(rows[0][0]), int(rows[-1][0]) + 1, 86400)
    for start in days:
        end = min(start + 86400 - STEP, int(rows[-1][0]))
        result = ask(server, "query_range", query=alert["query"], start=start, end=end, step=STEP)["result"]
        true |= {at for series in result for at, _ in series["values"]}
    spans, active, kept, fires = [], None, None, False
    for at in range(int(rows[0][0]), int(rows[-1][0]) + 1, STEP):
        if at in true:
            active, kept = at if active is None else active, None
        elif active is not None:
            kept = at if fires and kept is None else kept
            if not fires or at - kept >= alert.get("keepFiringFor", 0):
                if fires:
                    spans[-1][1] = at
                active, kept, fires = None, None, False
        if active is not None and not fires and at - active >= alert["duration"]:
            fires = True
            spans.append([at, rows[-1][0]])
    return spans


def compare(promtool, folder, alert, rows, spans):
    """promtool's own rule engine has to fire for as many minutes."""
    start = rows[0][0]
    values = " ".join(str(it[3]) for it in rows)
    rule = {"alert": alert["name"], "expr": alert["query"], "for": f"{alert['duration']:.0f}s"}
    rule["keep_firing_for"] = f"{alert['keepFiringFor']:.0f}s"
    (folder / "alert.yml").write_text(json.dumps({"groups": [{"name": "a", "rules": [rule]}]}))
    minutes = sum(end - begin for begin, end in spans) / STEP
    query = f'count_over_time(ALERTS{{alertname="{alert["name"]}",alertstate="firing"}}[30d])'
    labels = re.sub(r'^', f'alertname="{alert["name"]}",alertstate="firing",', LABELS)
    expected = {"expr": query, "eval_time": f"{rows[-1][0] - start:.0f}s"}
    expected["exp_samples"] = [{"labels": f"{{{labels}}}", "value": minutes}]
    series = [{"series": f"anomaly_alert{{{LABELS}}}", "values": values}]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [expected]}
    document = {"rule_files": ["alert.yml"], "evaluation_interval": "1m", "tests": [test]}
    (folder / "test.yml").write_text(json.dumps(document))
    done = subprocess.run([promtool, "test", "rules", folder / "test.yml"], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"promtool fires at other times than computed, {minutes:.0f} minutes:\n{(done.stdout + done.stderr)[-2000:]}")
    note(f"{alert['name']} fires for {minutes:.0f} minutes of {len(rows)}, as promtool's rule engine says too")


def judge(spans, faults):
    about = [[it for it in spans if start <= it[0] <= end + ECHO_SECONDS] for start, end in faults]
    found = sum(bool(it) for it in about)
    others = len(spans) - sum(map(len, about))
    missed = [idx + 1 for idx, it in enumerate(about) if not it]
    twice = [idx + 1 for idx, it in enumerate(about) if len(it) > 1]
    note(f"{found} of {len(faults)} faults found (not: {missed}), {others} other alerts, more than one: {twice}")
    if found < FOUND_MIN or others > OTHERS_MAX or twice:
        pytest.fail("not within the bars")


def play(manager, receivers, alerts):
    """The alerts in their order; messages are counted where people read them."""
    events = [(at, name, idx == 1) for name, spans in alerts.items() for it in spans for idx, at in enumerate(it)]
    for _, name, over in sorted(events):
        before = told(receivers, name)
        post(manager, name, over)
        # The end of a severe one is not told at once.
        if name == "HostAnomalous" or not over:
            until(f"{name} is told, over: {over}", 30, lambda: told(receivers, name) > before)
        time.sleep(1)
    time.sleep(3)
    chats = [it.content["attachments"][0]["title"] for it in receivers.of("slack")]
    began = sum(it.startswith("[firing]") for it in chats)
    pages = sum(it.content["event_action"] == "trigger" for it in receivers.of("pagerduty"))
    severe = len(alerts["HostAnomalySevere"])
    note(f"{len(alerts['HostAnomalous'])} alerts: {began} messages to the chat; {severe} severe: {pages} pages")
    if began != len(alerts["HostAnomalous"]) or pages != severe:
        pytest.fail(f"not one message for each: {chats}")


def told(receivers, name):
    """How many messages came about this alert: those of one receiver, since the others may be late. Pages are for severe ones."""
    return len(receivers.of("slack" if name == "HostAnomalous" else "pagerduty"))


def post(manager, name, over):
    severity = "warning" if name == "HostAnomalous" else "critical"
    labels = {"alertname": name, "severity": severity, **dict(re.findall(r'(\w+)="(\w+)"', LABELS))}
    now = datetime.datetime.now(datetime.timezone.utc)
    ends = now if over else now + datetime.timedelta(hours=1)
    annotations = {"summary": "Anomaly on simulated", "description": "Anomaly on host."}
    body = [{"labels": labels, "annotations": annotations, "endsAt": ends.isoformat()}]
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{manager.url}/api/v2/alerts", json.dumps(body).encode(), headers)
    urllib.request.urlopen(request, timeout=10).close()
