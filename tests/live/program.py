"""Starts the release binary and asks it; what the live tests share."""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def note(text):
    """A line that ./check shows even when all is well."""
    print(f"NOTE: {text}", flush=True)


def runbook_commands(execute):
    """The commands that the runbooks, and the page of alerts to which they link, print reach hostnorm as printed; `execute`
    runs one and gives what it said."""
    docs = pathlib.Path(__file__).parents[2] / "docs"
    pages = "\n".join(it.read_text() for it in [docs / "alerts.md", *(docs / "runbooks").glob("*.md")])
    commands = sorted({*re.findall(r"^    (hostnorm .*)$", pages, re.M), *re.findall(r"\| `(hostnorm [^`]*)` \|", pages)})
    for command in commands:
        # An operator puts an identifier in place of the word in capitals.
        said = execute(*command.replace("EPISODE", "2026-01-02T03:04:05Z").split())
        if not re.search(r"(^|error: )(accepted|there is no anomaly to accept|forgotten|no episode 2026-01-02T03:04:05Z)", said):
            pytest.fail(f"{command}: {said}")
    if len(commands) < 4:
        pytest.fail(f"the runbooks print {commands}")


def fetch(url, accept=None, timeout=20, context=None, headers=None):
    """Status, headers and text of an answer; a refused connection is an OSError. `context` is that of ssl, for https."""
    request = urllib.request.Request(url, headers={**(headers or {}), **({"Accept": accept} if accept else {})})
    try:
        with urllib.request.urlopen(request, timeout=timeout, context=context) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


# A test ends when what it waits for is there, so a longer wait costs nothing. Machines that run other programs are slow.
PATIENCE = 4


def until(what, seconds, ask, pause=0.2):
    """Asks until the answer is true, for several times the seconds that it takes; says how long it took. Errors of the
    network count as no."""
    start = time.monotonic()
    seconds *= PATIENCE
    while True:
        with contextlib.suppress(OSError):
            if ask():
                return time.monotonic() - start
        if time.monotonic() - start > seconds:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(pause)


class Running:
    """A program that listens on a port of loopback, ended with the block."""

    def __init__(self, command, port, log=subprocess.DEVNULL, context=None, **variables):
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{port}"
        self.context = context
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **variables})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)

    def ready(self, seconds=30):
        return until(f"{self.url}/-/ready answers 200", seconds, lambda: fetch(f"{self.url}/-/ready", context=self.context)[0] == 200)


def hostnorm(binary, *options, log=subprocess.DEVNULL, **variables):
    port = free_port()
    if not any(it.startswith("--storage.path") for it in options):
        # A check must not go on with what another one learned, nor leave anything behind.
        options = ["--storage.path=off", *options]
    return Running([binary, f"--web.listen-address=127.0.0.1:{port}", *options], port, log, **variables)


def samples(text):
    """Each sample of a text exposition as (name, labels, value)."""
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, labels, value = re.fullmatch(r"([a-z_:0-9]+)(?:\{(.*)\})? (\S+)", line).groups()
            yield name, dict(re.findall(r'([a-z_]+)="((?:[^"\\]|\\.)*)"', labels or "")), float(value)


def value(text, name, **labels):
    """The value of the one series that has these labels, or None."""
    for found, has, number in samples(text):
        if found == name and labels.items() <= has.items():
            return number
    return None


def has_level(said, level):
    """Whether hostnorm wrote a line of this level; the word within a message does not count."""
    return re.search(rf"^ts=\S+ level={level} ", said, re.M) is not None


# Faults of this machine, as programs. Each ends by itself, whatever happens to the check that began it.
BURNER = """
import time
end = time.monotonic() + 300
while time.monotonic() < end: pass
"""

# A mebibyte sent over loopback again and again: news also on a machine that is busy by itself.
LOOPBACK = """
import socket, threading, time
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
other, _ = server.accept()
end = time.monotonic() + 300
def drain():
    while other.recv(1 << 20): pass
threading.Thread(target=drain, daemon=True).start()
while time.monotonic() < end: client.sendall(bytes(1 << 20))
"""


@contextlib.contextmanager
def faults(*codes):
    """These programs run within the block."""
    running = []
    try:
        for code in codes:
            running.append(subprocess.Popen([sys.executable, "-c", code]))
        yield
    finally:
        for it in running:
            it.kill()
            it.wait()
