"""Faults of a store that need a kernel: a full, read-only or frozen disk, corrupt files, two processes, a clock that is
set. Sampling and /metrics go on, the problem is a metric and one line in the log, and nothing is deleted.

Needs the right to mount.
"""

import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import types

import pytest
from program import fetch, hostnorm, until, value

pytestmark = pytest.mark.root

FAKETIME = "/usr/lib/{}/faketime/libfaketime.so.1"
OPTIONS = ["--interval=100ms", "--window=10", "--warmup=2s", "--storage.commit-interval=200ms"]


class Daemon:
    """hostnorm with a store, its log in a file."""

    def __init__(self, tools, folder, *more, **environment):
        self.log = tempfile.TemporaryFile("w+")
        before = dict(os.environ)
        os.environ.update(environment)
        self.program = hostnorm(tools.hostnorm, f"--storage.path={folder}", *OPTIONS, *more, log=self.log)
        for name in environment:
            os.environ.pop(name)
        os.environ.update(before)

    def __enter__(self):
        self.program.ready()
        return self

    def __exit__(self, *_):
        self.program.__exit__()
        if self.program.process.returncode not in (0, -signal.SIGKILL):
            pytest.fail(f"ended with {self.program.process.returncode}:\n{self.told()}")

    def told(self):
        self.log.seek(0)
        return self.log.read()

    def lines(self, word):
        return [line for line in self.told().splitlines() if word in line]

    def value(self, name, **labels):
        return value(fetch(f"{self.program.url}/metrics")[2], name, **labels)

    def stored(self, yes=1, seconds=30):
        return until(
            f"hostnorm_store_success is {yes}:\n{self.told()}",
            seconds,
            lambda: self.value("hostnorm_store_success") == yes,
        )

    def goes_on(self):
        """Ten more readings, each of them judged and served."""
        ticks = self.value("hostnorm_ticks_total")
        until("ten more readings", 30, lambda: self.value("hostnorm_ticks_total") >= ticks + 10)

    def kill(self):
        self.program.process.kill()
        self.program.process.wait()


@pytest.fixture
def folder(start):
    folder = str(start.place())
    yield folder
    # A test that failed left it mounted.
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", folder], check=True)


def sound(folder):
    connection = sqlite3.connect(f"{folder}/hostnorm.db")
    told = connection.execute("PRAGMA integrity_check").fetchall()
    assert told == [("ok",)], told
    (count,) = connection.execute("SELECT sum(count) FROM readings").fetchone()
    connection.close()
    return count or 0


def once(daemon, word):
    # A line may come after the metric that goes with it.
    until(word, 10, lambda: daemon.lines(word))
    lines = daemon.lines(word)
    assert len(lines) == 1, f"{word!r} is told {len(lines)} times:\n{daemon.told()}"


def test_disk_full(tools, folder):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    with Daemon(tools, f"{folder}/store") as daemon:
        daemon.stored()
        fill(folder)
        daemon.stored(0)
        daemon.goes_on()
        time.sleep(3)
        daemon.goes_on()
        os.remove(f"{folder}/ballast")
        daemon.stored()
        daemon.goes_on()
        once(daemon, "the store does not work")
        once(daemon, "the store works again")
        assert daemon.value("hostnorm_store_errors_total", operation="write") > 0
        ticks = daemon.value("hostnorm_ticks_total")
    count = sound(f"{folder}/store")
    assert count >= ticks, f"{ticks} readings, {count} stored"
    os.rename(f"{folder}/store", f"{folder}/before")
    fill(folder)
    with Daemon(tools, f"{folder}/store") as daemon:
        daemon.stored(0)
        daemon.goes_on()
        os.remove(f"{folder}/ballast")
        daemon.stored()
        once(daemon, "the store does not work")
    sound(f"{folder}/store")
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    with open(f"{folder}/ballast", "wb", buffering=0) as ballast:
        for size in (65536, 4096, 512, 1):
            try:
                while ballast.write(b"x" * size) == size:
                    pass
            except OSError:
                pass


def test_disk_full_at_the_start(tools, folder):
    """What was learned is known although nothing can be written, not even the index of the log."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    for kill in (False, True):
        filled(tools, f"{folder}/store", kill)
        if kill:
            os.remove(f"{folder}/store/hostnorm.db-shm")
        before = learned(folder)
        fill(folder)
        with Daemon(tools, f"{folder}/store") as daemon:
            daemon.stored(0)
            daemon.goes_on()
            once(daemon, "state restored from the last snapshot")
            os.remove(f"{folder}/ballast")
            daemon.stored()
        assert learned(folder) > before, "the state is not that of before with more"


def test_tiny_disk_full_at_the_first_start(tools, folder):
    """The store says that the disk is full, and never that it is corrupt; it is created when space is freed. Blocks are
    smaller than pages, so that the index of the log has holes: to fill one on a full disk would end the process."""
    image = f"{folder}.ext4"
    subprocess.run(["truncate", "--size=4M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", "-b", "1024", "-m", "0", "-O", "^has_journal", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    for free in (0, 3, 8, 13, 20, 60, 120):
        store = f"{folder}/store-{free}"
        fill(folder)
        with open(f"{folder}/ballast", "r+b") as ballast:
            ballast.truncate(os.path.getsize(ballast.name) - free * 1024)
        for _ in range(2):
            with Daemon(tools, store) as daemon:
                daemon.stored(0)
                daemon.goes_on()
                once(daemon, "the store does not work")
                (said,) = daemon.lines("the store does not work")
                # Without a single block, there is not even the directory.
                assert "is full: " in said or "No space left on device" in said, said
                assert "corrupt" not in daemon.told() and "aside" not in daemon.told(), daemon.told()
                daemon.kill()
        with Daemon(tools, store) as daemon:
            daemon.goes_on()
            os.remove(f"{folder}/ballast")
            daemon.stored()
            assert "corrupt" not in daemon.told() and "aside" not in daemon.told(), daemon.told()
        sound(store)
        shutil.rmtree(store)
    subprocess.run(["umount", folder], check=True)


def learned(folder):
    """Number of points that the baselines were learned from."""
    with sqlite3.connect(f"{folder}/store/hostnorm.db") as database:
        (count,) = database.execute("SELECT max(sample_count) FROM baselines").fetchone()
    database.close()
    return count or 0


def test_disk_that_hangs(tools, folder):
    """HTTP answers at once, the first reading comes without the store, and what is stored is adopted when the disk is back."""
    image = f"{folder}.ext4"
    subprocess.run(["truncate", "--size=64M", image], check=True)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    filled(tools, f"{folder}/store")
    before = learned(folder)
    subprocess.run(["fsfreeze", "--freeze", folder], check=True)
    try:
        began = time.monotonic()
        with Daemon(tools, f"{folder}/store") as daemon:
            # The first reading waits at most 5 s for what was learned; the disk would let it wait for ever.
            assert time.monotonic() - began < 60, "the first reading waits for the disk"
            daemon.goes_on()
            daemon.stored(0)
            once(daemon, "the store does not respond")
            subprocess.run(["fsfreeze", "--unfreeze", folder], check=True)
            daemon.stored()
            once(daemon, "state restored from the last snapshot")
            daemon.goes_on()
        assert learned(folder) > before
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", folder], capture_output=True)
    subprocess.run(["umount", folder], check=True)


def test_read_only(tools, folder):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    os.mkdir(f"{folder}/store")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    with Daemon(tools, f"{folder}/store") as daemon:
        daemon.stored(0)
        daemon.goes_on()
        assert daemon.value("hostnorm_store_errors_total", operation="open") > 0
        subprocess.run(["mount", "-o", "remount,rw", folder], check=True)
        daemon.stored()
        once(daemon, "the store does not work")
        once(daemon, "the store works again")
    sound(f"{folder}/store")
    # What is stored can be read where nothing can be written.
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    told = subprocess.run([tools.hostnorm, "export", "scores", f"--storage.path={folder}/store"], capture_output=True)
    assert told.returncode == 0 and told.stdout.startswith(b"timestamp,score"), told
    subprocess.run(["umount", folder], check=True)


def test_nowhere_to_sort(tools, folder):
    """What months left is read where no file can be made, as in a container: all of it, and a part."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder], check=True)
    filled(tools, f"{folder}/store")
    with sqlite3.connect(f"{folder}/store/hostnorm.db") as database:
        others = "kind, subject, in_episode, weight, instant_score, is_anomaly, confidence, layout, \"values\""
        database.execute(
            f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
            f"INSERT INTO points (at, score, {others}) SELECT at - 60 * i, 0.5, {others} FROM points, n"
        )
        (added,) = database.execute("SELECT changes()").fetchone()
    database.close()
    shutil.copy(tools.hostnorm, f"{folder}/hostnorm")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    for more in [], ["--from=2020-01-01T00:00:00Z"]:
        command = ["/hostnorm", "export", "scores", "--storage.path=/store", *more]
        # What is released is static and needs nothing else there.
        told = subprocess.run(command, capture_output=True, cwd=folder, preexec_fn=lambda: os.chroot("."))
        assert told.returncode == 0 and told.stdout.count(b"\n") > added > 40_000, (told.stderr, added)
    subprocess.run(["umount", folder], check=True)


def garble(path, start, length, seed):
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(random.Random(seed).randbytes(length))


def filled(tools, folder, kill=False):
    """A store with some readings in it; after a kill with its log of writes."""
    daemon = Daemon(tools, folder)
    with daemon:
        daemon.stored()
        time.sleep(4)
        if kill:
            daemon.kill()


def set_aside(folder):
    return [it for it in pathlib.Path(folder).iterdir() if ".aside-" in it.name and not it.name.endswith(("-wal", "-shm"))]


def test_corrupt(tools, folder):
    filled(tools, folder)
    path = pathlib.Path(folder, "hostnorm.db")
    garble(path, 0, 4096, 1)
    content = path.read_bytes()
    with Daemon(tools, folder) as daemon:
        daemon.stored()
        daemon.goes_on()
        once(daemon, "the store cannot be used and was set aside")
    (aside,) = set_aside(folder)
    assert aside.read_bytes() == content, "the corrupt file was changed"
    assert aside.name in daemon.told(), daemon.told()
    sound(folder)
    # Corrupt behind its header: it is noticed when it is read.
    garble(path, 4096, path.stat().st_size - 4096, 2)
    with Daemon(tools, folder) as daemon:
        daemon.stored()
        daemon.goes_on()
        once(daemon, "the store cannot be used and was set aside")
    assert len(set_aside(folder)) == 2
    sound(folder)


def copied_bytes(log):
    """Bytes of the log that SQLite has copied into the database: without them, the database is a mix of two states."""
    page = int.from_bytes(log.read_bytes()[8:12], "big")
    # The number of copied frames, in the index of the log, in the order of bytes of the machine.
    index = log.with_name(log.name.replace("-wal", "-shm")).read_bytes()
    return 32 + int.from_bytes(index[96:100], sys.byteorder) * (page + 24)


def test_corrupt_log(tools, folder):
    """A log that ends early loses what is behind; one that SQLite would ignore as a whole is set aside."""
    for spoil in ("cut", "end", "header"):
        filled(tools, folder, kill=True)
        path = pathlib.Path(folder, "hostnorm.db-wal")
        size, copied = path.stat().st_size, copied_bytes(path)
        if spoil == "cut":
            os.truncate(path, max(size * 2 // 3, copied) + 7)
        elif spoil == "end":
            begin = max(size // 2, copied)
            garble(path, begin, size - begin, 1)
        else:
            garble(path, 16, 1, 2)
        with Daemon(tools, folder) as daemon:
            daemon.stored()
            daemon.goes_on()
            assert len(daemon.lines("set aside")) == (spoil == "header"), daemon.told()
        sound(folder)


def test_corrupt_state(tools, folder):
    """A snapshot that is corrupt, or claims a gigabyte, is not used, and the next one is stored."""
    for spoil in ("randomblob(length(content))", "zeroblob(70000000)"):
        filled(tools, folder)
        with sqlite3.connect(f"{folder}/hostnorm.db") as database:
            # Only the newest: all of them would exceed the size of a store, which costs readings.
            database.execute(f"UPDATE snapshots SET content = {spoil} WHERE id = (SELECT max(id) FROM snapshots)")
        database.close()
        with Daemon(tools, folder) as daemon:
            daemon.stored()
            daemon.goes_on()
            once(daemon, "snapshot not used")
            ticks = daemon.value("hostnorm_ticks_total")
        count = sound(folder)
        assert count > ticks, f"{ticks} readings, {count} stored"
        with sqlite3.connect(f"{folder}/hostnorm.db") as database:
            query = "SELECT max(id), length(content) FROM snapshots"
            assert 1_000 < database.execute(query).fetchone()[1] < 10_000_000, "no state is stored"
        database.close()


def test_two_processes(tools, folder):
    with Daemon(tools, folder) as first:
        first.stored()
        with Daemon(tools, folder) as second:
            second.stored(0)
            second.goes_on()
            once(second, "another hostnorm uses this store")
            first.kill()
            second.stored()
            once(second, "the store works again")
    sound(folder)


def test_learning(tools, folder):
    def learn(switch):
        told = subprocess.run([tools.hostnorm, "learn", switch, f"--storage.path={folder}"], capture_output=True, text=True)
        assert told.returncode == 0, told
        return told.stdout

    with Daemon(tools, folder) as daemon:
        daemon.stored()
        assert "learning is off" in learn("off")
        until("learning is 0", 30, lambda: daemon.value("hostnorm_learning_enabled") == 0)
        assert "already off" in learn("off")
    with Daemon(tools, folder) as daemon:
        until("learning is 0", 30, lambda: daemon.value("hostnorm_learning_enabled") == 0)
        daemon.stored()
        assert "learning is on" in learn("on")
        until("learning is 1", 30, lambda: daemon.value("hostnorm_learning_enabled") == 1)


def test_clock(tools, folder):
    library = next((it for it in map(FAKETIME.format, ("x86_64-linux-gnu", "aarch64-linux-gnu")) if os.path.exists(it)))
    offset = pathlib.Path(folder, "offset")
    offset.write_text("+0\n")
    environment = {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    dynamic = types.SimpleNamespace(hostnorm=tools.dynamic)
    with Daemon(dynamic, f"{folder}/store", **environment) as daemon:
        daemon.stored()
        for step in ("-1h", "+0", "+1h", "+0"):
            offset.write_text(f"{step}\n")
            daemon.goes_on()
            daemon.stored()
            time.sleep(1)
        ticks = daemon.value("hostnorm_ticks_total")
        assert daemon.value("hostnorm_store_errors_total", operation="write") == 0
        assert daemon.value("hostnorm_store_rows_dropped_total") == 0
    assert sound(f"{folder}/store") >= ticks
    connection = sqlite3.connect(f"{folder}/store/hostnorm.db")
    first, last = connection.execute("SELECT min(first_at), max(last_at) FROM readings").fetchone()
    assert last - first > 7000, "the clock was not set"
