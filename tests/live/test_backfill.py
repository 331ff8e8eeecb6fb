"""The past of a simulated host from real servers: what is learned from each judges like what is learned from its CSV.

Seven days at 30 s are in a Prometheus (blocks made by promtool), in a VictoriaMetrics and in an InfluxDB, under the names of
node_exporter and of Telegraf. hostnorm is trained from each; a day with faults that none of them has seen is judged by each.
Then the servers are asked in ways that go wrong.
"""

import csv
import pathlib
import subprocess
import time

import pytest
import history_servers
from program import fetch, free_port, hostnorm, note, until, value
from programs import Start

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("history"),
    pytest.mark.newest(reason="the APIs of Prometheus and VictoriaMetrics differ between versions"),
]

# Scores on held-out rows agree within this.
AGREE = 0.02
HOST = 'instance="web1:9100",job="node"'


def run(tools, *arguments, code=0, timeout=120):
    done = subprocess.run([tools.hostnorm, *arguments], capture_output=True, text=True, timeout=timeout)
    said = done.stdout + done.stderr
    if done.returncode != code or "panicked" in said:
        pytest.fail(f"{arguments}: exit {done.returncode}, expected {code}; said:\n{said}")
    return said.strip()


def scores(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


def learned(tools, folder, name, origin):
    """Scores of the held-out day by what was learned from this origin."""
    start = time.monotonic()
    state = f"{folder}/state-{name}"
    said = run(tools, "train", "--from", origin, "--lookback", "169h", "--storage.path", state)
    trained = time.monotonic() - start
    without = [it for it in said.splitlines() if it.startswith("without data")]
    # Those about hostnorm's own readings are in no history of another program.
    assert without == ["without data: reading_delay_ratio, clock_step_ratio"], said
    output = f"{folder}/{name}.scores.csv"
    run(tools, "replay", "--state", state, "--input", f"{folder}/held-out.csv", "--output", output)
    note(f"{name}: trained in {trained:.1f} s; {said.splitlines()[0]}")
    return scores(output)


def agreement(tools, folder, origins):
    own = learned(tools, folder, "csv", f"csv:{folder}/history.csv")
    assert max(own) > 1.0, "no fault of the held-out day is found at all"
    worst = 0.0
    for name, origin in origins.items():
        found = learned(tools, folder, name, origin)
        assert len(found) == len(own), (name, len(found), len(own))
        far = max(abs(one - other) for one, other in zip(own, found))
        note(f"{name}: {len(found)} scores are within {far:.2g} of those of the CSV, the highest is {max(found):.2f}")
        worst = max(worst, far)
    if worst > AGREE:
        pytest.fail(f"scores are {worst} apart, more than {AGREE}")


def refused(tools, what, origin, *words, more=(), code=1):
    said = run(tools, "train", "--from", origin, "--output", "/dev/null", "--storage.path", "off", *more, code=code)
    missing = [word for word in words if word not in said]
    if missing or "geheim" in said:
        pytest.fail(f"{what}: not said: {missing}; said:\n{said}")
    note(f"{what} -> {said.splitlines()[-1]}")


def bad_input(tools, folder, urls):
    url, influx = urls["prometheus"], urls["influxdb"]
    refused(tools, "nobody listens", f"prometheus:http://u:geheim@127.0.0.1:{free_port()}", "cannot reach the server")
    refused(tools, "no such host", "prometheus:http://no-such-host.invalid", "unknown host name")
    refused(tools, "no TLS there", f"prometheus:{url.replace('http', 'https')}", "TLS failed")
    refused(tools, "a wrong path", f"prometheus:{url}/nowhere", "404")
    refused(tools, "a bad match", f"prometheus:{url}", "400", "parse error", more=["--match", "a=b"])
    refused(tools, "another host", f"prometheus:{url}", "has no data for", "web1:9100", more=["--host", "web2"])
    refused(tools, "InfluxDB as Prometheus", f"prometheus:{influx}", "404")
    # Newer ones have a page of their own at this path.
    refused(tools, "Prometheus as InfluxDB", f"influxdb:{url}/telegraf", url)
    refused(tools, "no such database", f"influxdb:{influx}/nope", "database not found", "telegraf")
    refused(tools, "another host", f"influxdb:{influx}/telegraf", "has no data for", "diskio", more=["--host", "web2"])
    refused(tools, "an empty past", f"influxdb:{influx}/empty", "is empty")
    refused(tools, "too little", f"prometheus:{url}", "too little data: ", "1,440 needed", more=["--lookback", "3h"])
    names = pathlib.Path(folder, "names.yaml")
    shipped = run(tools, "train", "--print-mapping")
    total = "hostnorm_memory_size_bytes: {from: node_memory_MemTotal_bytes"
    names.write_text(shipped.replace(total, total + ", times: 0.0009765625") + "\n", encoding="utf-8")
    more = ["--mapping", str(names)]
    refused(tools, "kilobytes", f"prometheus:{url}", "wrong unit: hostnorm_memory_size_bytes", "1024", more=more)
    percent = pathlib.Path(folder, "percent.csv")
    rows = [f"{1_795_000_000 + 30 * idx},{40 + idx % 7}" for idx in range(2_000)]
    percent.write_text("timestamp,cpu_busy_ratio\n" + "\n".join(rows) + "\n", encoding="utf-8")
    refused(tools, "hundredths", f"csv:{percent}", "wrong unit: cpu_busy_ratio", "divide by 100")


def backfill(tools, folder, origin):
    """The first start knows the past at once, whatever the warm-up; one whose server is gone goes on without."""

    def starts(name, origin, success):
        with open(f"{folder}/{name}.log", "wb") as log, hostnorm(
            tools.hostnorm, f"--storage.path={folder}/{name}", f"--backfill.from={origin}", log=log
        ) as program:
            program.ready()
            page = lambda: fetch(f"{program.url}/metrics")[2]
            seconds = until(f"{name}: backfill ends", 60, lambda: value(page(), "hostnorm_backfill_success") is not None)
            assert value(page(), "hostnorm_backfill_success") == success, page()
            before = value(page(), "hostnorm_ticks_total")
            until(f"{name}: sampling goes on", 10, lambda: value(page(), "hostnorm_ticks_total") > before)
            if success:
                until(f"{name}: there is a score", 90, lambda: value(page(), "anomaly_score") is not None)
            note(f"{name}: backfill_success {success} after {seconds:.1f} s")
        log = pathlib.Path(folder, f"{name}.log").read_text(encoding="utf-8")
        assert "geheim" not in log, log
        return log

    assert "backfill learned" in starts("backfilled", origin, 1)
    gone = f"prometheus:http://anna:geheim@127.0.0.1:{free_port()}"
    assert "cannot reach the server" in starts("alone", gone, 0)


@pytest.fixture(scope="module")
def past(tools):
    """Servers that have the past of one host, by name, and the folder with its CSV."""
    # On the grid of points, and over ten minutes ago: VictoriaMetrics keeps the newest half minute to itself.
    first = int(time.time()) // 30 * 30 - 7 * 86_400 - 600
    with Start(tools) as start:
        history, folder, log = start.folder / "history.csv", start.folder, start.log
        simulate = ["simulate", "--every=30s", f"--start={first}", "--history-for=7d", "--for=1d", "--faults=4"]
        run(tools, *simulate, "--history", history, "--output", folder / "held-out.csv")
        families = history_servers.node_exporter(history)
        victoria = start.enter_context(history_servers.victoria(tools.victoria_metrics, folder, log))
        influx = start.enter_context(history_servers.influx(tools.influxd, folder, log))
        prometheus = history_servers.prometheus(tools.prometheus, tools.promtool, folder, families, HOST, log)
        start.enter_context(prometheus)
        history_servers.import_victoria(victoria.url, families, HOST)
        history_servers.import_influx(influx.url, history_servers.telegraf(history, "web1"), "telegraf")
        history_servers.post(f"{influx.url}/query?q=CREATE+DATABASE+empty")
        prometheus.ready(60)
        yield folder, {"prometheus": prometheus.url, "victoria-metrics": victoria.url, "influxdb": influx.url}
        print(start.said())


def test_agreement(tools, past):
    folder, urls = past
    origins = {
        "prometheus": f"prometheus:{urls['prometheus']}",
        "victoria-metrics": f"prometheus:{urls['victoria-metrics']}",
        "influxdb": f"influxdb:{urls['influxdb']}/telegraf",
    }
    agreement(tools, folder, origins)


def test_bad_input(tools, past):
    bad_input(tools, *past)


def test_backfill(tools, past):
    folder, urls = past
    backfill(tools, folder, f"prometheus:{urls['prometheus']}")
