"""A log on a real VictoriaLogs: lines that were pushed are read, and a restart goes on behind them."""

import json
import pathlib
import sqlite3
import time
import urllib.request

import pytest
from program import Running, fetch, free_port, note, samples, until

pytestmark = pytest.mark.newest(only=True, reason="Debian has no VictoriaLogs")


def push(url, lines):
    """Lines of the last seconds, by the API that takes lines of JSON."""
    now = time.time_ns()
    rows = [
        {"_time": str(now - (len(lines) - idx) * 1_000_000), "_msg": it, "app": "shop", "level": "error" if idx % 10 == 0 else "info"}
        for idx, it in enumerate(lines)
    ]
    body = "\n".join(json.dumps(it) for it in rows).encode()
    request = urllib.request.Request(f"{url}/insert/jsonline?_stream_fields=app", body, {"Content-Type": "application/stream+json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200


def position(folder):
    """The stored position: end of the read time, time of the newest line, and what is known."""
    with sqlite3.connect(f"file:{next(pathlib.Path(folder).glob('*.db'))}?mode=ro", uri=True) as store:
        found = store.execute("SELECT position FROM log_positions WHERE log = 'shop'").fetchone()
    return found and found[0]


def test_victorialogs(tools, start, folder):
    port = free_port()
    command = [tools.victoria_logs, f"-storageDataPath={folder}/victorialogs", f"-httpListenAddr=127.0.0.1:{port}"]
    server = start.enter_context(Running(command, port, start.log))
    until("VictoriaLogs answers", 60, lambda: fetch(f"{server.url}/health")[0] == 200)
    push(server.url, [f"order {it} placed" for it in range(200)])
    logs = json.dumps([{"name": "shop", "victorialogs": {"url": server.url, "query": '{app="shop"}', "poll": "1s"}}])
    settings = pathlib.Path(folder, "hostnorm.yaml")
    settings.write_text(f"logs: {logs}\n")
    store = pathlib.Path(folder, "store")

    def of_log(it, metric):
        found = samples(fetch(f"{it.url}/metrics")[2])
        return next((number for name, labels, number in found if name == metric and labels.get("subject") == "shop"), None)

    def read_at(it):
        return of_log(it, "hostnorm_log_last_line_timestamp_seconds")

    def lines(it):
        return of_log(it, "hostnorm_log_lines_total")

    def works(it):
        return of_log(it, "hostnorm_log_source_success") == 1

    options = [f"--config.file={settings}", f"--storage.path={store}"]
    with start.hostnorm(*options) as it:
        seconds = until("lines of VictoriaLogs are read", 60, lambda: read_at(it))
        until("the source works", 10, lambda: works(it))
        first = read_at(it)
        push(server.url, ["one more order"])
        until("a new line is read", 30, lambda: read_at(it) > first)
        assert lines(it) == 201
    known = position(store)
    if not known or "order" in known:
        pytest.fail(f"stored position: {known}")
    # Nothing is read a second time; what came meanwhile is.
    with start.hostnorm(*options) as it:
        until("the log is asked", 30, lambda: works(it))
        push(server.url, ["an order after the restart"])
        until("the new line is read", 30, lambda: read_at(it))
        assert lines(it) == 1
    note(f"200 lines of VictoriaLogs read {seconds:.1f} s after the start")
