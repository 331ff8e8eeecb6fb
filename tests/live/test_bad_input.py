"""What a user may get wrong: a sentence on stderr, exit 64 or 1, no backtrace."""

import pathlib
import socket
import subprocess
import tempfile

import pytest
from program import note


def check(binary, options, code, *words):
    done = subprocess.run([binary, *options], capture_output=True, text=True, timeout=20)
    said = done.stderr.strip()
    wrong = [it for it in words if it not in said]
    if done.returncode != code or wrong or "panicked" in said or "backtrace" in said or done.stdout:
        pytest.fail(f"{options}: exit {done.returncode}, expected {code}; not said: {wrong}; said:\n{said}")
    note(f"{' '.join(options)} -> {code}: {said.splitlines()[-1]}")


def test_bad_input(tools, monkeypatch):
    binary = tools.hostnorm
    with tempfile.TemporaryDirectory() as folder, socket.socket() as taken:
        monkeypatch.chdir(folder)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        pathlib.Path("typo.yaml").write_text("interval: 1s\nwarmpu: 5m\n")
        pathlib.Path("broken.yaml").write_text("web: [\n")
        pathlib.Path("folder.yaml").mkdir()
        check(binary, ["--config.file=absent.yaml"], 64, "absent.yaml")
        check(binary, ["--config.file=folder.yaml"], 64, "folder.yaml")
        check(binary, ["--config.file=typo.yaml"], 64, "typo.yaml", "warmpu", "warmup")
        check(binary, ["--config.file=broken.yaml"], 64, "broken.yaml")
        check(binary, ["check", "--config.file=typo.yaml"], 64, "warmpu")
        check(binary, ["--interval=0"], 64, "interval")
        check(binary, ["--interval=10ms"], 64, "interval", "100ms")
        check(binary, ["--intervall=1s"], 64, "--intervall")
        check(binary, ["--path.procfs=/does/not/exist"], 64, "/does/not/exist")
        check(binary, [f"--web.listen-address={address}"], 1, address)
        check(binary, ["--web.listen-address=nonsense"], 64, "nonsense")
