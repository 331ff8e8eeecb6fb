"""The promise of the README: a burner on each core is found within 15 s, named, and over within 90 s of its end."""

import os
import sys
import tempfile
import time

import pytest
from program import BURNER, faults, fetch, hostnorm, note, samples, until, value

FOUND_SECONDS = 15
ENDED_SECONDS = 90
CAUSES = ("cpu", "load", "pressure")


@pytest.mark.measured
@pytest.mark.slow
def test_fault(options):
    with tempfile.TemporaryFile("w+") as log, hostnorm(
        options.hostnorm, "--interval=200ms", "--warmup=60s", log=log
    ) as program:
        started = time.monotonic()
        page = lambda: fetch(f"{program.url}/metrics")[2]
        anomalous = lambda: value(page(), "is_anomaly", kind="host")
        until("the first score", 90, lambda: anomalous() is not None)
        while time.monotonic() < started + 90:
            if anomalous() != 0:
                sys.exit(f"an alarm before the fault:\n{told(log)}")
            time.sleep(0.5)
        with faults(*[BURNER] * os.cpu_count()):
            seconds = until("is_anomaly 1", FOUND_SECONDS, lambda: anomalous() == 1)
            time.sleep(10)
            text = page()
        causes = sorted(
            ((number, labels["signal"]) for name, labels, number in samples(text) if name == "anomaly_contribution"),
            reverse=True,
        )
        score = value(text, "anomaly_score", kind="host")
        note(f"found after {seconds:.1f} s, score {score:.1f}, blamed {', '.join(it for _, it in causes)}")
        if not causes[0][1].startswith(CAUSES):
            sys.exit(f"the largest contribution is {causes[0]}")
        if abs(sum(number for number, _ in causes) - score) > 0.01 * score:
            sys.exit(f"contributions {causes} do not add up to {score}")
        note(f"over {until('is_anomaly 0', ENDED_SECONDS, lambda: anomalous() == 0):.1f} s after its end")
        print(told(log))


def told(log):
    log.seek(0)
    return log.read()
