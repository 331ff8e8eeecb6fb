"""A program that knows two days from a file forecasts at once: over the API and for an assistant."""

import asyncio
import json
import subprocess
import time

import pytest
from mcp import Client
from program import fetch, note, until


def test_forecast(start, tools, folder):
    first = int(time.time()) // 60 * 60 - 2 * 86_400
    history = f"{folder}/history.csv"
    command = ["simulate", "--every=60s", f"--start={first}", "--for=2d", "--faults=0", f"--output={history}"]
    done = subprocess.run([tools.hostnorm, *command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.fail(done.stderr)
    program = start.hostnorm(f"--storage.path={folder}/store", f"--backfill.from=csv:{history}", "--backfill.lookback=2d")
    path = f"{program.url}/api/v1/predict?metric=memory_used_ratio&horizon=1h&step=10m"
    seconds = until("a forecast", 120, lambda: fetch(path)[0] == 200)
    found = json.loads(fetch(path)[2])
    assert (found["kind"], found["subject"], found["metric"]) == ("host", "host", "memory_used_ratio"), found
    assert len(found["points"]) == 6, found
    for point in found["points"]:
        assert 0 <= point["lower"] <= point["expected"] <= point["upper"] <= 1, point

    async def ask():
        async with Client(f"{program.url}/mcp") as client:
            return await client.call_tool("forecast", {"metric": "memory_used_ratio", "horizon": "1h", "kind": "host"})

    answer = asyncio.run(asyncio.wait_for(ask(), 60))
    assert not answer.is_error, answer
    assert json.loads(answer.content[0].text)["points"], answer
    note(f"forecast {seconds:.1f} s after the start")
