"""What detection reaches on labeled data, against the bars of tests/quality/bars.json, and what a replay costs."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest
from program import note

QUALITY = pathlib.Path(__file__).parents[1] / "quality"
# The most memory that a replay may take, in MB.
RSS_MAX = 60
# A replay this fast was asked for; told, not demanded, as the machine may be busy.
ROWS_A_SECOND = 15_000
# The series whose replay is watched: 38 signals.
WATCHED = "smd-machine-1-2"
# Runs a command and prints its processor time in seconds and its largest RSS in KiB. A process of its own, because Linux counts
# the memory of the process that forks (pytest has 100 MB) as the child's until it calls exec.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(code)
"""


def figures(binary, data):
    """The figures of each set, scored by replay with the defaults."""
    command = [binary, "evaluate", "--data", data, "--replay", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        pytest.fail(f"evaluate: exit {done.returncode}: {done.stderr}")
    return {it["set"]: it["figures"] for it in json.loads(done.stdout)["sets"]}


def levels(binary, data):
    """Mean of the sets for each level: the share of events found, and false episodes a machine and week."""
    command = [binary, "evaluate", "--data", data, "--replay", "--alerts", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    if done.returncode:
        pytest.fail(f"evaluate --alerts: exit {done.returncode}: {done.stderr}")
    sets = [{row["level"]: row for row in it["levels"]} for it in json.loads(done.stdout)["sets"]]
    mean = lambda level, name: sum(it[level][name] for it in sets) / len(sets)
    return {it: (mean(it, "recall"), mean(it, "false_per_week")) for it in ("unusual", "alert")}


def missed_levels(bars, found):
    """Tells each level beside its bars; gives those that miss theirs."""
    wrong = []
    for bar in bars:
        recall, false = found[bar["level"]]
        least, most = bar["recall_at_least"], bar["false_per_week_at_most"]
        line = f"{bar['level']}: {recall:.3f} of the events, at least {least}; {false:.2f} false a week, at most {most}"
        note(line)
        if recall < least or false > most:
            wrong.append(line)
    return wrong


def missed(bars, found):
    """Tells each figure beside its bar; gives those that miss theirs."""
    wrong = []
    for bar in bars:
        value = found.get(bar["set"], {}).get(bar["figure"])
        least, most = bar.get("at_least"), bar.get("at_most")
        fine = value is not None and (least is None or value >= least) and (most is None or value <= most)
        limit = f"at least {least}" if most is None else f"at most {most}"
        shown = "absent" if value is None else f"{value:.4f}"
        line = f"{bar['set']} {bar['figure']}: {shown}, {limit}"
        note(line if fine else f"{line}: MISSED")
        if not fine:
            wrong.append(line)
    return wrong


def cost(binary, data):
    """What a replay of train and test takes: rows for each second of processor time, and memory in MB."""
    train, test = (data / "data" / f"{WATCHED}.{part}.csv.xz" for part in ["train", "test"])
    with tempfile.TemporaryDirectory() as folder:
        scores = os.path.join(folder, "scores.csv")
        command = [binary, "replay", "--history", train, "--input", test, "--every", "60s", "--output", scores]
        done = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"replay: exit {done.returncode}: {done.stderr}")
        seconds, rss = map(float, done.stdout.split())
        rows = sum(1 for _ in open(scores)) - 1
    manifest = json.loads((data / "manifest.json").read_text())
    rows += next(it["train_rows"] for it in manifest["series"] if it["name"] == WATCHED)
    return rows / seconds, rss / 1024


@pytest.mark.slow
def test_excerpt(tools):
    held(tools.hostnorm, QUALITY, "excerpt")


@pytest.mark.slow
def test_whole(tools):
    if not tools.quality_data:
        pytest.skip("no --quality-data")
    held(tools.hostnorm, tools.quality_data, "whole")


def held(binary, data, which):
    bars = json.loads((QUALITY / "bars.json").read_text())[which]
    wrong = missed(bars, figures(binary, data))
    wrong += missed_levels(json.loads((QUALITY / "bars.json").read_text())["levels"][which], levels(binary, data))
    pace, rss = cost(binary, data)
    note(f"replay of 38 signals: {pace:.0f} rows/s of processor time ({ROWS_A_SECOND} asked for), {rss:.0f} MB, at most {RSS_MAX}")
    if rss > RSS_MAX:
        wrong.append(f"replay takes {rss:.0f} MB")
    if wrong:
        pytest.fail("missed: " + "; ".join(wrong))
