"""CPU time of the store's thread at the defaults, and bytes a day.

    benches/store.py --hostnorm target/release/hostnorm [--minutes 10]

The kernel counts the time of each thread in nanoseconds (/proc/PID/task/TID/schedstat). The bar is 100 us a second.
"""

import argparse
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

BAR = 100


def threads(pid):
    """CPU time in nanoseconds by the name of the thread."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return {(it / "comm").read_text().strip(): int((it / "schedstat").read_text().split()[0]) for it in tasks}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hostnorm", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [options.hostnorm, "--web.listen-address=127.0.0.1:0", f"--storage.path={folder}"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        try:
            time.sleep(90)  # the store is opened and pruned for the first time
            before = threads(process.pid)
            time.sleep(60 * options.minutes)
            after = threads(process.pid)
        finally:
            process.terminate()
            process.wait()
        store, sample = ((after[it] - before[it]) / (60e3 * options.minutes) for it in ("store", "sample"))
        connection = sqlite3.connect(f"{folder}/hostnorm.db")
        count, size = connection.execute("SELECT sum(count), sum(length(block)) FROM readings").fetchone()
        (series,) = connection.execute("SELECT count(*) FROM series").fetchone()
        print(f"store {store:.1f} us/s, sample {sample:.0f} us/s")
        print(f"{series} series, {size / count:.0f} bytes a reading, {size / count * 86_400e-6:.1f} MB of readings a day")
        if store > BAR:
            sys.exit(f"the store takes more than {BAR} us/s")


main()
