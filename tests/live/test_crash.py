"""The store survives `kill -9`: 200 of them at random moments, under a reading each 100 ms.

After each kill the file, with whatever the crash left beside it, has to be sound, and at most 5 s of readings may be
missing, beside what a busy machine adds. The machine is a calm one from files, so that each score that is not low is a
wrong one.
"""

import datetime
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

import pytest
from calm_machine import CalmMachine
from program import note

KILLS = 200
STORES = 6
LIFE_SECONDS = (0.1, 7.0)
# The default, and so often that many a kill strikes a commit.
COMMIT_SECONDS = (5.0, 0.2)
# A start, a commit and a kill take their time: SLACK_SECONDS for all but one kill in ten, STALL_SECONDS where a busy
# machine holds the program or its disk up. A commit that is left out would be missing after most kills.
SLACK_SECONDS = 3.0
STALL_SECONDS = 15.0
LATE_MAX = KILLS // 10
# Less than the longer time between commits: what is there after the end was written by the end.
LAST_LIFE_SECONDS = 4.0
SCORE_MAX = 1.0


class Crashes(threading.Thread):
    """One store that loses its process again and again."""

    def __init__(self, command, folder, kills, seed):
        super().__init__()
        self.folder, self.kills, self.random = folder, kills, random.Random(seed)
        self.commit = COMMIT_SECONDS[seed % 2]
        commit = f"--storage.commit-interval={self.commit * 1000:.0f}ms"
        self.command = [*command, f"--storage.path={folder}", commit]
        self.missing, self.problems, self.late = [], [], 0

    def start_program(self):
        return subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def run(self):
        try:
            for _ in range(self.kills):
                self.life()
            self.end()
        except Exception as error:  # Whatever it is, the main thread tells it.
            self.problems.append(repr(error))

    def life(self):
        process, began = self.start_program(), time.time()
        time.sleep(self.random.uniform(*LIFE_SECONDS))
        if process.poll() is not None:
            self.problems.append(f"ended by itself with {process.returncode}")
            return
        process.send_signal(signal.SIGKILL)
        killed = time.time()
        process.wait()
        kept = max(self.look(), began)
        self.missing.append(killed - kept)
        late = killed - kept - self.commit
        if late > STALL_SECONDS:
            self.problems.append(f"{killed - kept:.1f} s of readings are missing")
        self.late += late > SLACK_SECONDS

    def look(self):
        """Looks at a copy, as looking mends what the crash left, and that is for hostnorm to do."""
        with tempfile.TemporaryDirectory() as copy:
            for path in pathlib.Path(self.folder).glob("hostnorm.db*"):
                if path.is_file() and not path.name.endswith("-shm"):
                    shutil.copy(path, copy)
            if not pathlib.Path(copy, "hostnorm.db").exists():
                return 0.0
            connection = sqlite3.connect(f"{copy}/hostnorm.db")
            told = connection.execute("PRAGMA integrity_check").fetchall()
            if told != [("ok",)]:
                self.problems.append(f"integrity_check: {told}")
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'readings'").fetchall():
                return 0.0
            connection.close()
            times = self.exported(copy)
            return datetime.datetime.fromisoformat(times[-1]).timestamp() if times else 0.0

    def end(self):
        """A last life that ends in order loses nothing; then everything is looked at."""
        process = self.start_program()
        time.sleep(LAST_LIFE_SECONDS)
        process.terminate()
        ended = time.time()
        if process.wait(timeout=20) != 0:
            self.problems.append(f"ended with {process.returncode}")
        if ended - self.look() > LAST_LIFE_SECONDS / 2:
            self.problems.append(f"{ended - self.look():.1f} s are missing after an end in order")
        connection = sqlite3.connect(f"{self.folder}/hostnorm.db")
        query = "SELECT max(score), count(score), (SELECT count(*) FROM episodes) FROM points"
        score, scores, episodes = connection.execute(query).fetchone()
        if (score or 0.0) >= SCORE_MAX or episodes:
            self.problems.append(f"a calm machine had a score of {score} and {episodes} episodes")
        self.score, self.scores = score or 0.0, scores
        (count,) = connection.execute("SELECT sum(count) FROM readings").fetchone()
        connection.close()
        times = self.exported(self.folder)
        if len(times) != count or sorted(set(times)) != times:
            self.problems.append(f"{count} readings, {len(times)} exported, {len(set(times))} of them different")
        self.count = count

    def exported(self, folder):
        command = [self.command[0], "export", "readings", f"--storage.path={folder}"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [line.split(",", 1)[0] for line in text.splitlines()[1:]]


@pytest.mark.slow
def test_crash(tools):
    with tempfile.TemporaryDirectory() as folder:
        calm = CalmMachine(f"{folder}/machine")
        calm.start()
        command = [tools.hostnorm, "--web.listen-address=127.0.0.1:0", "--interval=100ms", "--window=10"]
        command += ["--warmup=1s", *calm.roots]
        share = [KILLS // STORES + (idx < KILLS % STORES) for idx in range(STORES)]
        stores = [Crashes(command, f"{folder}/{idx}", kills, idx) for idx, kills in enumerate(share)]
        for store in stores:
            store.start()
        for store in stores:
            store.join()
        missing = [seconds for store in stores for seconds in store.missing]
        often = [seconds for store in stores if store.commit < 1 for seconds in store.missing]
        problems = [problem for store in stores for problem in store.problems]
        late = sum(store.late for store in stores)
        if late > LATE_MAX:
            problems.append(f"after {late} kills, readings older than the time between commits are missing")
        if problems:
            pytest.fail("\n".join(problems))
        assert len(missing) == KILLS, len(missing)
        assert sum(store.scores for store in stores) > 100, "hardly anything was scored"
        note(
            f"{KILLS} kills: at most {max(missing):.1f} s of readings missing, "
            f"{max(often):.1f} s with commits each {COMMIT_SECONDS[1]} s, "
            f"{sum(store.count for store in stores)} kept, highest of "
            f"{sum(store.scores for store in stores)} scores {max(store.score for store in stores):.2f}"
        )
