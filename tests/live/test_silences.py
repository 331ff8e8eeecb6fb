"""Silences of a real Alertmanager: seen by hostnorm, marked, and gone when they end; a server that refuses or is gone."""

import datetime
import http.server
import json
import pathlib
import re
import shlex
import subprocess
import threading
import urllib.request

import pytest
from program import fetch, note, until, value
from shipped_stack import alertmanager_config

INTERVAL = "--alertmanager.interval=1s"


def metric(program, name, **labels):
    return value(fetch(f"{program.url}/metrics")[2], name, **labels)


def silence(manager, comment, **matchers):
    now = datetime.datetime.now(datetime.timezone.utc)
    body = {
        "matchers": [{"name": it, "value": v, "isRegex": False, "isEqual": True} for it, v in matchers.items()],
        "startsAt": now.isoformat(),
        "endsAt": (now + datetime.timedelta(hours=1)).isoformat(),
        "createdBy": "test",
        "comment": comment,
    }
    request = urllib.request.Request(
        f"{manager.url}/api/v2/silences", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["silenceID"]


def expire(manager, silence_id):
    request = urllib.request.Request(f"{manager.url}/api/v2/silence/{silence_id}", method="DELETE")
    urllib.request.urlopen(request, timeout=10).close()


@pytest.mark.newest(reason="the API of silences may change")
def test_silences(start):
    manager = start.alertmanager(alertmanager_config(start.folder, start.receivers()))
    program = start.hostnorm(
        "--interval=100ms", f"--alertmanager.url={manager.url}", INTERVAL, "--alertmanager.alert-labels=instance=web-1:9100"
    )
    silenced = lambda expected: metric(program, "hostnorm_silenced", kind="host", expected=expected)
    until("Alertmanager is asked", 20, lambda: metric(program, "hostnorm_alertmanager_up") == 1)
    other = silence(manager, "expected", alertname="HostAnomalous", instance="web-2:9100")
    fault = silence(manager, "disk is replaced", alertname="HostAnomalous", instance="web-1:9100", job="hostnorm")
    until("the silence is seen", 20, lambda: silenced("false") == 1)
    load = silence(manager, "load test, expected", kind="host", instance="web-1:9100")
    until("the second one is seen", 20, lambda: silenced("true") == 1)
    expire(manager, load)
    until("the first one counts again", 20, lambda: silenced("false") == 1)
    flagged = silence(manager, "load test", kind="host", instance="web-1:9100", expected="true")
    until("a matcher says expected", 20, lambda: silenced("true") == 1)
    expire(manager, flagged)
    until("the first one counts again after it", 20, lambda: silenced("false") == 1)
    expire(manager, fault)
    until("no silence is left", 20, lambda: silenced("false") is None and silenced("true") is None)
    expire(manager, other)
    manager.__exit__(None, None, None)
    until("it is seen that the server is gone", 30, lambda: metric(program, "hostnorm_alertmanager_up") == 0)
    until("the log says so", 10, lambda: "no silences from Alertmanager" in start.said(20_000))
    said = start.said(20_000)
    if said.count("no silences from Alertmanager") != 1:
        pytest.fail(f"a server that is gone is said once: {said}")
    note("a silence is seen within the interval of requests")


class Refusal(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_refused_silences(start):
    server = http.server.HTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/prefix"
    program = start.hostnorm("--interval=100ms", f"--alertmanager.url={url}", INTERVAL)
    until("the refusal is seen", 20, lambda: metric(program, "hostnorm_alertmanager_up") == 0)
    until("it is said", 10, lambda: "set alertmanager.user and password_file, or token_file" in start.said())
    server.shutdown()


def test_runbook_silences(start, tools):
    """The commands of amtool in the runbooks silence the alert of their page."""
    manager = start.alertmanager(alertmanager_config(start.folder, start.receivers()))
    pages = sorted((pathlib.Path(__file__).parents[2] / "docs/runbooks").glob("*.md"))
    for page in pages:
        commands = re.findall(r"^    amtool (.*)$", page.read_text(), re.M)
        assert commands, f"{page.name} has no command of amtool"
        for command in commands:
            said = subprocess.run(
                [tools.amtool, f"--alertmanager.url={manager.url}", *shlex.split(command)], capture_output=True, text=True
            )
            assert said.returncode == 0, f"{page.name}: {command}: {said.stderr}"
    silences = json.loads(fetch(f"{manager.url}/api/v2/silences")[2])
    alerts = {it["value"] for silence in silences for it in silence["matchers"] if it["name"] == "alertname"}
    assert alerts == {it.stem for it in pages}
