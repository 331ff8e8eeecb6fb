"""What must hold under load, each bar an assertion: clients by the thousand, a scrape at full speed during a training, requests
that read 90 days of the store. Runs with `./check --load`, on a quiet machine.
"""

import concurrent.futures
import contextlib
import json
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from program import fetch, note, until, value

pytestmark = [pytest.mark.load, pytest.mark.alone]

MIB = 1 << 20
DAY = 86_400
# A scrape is answered within this many seconds, whatever else happens.
SCRAPE_SECONDS_MAX = 1.0
# Resident memory may grow by this much.
GROWTH_MAX = 8 * MIB

# 500 clients that send a head of a request byte by byte, and 10,000 connections, 2,000 of them open at a time as far as the
# server lets them. In a process of its own, so that the scraper's times are the server's.
CROWD = """
import asyncio, resource, sys
port = int(sys.argv[1])
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
opened = 0

async def slow(number):
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in b"GET /metrics HTTP/1.1\\r\\nHost: here\\r\\nX-Slow: " + b"x" * 600:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)
        except OSError:
            await asyncio.sleep(0.1)

async def one(places):
    global opened
    async with places:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            opened += 1
            await asyncio.wait_for(reader.read(1), 2)
            writer.close()
        except (OSError, TimeoutError):
            pass

async def main():
    clients = [asyncio.create_task(slow(it)) for it in range(500)]
    places = asyncio.Semaphore(2000)
    await asyncio.gather(*(one(places) for _ in range(10_000)))
    print(opened, flush=True)

asyncio.run(main())
"""


def status(program, name):
    """A size in /proc/PID/status, in bytes."""
    text = pathlib.Path(f"/proc/{program.process.pid}/status").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.M)[1]) * 1024


def forget_peak(program):
    """The peak of resident memory, VmHWM, starts anew."""
    pathlib.Path(f"/proc/{program.process.pid}/clear_refs").write_text("5")


def ticks(program):
    """Readings taken, and readings missed."""
    text = fetch(f"{program.url}/metrics", timeout=30)[2]
    return value(text, "hostnorm_ticks_total"), value(text, "hostnorm_ticks_missed_total")


def seconds(url, timeout=30):
    """Duration of a request that is answered with 200, in seconds."""
    began = time.monotonic()
    found = fetch(url, timeout=timeout)[0]
    assert found == 200, f"{url}: {found}"
    return time.monotonic() - began


@contextlib.contextmanager
def scraper(url, pause):
    """Scrapes all along; the list gets the duration of each, or the error that it ended with."""
    found, ended = [], threading.Event()

    def scrape():
        while not ended.wait(pause):
            try:
                found.append(seconds(f"{url}/metrics"))
            except (OSError, AssertionError) as error:
                found.append(error)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()


def in_time(found, what):
    errors = [it for it in found if not isinstance(it, float)]
    assert found and not errors, f"{len(errors)} of {len(found)} scrapes failed: {errors[:3]}"
    note(f"{what}: {len(found)} scrapes, the slowest took {1e3 * max(found):.0f} ms")
    assert max(found) <= SCRAPE_SECONDS_MAX


def test_crowd(start):
    """500 slow clients and 10,000 connections: scrapes in time, no reading missed, little memory."""
    program = start.hostnorm("--window=5", "--warmup=6s")
    until("a score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    # The first pages and threads are not the crowd's.
    for _ in range(20):
        seconds(f"{program.url}/metrics")
    time.sleep(10)
    before, (taken, missed) = status(program, "VmRSS"), ticks(program)
    forget_peak(program)
    port = program.url.rsplit(":", 1)[1]
    with scraper(program.url, 0.2) as found:
        done = subprocess.run([sys.executable, "-c", CROWD, port], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    grown = status(program, "VmHWM") - before
    taken_after, missed_after = ticks(program)
    note(f"{done.stdout.strip()} connections; memory grew by {grown / MIB:.1f} MiB; {taken_after - taken:.0f} readings")
    in_time(found, "amid the crowd")
    assert int(done.stdout) >= 9_900
    assert missed_after == missed
    assert grown <= GROWTH_MAX


def test_full_speed(start, folder):
    """wrk with 64 connections for 30 s, readings each 100 ms, models in training: no reading missed, p99 at most 5 ms."""
    program = start.hostnorm("--interval=100ms", "--window=5", "--warmup=10s", f"--storage.path={folder}")
    until("a score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    missed = ticks(program)[1]
    ended = threading.Event()
    trained = []

    def train():
        while not ended.wait(0.2):
            command = ["curl", "-sf", "--unix-socket", f"{folder}/hostnorm.sock", "-X", "POST", "http://localhost/api/v1/train"]
            trained.append(subprocess.run(command, capture_output=True).returncode == 0)

    thread = threading.Thread(target=train)
    thread.start()
    try:
        command = ["wrk", "-t1", "-c64", "-d30s", "--latency", f"{program.url}/metrics"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    finally:
        ended.set()
        thread.join()
    number, unit = re.search(r"^\s+99%\s+([0-9.]+)(us|ms|s)$", done.stdout, re.M).groups()
    p99 = float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)[1]
    note(f"p99 {p99:.2f} ms at {rate} requests a second, {sum(trained)} trainings begun")
    assert any(trained) and "Non-2xx" not in done.stdout, done.stdout
    assert ticks(program)[1] == missed
    assert p99 <= 5


def aged(tools, start, folder):
    """A hostnorm whose store has a point each half minute for 90 days and an episode each six hours; in the last five days,
    19 services do, too."""
    options = ("--interval=100ms", "--window=5", "--warmup=3s", f"--storage.path={folder}", "--storage.commit-interval=1s")
    first = start.hostnorm(*options)
    database = pathlib.Path(folder) / "hostnorm.db"
    stored = lambda: sqlite3.connect(f"file:{database}?mode=ro", uri=True).execute("SELECT count(score) FROM points").fetchone()[0]
    until("stored scores", 60, lambda: database.exists() and stored() > 5)
    first.process.send_signal(signal.SIGTERM)
    first.process.wait(timeout=30)
    with contextlib.closing(sqlite3.connect(database)) as connection:
        now = int(time.time())
        names = [it[1] for it in connection.execute("PRAGMA table_info(points)") if it[1] not in ("id", "at", "score")]
        columns = ", ".join(f'"{it}"' for it in names)
        connection.execute(
            "WITH RECURSIVE past (at) AS (SELECT ? UNION ALL SELECT at + 30 FROM past WHERE at + 30 < ?)"
            f" INSERT INTO points (at, score, {columns})"
            f" SELECT past.at, abs(past.at / 30 % 97) / 100.0, {columns} FROM past,"
            " (SELECT * FROM points WHERE score IS NOT NULL AND kind = 'host' ORDER BY id DESC LIMIT 1)",
            (now - 90 * DAY + 3_600, now - 600),
        )
        connection.execute(
            "WITH RECURSIVE past (at) AS (SELECT ? UNION ALL SELECT at + 21600 FROM past WHERE at + 21600 < ?)"
            " INSERT INTO episodes (kind, subject, began, ended, last_seen, outcome, peak, causes, description)"
            " SELECT 'host', 'host', at, at + 300, at + 300, 'ended', 2.0, '[]', 'Anomaly on host' FROM past",
            (now - 89 * DAY, now - 3_600),
        )
        services = " UNION ALL ".join(f"SELECT 'app{it}.service'" for it in range(19))
        of_service = columns.replace('"kind", "subject"', "'service', services.name")
        connection.execute(
            f"WITH services (name) AS ({services}) INSERT INTO points (at, score, {columns})"
            f" SELECT at, score, {of_service} FROM points, services"
            " WHERE kind = 'host' AND at > ? ORDER BY at",
            (now - 5 * DAY,),
        )
        connection.execute(
            "INSERT INTO episodes (kind, subject, began, ended, last_seen, outcome, peak, causes, description)"
            " SELECT 'service', points.subject, began, ended, episodes.last_seen, outcome, peak, causes, description"
            " FROM episodes, (SELECT DISTINCT subject FROM points WHERE kind = 'service') AS points WHERE began > ?",
            (now - 5 * DAY,),
        )
        connection.commit()
        points = connection.execute("SELECT count(*) FROM points").fetchone()[0]
        note(f"{points} points, {database.stat().st_size / MIB:.0f} MiB")
        assert points > 250_000
    program = start.hostnorm(*options)
    until("a score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    return program


def slowest(url, repetitions=10):
    return max(seconds(url) for _ in range(repetitions))


def test_store_of_90_days(tools, start, folder):
    """An explanation takes at most 100 ms, scores of a week 200 ms and 8 MiB, and a burst of long reads delays no scrape."""
    program = aged(tools, start, folder)
    before = status(program, "VmRSS")
    forget_peak(program)
    week = slowest(f"{program.url}/api/v1/scores?from=-7d")
    grown = status(program, "VmHWM") - before
    note(f"scores of a week: the slowest of ten took {1e3 * week:.0f} ms; memory grew by {grown / MIB:.1f} MiB")
    # The first request reads the disk. Three days ago, an episode of each subject had just begun.
    explained = [slowest(f"{program.url}/api/v1/explain?at={at}") for at in ("now", "-3d", "-80d")]
    note(f"explain: the slowest of ten took {', '.join(f'{1e3 * it:.0f}' for it in explained)} ms")
    answer = json.loads(fetch(f"{program.url}/api/v1/explain?at=-3d")[2])
    assert (len(answer["subjects"]), answer["skipped"]) == (10, 10)
    with scraper(program.url, 0.05) as found, concurrent.futures.ThreadPoolExecutor(12) as pool:
        burst = list(pool.map(lambda _: fetch(f"{program.url}/api/v1/scores?from=-90d", timeout=60)[0], range(48)))
    note(f"48 requests for 90 days, 12 at a time: {burst.count(200)} answered, {burst.count(503)} refused")
    in_time(found, "amid long reads")
    assert set(burst) <= {200, 503} and 200 in burst
    assert max(explained) <= 0.1
    assert week <= 0.2
    assert grown <= GROWTH_MAX
