"""hostnorm top in a real terminal: it is drawn again each second, and restored at Ctrl-C, at SIGTERM and at q."""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time

import pytest
from program import fetch, until, value

SETTINGS = ["--interval=100ms", "--window=5", "--warmup=3s"]
ENTER, LEAVE, HOME = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[H"


def read(terminal, done, seconds=20):
    """What the terminal shows until `done`."""
    text, end = b"", time.monotonic() + seconds
    while not done(text):
        if time.monotonic() > end:
            pytest.fail(f"not shown within {seconds} s: {text!r}")
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                text += os.read(terminal, 65536)
            except OSError:
                # The program has closed its side.
                break
    return text


@pytest.mark.parametrize("stop", ["q", "SIGINT", "SIGTERM"])
def test_top(tools, start, folder, stop):
    place = f"--storage.path={folder}"
    program = start.hostnorm(place, *SETTINGS)
    until("the first score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    terminal, side = pty.openpty()
    before = termios.tcgetattr(side)
    top = subprocess.Popen([tools.hostnorm, "top", place], stdin=side, stdout=side, stderr=side)
    shown = read(terminal, lambda it: it.count(HOME) >= 3)
    assert shown.startswith(ENTER) and b"unusual from 1" in shown and b"CPU" in shown, shown
    assert not termios.tcgetattr(side)[3] & termios.ECHO
    if stop == "q":
        os.write(terminal, b"q")
    else:
        top.send_signal(getattr(signal, stop))
    shown = read(terminal, lambda it: LEAVE in it)
    assert top.wait(timeout=10) == 0
    assert termios.tcgetattr(side) == before
    os.close(side)
    os.close(terminal)


def test_top_once(tools, start, folder):
    place = f"--storage.path={folder}"
    program = start.hostnorm(place, *SETTINGS)
    until("the first score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)
    done = subprocess.run([tools.hostnorm, "top", place], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0 and re.search(r"^score +\d+\.\d\d  \[", done.stdout, re.M), done
    assert "\x1b" not in done.stdout
    absent = subprocess.run([tools.hostnorm, "top", "--storage.path=off"], capture_output=True, text=True, timeout=20)
    assert absent.returncode == 1 and "web.control_socket" in absent.stderr, absent
