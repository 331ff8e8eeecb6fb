"""Limits of the process and bare roots: the store or a collector fails with a sentence, the rest goes on."""

import os
import pathlib
import resource
import subprocess
import tempfile

import pytest
from program import fetch, free_port, note, until, value

OPTIONS = ["--interval=100ms", "--window=5", "--warmup=1s", "--storage.commit-interval=200ms"]


class Limited:
    """hostnorm under limits, or in a mount namespace of its own; ended with the block."""

    def __init__(self, tools, folder, limits=(), mounts=""):
        self.log = tempfile.TemporaryFile("w+")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [tools.hostnorm, *OPTIONS, f"--storage.path={folder}", f"--web.listen-address=127.0.0.1:{port}"]
        program = os.open(tools.hostnorm, os.O_RDONLY)
        if mounts:
            # A mount may hide the program, not an open file.
            command = ["unshare", "--mount", "sh", "-ec", f'{mounts}; exec "$@"', "sh", f"/proc/self/fd/{program}", *command[1:]]
        both = lambda most: most if isinstance(most, tuple) else (most, most)
        limit = lambda: [resource.setrlimit(which, both(most)) for which, most in limits]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, preexec_fn=limit, pass_fds=[program] if mounts else [])
        os.close(program)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(timeout=30) != 0:
            pytest.fail(f"ended with {self.process.returncode}:\n{self.said()}")

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def value(self, name):
        status, _, text = fetch(f"{self.url}/metrics")
        # Before the first reading there are no metrics.
        return value(text, name) if status == 200 else 0

    def goes_on(self):
        until("a first reading", 30, lambda: self.value("hostnorm_ticks_total") > 0)
        ticks = self.value("hostnorm_ticks_total")
        until("twenty more readings", 30, lambda: self.value("hostnorm_ticks_total") >= ticks + 20)
        assert "panicked" not in self.said(), self.said()


def test_root_is_warned(start, tools):
    with tempfile.TemporaryDirectory() as folder, Limited(tools, folder) as it:
        it.goes_on()
        assert ("hostnorm runs as root, which it does not need" in it.said()) == (os.geteuid() == 0), it.said()


def test_few_files(tools):
    """Few descriptors are shared among files, the store and connections, so that metrics are served."""
    for most in (32, 48):
        with tempfile.TemporaryDirectory() as folder, Limited(tools, folder, [(resource.RLIMIT_NOFILE, most)]) as it:
            it.goes_on()
            note(f"{most} descriptors: {len(it.said().splitlines())} lines of log")
            refused = it.said().count("cannot accept connections")
            assert refused <= 1, it.said()


def test_no_files_for_the_store(tools):
    """Without descriptors for the store, everything else goes on, and clients are served."""
    for most in (16, 20):
        with tempfile.TemporaryDirectory() as folder, Limited(tools, folder, [(resource.RLIMIT_NOFILE, most)]) as it:
            it.goes_on()
            said = it.said()
            assert "the store does not work; continuing in memory" in said, said
            assert "24 free file descriptors are needed" in said and "LimitNOFILE=" in said, said
            assert it.value("hostnorm_store_success") == 0
            failing = [line for line in said.splitlines() if "Too many open files" in line]
            assert not failing, said
            assert not os.listdir(folder), os.listdir(folder)


def test_too_few_files(tools):
    """A limit that is too small to run is an error that says what to do."""
    for most in (8, 12):
        with tempfile.TemporaryDirectory() as folder:
            limit = lambda most=most: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            command = [tools.hostnorm, *OPTIONS, f"--storage.path={folder}"]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, preexec_fn=limit)
            assert ended.returncode == 1, ended
            assert "12 free file descriptors are needed" in ended.stderr, ended.stderr
            assert "LimitNOFILE=" in ended.stderr, ended.stderr


def test_low_soft_limit(tools):
    """A soft limit is raised to the hard one."""
    with tempfile.TemporaryDirectory() as folder:
        with Limited(tools, folder, [(resource.RLIMIT_NOFILE, (16, 4096))]) as it:
            it.goes_on()
            assert it.value("process_max_fds") == 4096


def test_little_address_space(tools):
    """A host that bounds the address space, as batch systems do; the program needs about 20 MB of memory."""
    for most in (64 << 20, 256 << 20):
        with tempfile.TemporaryDirectory() as folder, Limited(tools, folder, [(resource.RLIMIT_AS, most)]) as it:
            it.goes_on()
            note(f"{most >> 20} MiB of address space: {len(it.said().splitlines())} lines of log")


def test_short_files(tools):
    """A bound on the size of files stops the store with a sentence; the rest goes on."""
    with tempfile.TemporaryDirectory() as folder, Limited(tools, folder, [(resource.RLIMIT_FSIZE, 64 << 10)]) as it:
        it.goes_on()
        until("the store fails", 30, lambda: it.value("hostnorm_store_success") == 0)
        until("it is said", 10, lambda: "the store does not work" in it.said())
        assert "may not write files of more than 65536 bytes" in it.said(), it.said()
        assert "LimitFSIZE=" in it.said(), it.said()
        assert "corrupt" not in it.said(), it.said()


@pytest.mark.root
def test_bare_root(tools):
    """No /etc, no /tmp, and nothing that can be written: times of day are in UTC, and learned state stays in memory."""
    mounts = "; ".join(f"mount -t tmpfs -o ro none {it}" for it in ("/etc", "/tmp", "/var"))
    folder = pathlib.Path("/var/lib/hostnorm")
    with Limited(tools, folder, mounts=mounts) as it:
        it.goes_on()
        said = it.said()
        assert "times of day and maintenance windows are in UTC" in said, said
        assert "the store does not work; continuing in memory" in said, said
        assert it.value("hostnorm_store_success") == 0
