"""The log of an anomaly, as lines of JSON: with the flags of a monitor, it begins and ends."""

import json
import subprocess

from calm_machine import OVERLOADED, CalmMachine
from program import fetch, note, until, value

# The threshold is half of the default, so that the flag matters.
FLAGS = ["--interval=100ms", "--window=10", "--warmup=20s", "--threshold=1.25", "--log.format=json"]


def lines(start):
    """The lines so far; each is JSON."""
    return [json.loads(it) for it in start.said(1 << 30).split("\n")[:-1]]


def test_an_anomaly_is_logged_as_json(start, tools, folder):
    place = f"--storage.path={folder}/store"
    machine = CalmMachine(f"{folder}/machine")
    machine.start()
    program = start.hostnorm(*FLAGS, *machine.roots, place)
    until("the first score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    machine.load = OVERLOADED
    of = lambda state: next((it for it in lines(start) if it.get("state") == state and it["subject"] == "host"), None)
    note(f"an anomaly of the host after {until('a line of an anomaly', 60, lambda: of('began')):.1f} s")
    assert next(it for it in lines(start) if it["msg"] == "hostnorm is listening")["interval"] == "100ms"
    began = of("began")
    assert began["level"] == "warn" and began["msg"].startswith("Anomaly on host: ") and began["score"] >= 1, began
    accepted = subprocess.run([tools.hostnorm, "accept", place], capture_output=True, text=True, timeout=30)
    assert accepted.returncode == 0, accepted
    until("a line of its end", 30, lambda: of("accepted"))
    assert of("accepted")["episode"] == began["episode"]
