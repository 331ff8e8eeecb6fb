"""What the store costs: processor time of its thread against that of the tick, and bytes a day, at the defaults.

    benches/store.py --hostnorm target/release/hostnorm [--minutes 10]

The kernel counts the time of each thread in nanoseconds (/proc/PID/task/TID/schedstat). The bars are 3 % and 20 MB a day.
"""

import argparse
import pathlib
import sqlite3
import subprocess
import tempfile
import time


def threads(pid):
    """Nanoseconds on a processor by the name of the thread."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return {(it / "comm").read_text().strip(): int((it / "schedstat").read_text().split()[0]) for it in tasks}


def measured(binary, path, minutes):
    options = ["--web.listen-address=127.0.0.1:0", f"--storage.path={path}"]
    process = subprocess.Popen([binary, *options], stderr=subprocess.DEVNULL)
    try:
        time.sleep(90)  # what is allocated and opened once, and the first look for what is old
        before = threads(process.pid)
        time.sleep(60 * minutes)
        after = threads(process.pid)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    finally:
        process.terminate()
        process.wait()
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return {name: (after[name] - before.get(name, 0)) / (60e3 * minutes) for name in after}, resident


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--hostnorm", required=True)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        off, resident_off = measured(options.hostnorm, "off", options.minutes)
        on, resident_on = measured(options.hostnorm, folder, options.minutes)
        print(f"without: sample {off['sample']:.0f} us/s, {resident_off} kB resident")
        print(f"with: sample {on['sample']:.0f} us/s, store {on['store']:.1f} us/s, {resident_on} kB resident")
        print(f"share of the store in a tick: {on['store'] / on['sample']:.1%}")
        connection = sqlite3.connect(f"{folder}/hostnorm.db")
        count, size = connection.execute("SELECT sum(count), sum(length(blob)) FROM readings").fetchone()
        (series,) = connection.execute("SELECT count(*) FROM series").fetchone()
        points, of_points = connection.execute('SELECT count(*), sum(length("values")) FROM points').fetchone()
        day = 86_400 / count
        print(f"{series} series: {size * day / 1e6:.1f} MB of readings a day, {size / count:.0f} bytes a reading")
        # A row has some sixty bytes besides, and its place in the index.
        print(f"{(of_points + 90 * points) * day / 1e6:.2f} MB of points a day")


main()
