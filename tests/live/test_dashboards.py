"""Every query of the shipped dashboards, run by a real Prometheus during a real fault, as Grafana would send it."""

import contextlib
import os
import re
import threading
import time

import pytest
from grafana_queries import Api, View
from dashboards import ROOT, boards, documented, listed
from program import BURNER, LOOPBACK, faults, fetch, note, samples, until, value

# What is tested is dashboards, not detection: a lower limit makes an anomaly certain that is learned for seconds only.
FLAGS = ["--interval=100ms", "--warmup=15s", "--threshold=2.5"]
# How long the quiet is learned, from the start of the programs on.
QUIET_SECONDS = 40
FOUND_SECONDS = 60
SCRAPE_SECONDS = 1

# What dashboards use and no page of metrics has yet.
EXPECTED = {cells[0] for _, cells in listed("dashboards_expected.txt")} - documented().keys()


def checked(view, may_be_empty):
    """What is wrong with the queries of a dashboard, and how many there are."""
    wrong, count = [], 0
    for query in view.board.queries():
        count += 1
        try:
            found = view.run(query)
        except ValueError as error:
            wrong.append(f"{query.where}: {query.of}: {error}: {query.expr}")
            continue
        key = (view.board.path.name, query.title)
        early = any(it in query.expr for it in EXPECTED)
        if not found and not early and not ({key, (*key, query.holder.get("refId"))} & may_be_empty):
            wrong.append(f"{query.where}: {query.of}: is empty: {query.expr}")
        for label in set(re.findall(r"\{\{(\w+)\}\}", query.holder.get("legendFormat", ""))) if found else []:
            if not any(it["metric"].get(label) for it in found):
                wrong.append(f"{query.where}: {query.of}: no series has the label {label} of the legend")
    return wrong, count


def looked_at(api, programs, start):
    """All dashboards with all targets chosen, and with one."""
    may_be_empty = {tuple(cells[:-1]) for _, cells in listed("dashboards_empty.txt")}
    wrong, end = [], time.time()
    for choice in ("all", "one"):
        began, count = time.monotonic(), 0
        for board in boards():
            said, queries = checked(View(api, board, start, end, SCRAPE_SECONDS, choice), may_be_empty)
            wrong, count = wrong + said, count + queries
        note(f"{count} queries, of variables {choice}: {time.monotonic() - began:.1f} s")
    known = {(it.path.name, query.title) for it in boards() for query in it.queries()}
    for where, cells in listed("dashboards_empty.txt"):
        if tuple(cells[:2]) not in known:
            wrong.append(f"{where}: there is no such panel")
    exported = {name for it in programs for name, _, _ in samples(fetch(f"{it.url}/metrics")[2])}
    used = set(re.findall(r"[a-z]+_[a-z_0-9]+", " ".join(query.expr for it in boards() for query in it.queries())))
    unseen = sorted(it for it in exported - used)
    note(f"exported and on no dashboard: {', '.join(unseen)}")
    return wrong


@pytest.mark.alone
@pytest.mark.newest(reason="PromQL of Prometheus 2 and 3 differs")
def test_dashboards(start, tmp_path):
    log, settings = tmp_path / "shop.log", tmp_path / "hostnorm.yaml"
    settings.write_text(f"logs: [{{name: shop, file: {{paths: [{log}]}}}}]\n")
    with written(log):
        judge(start, [*FLAGS, f"--config.file={settings}"])


@contextlib.contextmanager
def written(path):
    """A log that grows by ten lines a second, some of them warnings and errors."""
    over = threading.Event()

    def write():
        count = 0
        with open(path, "w") as log:
            while not over.wait(0.1):
                count += 1
                level = "error" if count % 50 == 0 else "warn" if count % 10 == 0 else "info"
                print(f"level={level} msg=\"order {count} was paid\" took={count % 7}ms", file=log, flush=True)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def judge(start, flags):
    began = time.time()
    programs = [start.hostnorm(*flags), start.hostnorm(*flags, "--seed=1")]
    shipped = [it for it in (ROOT / "prometheus").glob("*.y*ml") if re.search(r"^groups:|^\"groups\":", it.read_text(), re.M)]
    server = start.prometheus(programs, shipped, interval=f"{SCRAPE_SECONDS}s")
    api = Api(server.url)
    until("both are scraped", 60, lambda: len(api.instant("up == 1")) == 2)
    time.sleep(max(0, began + QUIET_SECONDS - time.time()))
    state = lambda it: value(fetch(f"{it.url}/metrics")[2], "is_anomaly", kind="host")
    # Burned processors alone are no news on a machine that is busy anyway.
    with faults(*[BURNER] * os.cpu_count(), LOOPBACK):
        seconds = until("is_anomaly 1 of both", FOUND_SECONDS, lambda: all(state(it) == 1 for it in programs))
        note(f"the fault was found by both after {seconds:.1f} s")
        # The anomaly is scraped, and pending as an alert.
        until("alerts are pending", 60, lambda: len(api.instant('ALERTS{alertname="HostAnomalous"}')) == 2)
        # Panels look at whole steps only, counted from the start of their range or, in subqueries, from the epoch.
        for first in (began, int(began)):
            anomalous = lambda: api.over("is_anomaly == 1", first, time.time(), SCRAPE_SECONDS)
            until("a step has the anomaly", 30, lambda: len(anomalous()) == 2)
        wrong = looked_at(api, programs, began)
    assert not wrong, "\n".join(wrong)
