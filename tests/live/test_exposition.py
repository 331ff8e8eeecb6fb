"""The live exposition, before and after the first score: promtool and the strict parser find nothing."""

import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from program import fetch, note, until, value

OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def lint(promtool, url, when):
    status, headers, text = fetch(f"{url}/metrics", accept="text/plain")
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8", headers
    done = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
    if done.returncode or done.stdout or done.stderr:
        pytest.fail(f"promtool check metrics, {when}: {done.returncode}\n{done.stdout}{done.stderr}")
    _, headers, strict = fetch(f"{url}/metrics", accept=OPENMETRICS)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"), headers
    families = list(text_string_to_metric_families(strict))
    if "nan" in text.lower().split():
        pytest.fail(f"NaN in the exposition, {when}")
    note(f"{when}: {len(families)} families, {sum(len(it.samples) for it in families)} series, {len(text)} bytes")
    return text


@pytest.mark.newest(reason="newer promtools lint more")
def test_exposition(start, tools):
    program = start.hostnorm("--interval=100ms", "--warmup=10s")
    text = lint(tools.promtool, program.url, "while warming up")
    assert value(text, "anomaly_ready", kind="host") == 0
    assert value(text, "anomaly_score") is None and value(text, "is_anomaly") is None
    scored = lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score", kind="host") is not None
    note(f"first score after {until('anomaly_score is there', 30, scored):.1f} s of a warm-up of 10 s")
    text = lint(tools.promtool, program.url, "with a score")
    assert value(text, "anomaly_ready", kind="host") == 1
