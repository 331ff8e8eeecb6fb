"""The journal of a real journald is read through rotations and a restart: no entry is lost or counted twice."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from program import fetch, hostnorm, until, value

JOURNALD = "/lib/systemd/systemd-journald"
OPTIONS = ["--interval=100ms", "--window=10", "--warmup=2s", "--storage.commit-interval=200ms"]


class Journal:
    """A journald of its own, for a namespace that only this test writes to."""

    def __init__(self, stack):
        self.namespace = f"hostnorm{os.getpid()}"
        runtime = pathlib.Path(f"/run/systemd/journal.{self.namespace}")
        self.process = subprocess.Popen([JOURNALD, self.namespace], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(lambda: [shutil.rmtree(it, ignore_errors=True) for it in [runtime, *self.directories()]])
        stack.callback(self.stop)
        self.socket = runtime / "dev-log"
        until("journald listens", 20, self.socket.exists)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def directories(self):
        """Below /var/log/journal if that exists, else below /run/log/journal."""
        return [it for root in ("/var", "/run") for it in pathlib.Path(root, "log/journal").glob(f"*.{self.namespace}")]

    def directory(self):
        until("the journal has a file", 20, lambda: any(any(it.glob("*.journal")) for it in self.directories()))
        return next(it for it in self.directories() if any(it.glob("*.journal")))

    def write(self, severity, *messages):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(str(self.socket))
            for it in messages:
                sender.send(f"<{severity}>Nov 30 12:00:00 app: {it}".encode())

    def entries(self):
        """As journalctl counts them: journald adds some of its own."""
        command = ["journalctl", f"--directory={self.directory()}", "--output=json", "--quiet"]
        return subprocess.run(command, check=True, capture_output=True).stdout.count(b"\n")

    def rotate(self):
        """journald answers SIGUSR2 with a new file; the old one has another name from then on."""
        before = len(list(self.directory().glob("*.journal")))
        self.process.send_signal(signal.SIGUSR2)
        until("the journal is rotated", 20, lambda: len(list(self.directory().glob("*.journal"))) > before)


@pytest.mark.root
def test_journal_through_rotations_and_a_restart(tools, tmp_path):
    with contextlib.ExitStack() as stack:
        journal = Journal(stack)
        journal.write(6, "before hostnorm starts")
        until("the entry is in the journal", 20, lambda: journal.entries() >= 1)
        settings = tmp_path / "hostnorm.yaml"
        settings.write_text(f"logs:\n- {{name: app, journald: {{directory: {journal.directory()}}}}}\n")

        def start():
            return hostnorm(tools.hostnorm, f"--config.file={settings}", f"--storage.path={tmp_path}/store", *OPTIONS)

        def count(name):
            return value(fetch(f"{program.url}/metrics")[2], name, kind="log", subject="app") or 0

        with start() as program:
            program.ready()
            until("the journal is open", 20, lambda: count("hostnorm_log_source_success") == 1)
            known = journal.entries()
            for part in range(3):
                journal.write(6, *(f"request {part}.{number} served" for number in range(100)))
                journal.rotate()
            journal.write(3, "payment failed for order 17")
            until("the journal has them", 20, lambda: journal.entries() >= known + 301)
            until("all are read", 30, lambda: count("hostnorm_log_lines_total") == journal.entries() - known)
            assert count("hostnorm_log_lines_lost_total") == 0
            program.process.terminate()
            assert program.process.wait(20) == 0
        known = journal.entries()
        journal.write(6, *(f"request {number} while nobody reads" for number in range(50)))
        journal.rotate()
        until("the journal has them", 20, lambda: journal.entries() >= known + 50)
        with start() as program:
            program.ready()
            until("the pause is read", 30, lambda: count("hostnorm_log_lines_total") == journal.entries() - known)
