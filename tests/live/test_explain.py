"""The flight recorder: a fault is recorded, and explain reproduces its scores bit for bit, even after a crash."""

import json
import re
import subprocess
import tempfile

import pytest
from calm_machine import CALM, OVERLOADED, CalmMachine
from program import fetch, hostnorm, note, until, value

SETTINGS = ["--interval=100ms", "--window=10", "--warmup=20s", "--resolve.for=2s"]


def said(binary, *arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def ended(binary, place):
    """The episodes that are stored with their end."""
    return [it for it in json.loads(said(binary, "episodes", place, "--json")[1]) if it["outcome"] == "ended"]


def test_explain(tools):
    binary = tools.hostnorm
    with tempfile.TemporaryDirectory() as folder:
        machine = CalmMachine(f"{folder}/machine")
        machine.start()
        place, settings = f"--storage.path={folder}/store", [*SETTINGS, *machine.roots]
        with hostnorm(binary, place, *settings) as program:
            program.ready()
            asked = lambda name: value(fetch(f"{program.url}/metrics")[2], name)
            until("the first score", 60, lambda: asked("anomaly_score") is not None)
            # From a model that was installed since the first state was stored.
            until("a model judges", 240, lambda: asked("hostnorm_model_info") == 1)
            machine.load = OVERLOADED
            until("the fault is found", 30, lambda: asked("is_anomaly") == 1)
            machine.load = CALM
            until("it is over", 120, lambda: asked("is_anomaly") == 0)
            # What was read in the last seconds before a crash may be lost; the episode has to be stored.
            until("it is stored", 30, lambda: ended(binary, place))
            # A line a point, behind that of the names.
            until("enough points are", 30, lambda: said(binary, "export", "scores", place)[1].count("\n") > 8)
            program.process.kill()
            program.process.wait()
        episode = ended(binary, place)[-1]["id"]
        code, out, err = said(binary, "explain", episode, place, *settings, "--json")
        reproduced = json.loads(out)["reproduced"] if code == 0 else None
        if not reproduced or not reproduced.get("equal") or reproduced["points"] < 5 or reproduced["skipped"]:
            pytest.fail(f"explain {episode}: {code}\n{out}{err}")
        text = said(binary, "explain", episode, place, *settings)[1]
        if "bit for bit" not in text or "of the score" not in text or not re.search(r"^model +\d{8}T\d{6}Z$", text, re.M):
            pytest.fail(f"not explained for people:\n{text}")
        code, _, err = said(binary, "explain", episode, place, *settings, "--threshold=4")
        if code != 1 or "scores differ" not in err:
            pytest.fail(f"another threshold gives other scores, but explain ended with {code}:\n{err}")
        code, _, err = said(binary, "explain", "2026-01-01T00:00:00Z", place)
        if code != 1 or "hostnorm episodes" not in err:
            pytest.fail(f"an episode that is not there: {code} {err}")
        note(f"{reproduced['points']} points from {reproduced['readings']} readings reproduced bit for bit")
