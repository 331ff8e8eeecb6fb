#!/usr/bin/env python3
"""Records what the pictures in docs/ show: several hostnorms on this machine, real faults, a real Prometheus.

Each hostnorm watches other parts of the same machine, so that they differ as hosts of a fleet do. Rules are those
that are shipped. Prometheus stays up at the end, for draw.py, until the script is interrupted.

    grafana/record.py --hostnorm target/release/hostnorm --folder /tmp/recorded
"""

import argparse
import contextlib
import json
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
ALL = "cpu memory load pressure disk filesystem network tcp stat".split()
# Which collectors each of them has, besides the load.
HOSTS = {
    "web-1": ALL,
    "web-2": "cpu memory pressure network tcp stat".split(),
    "db-1": "memory disk filesystem".split(),
    "db-2": "disk filesystem".split(),
    "cache-1": "memory network tcp".split(),
    "queue-1": "network tcp".split(),
}
PORT = 19810
QUIET_SECONDS = 420
FAULT_SECONDS = 75
PAUSE_SECONDS = 80

# A mebibyte sent over loopback again and again.
LOOPBACK = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
other, _ = server.accept()
def drain():
    while other.recv(1 << 20): pass
threading.Thread(target=drain, daemon=True).start()
while True: client.sendall(bytes(1 << 20))
"""
# A file written and brought to the disk again and again.
DISK = """
import os, sys
while True:
    with open(sys.argv[1], "wb") as file:
        for _ in range(128): file.write(bytes(1 << 20)); file.flush()
        os.fsync(file.fileno())
"""
# A leak: half a percent of memory at a time, up to a quarter of it.
LEAK = """
import os, time
size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
kept = []
while True:
    if len(kept) < 50: kept.append(b"x" * (size // 200))
    time.sleep(0.2)
"""
FAULTS = [("loopback traffic", LOOPBACK), ("a disk written to", DISK), ("a leak of memory", LEAK)]


def wait(url, seconds=60):
    address = url.split("//")[1].split(":")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((address[0], int(address[1])), timeout=1):
            return
        time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def start(options, folder):
    """The programs, and Prometheus with one job of them."""
    for number, (name, has) in enumerate(HOSTS.items()):
        without = [f"--no-collector.{it}" for it in ALL if it not in has]
        flags = [f"--web.listen-address=127.0.0.1:{PORT + 1 + number}", "--interval=200ms", "--warmup=60s", f"--seed={number}", *without]
        with open(folder / f"{name}.log", "wb") as log:
            yield subprocess.Popen([options.hostnorm, *flags], stdout=log, stderr=log)
    rules = [str(it) for it in (ROOT / "prometheus").glob("*.y*ml") if re.search(r"^\"?groups\"?:", it.read_text(), re.M)]
    targets = [
        {"targets": [f"127.0.0.1:{PORT + 1 + number}"], "labels": {"instance": name}} for number, name in enumerate(HOSTS)
    ]
    scrape = [{"job_name": "hostnorm", "static_configs": targets}]
    config = {"global": {"scrape_interval": "2s", "evaluation_interval": "5s"}, "rule_files": rules, "scrape_configs": scrape}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    flags = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{PORT}"]
    with open(folder / "prometheus.log", "wb") as log:
        yield subprocess.Popen([options.prometheus, *flags], stdout=log, stderr=log)
    wait(f"http://127.0.0.1:{PORT}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hostnorm", required=True)
    parser.add_argument("--prometheus", default="prometheus")
    parser.add_argument("--folder", required=True, type=pathlib.Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    running = []
    # So that nothing is left behind then either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for it in start(options, options.folder):
            running.append(it)
        prometheus = running[-1]
        print(f"quiet for {QUIET_SECONDS} s", flush=True)
        time.sleep(QUIET_SECONDS)
        for name, code in FAULTS:
            print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
            fault = subprocess.Popen([sys.executable, "-c", code, str(options.folder / "written")])
            running.append(fault)
            time.sleep(FAULT_SECONDS)
            if name == FAULTS[-1][0]:
                break
            fault.kill()
            fault.wait()
            time.sleep(PAUSE_SECONDS)
        print(f"draw.py --prometheus http://127.0.0.1:{PORT} --at {time.time():.0f} --range {QUIET_SECONDS + 3 * FAULT_SECONDS + 2 * PAUSE_SECONDS - 300}", flush=True)
        fault.kill()
        prometheus.wait()
    except KeyboardInterrupt:
        pass
    finally:
        for it in running:
            it.terminate()
        for it in running:
            it.wait()


main()
