"""What systemd asks of a service, asked by sockets of this check's own: ready, reload, watchdog, stop, sockets handed over.

systemd itself need not run. The unit files are looked at by its own tools: systemd-analyze verify and security.
"""

import atexit
import contextlib
import ctypes
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from program import fetch, free_port, note, until, value


@pytest.fixture
def binary(tools):
    return tools.hostnorm


@pytest.fixture
def log(start):
    return start.log


class Manager:
    """The end of the line that systemd would hold, by a path or abstract."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.said = []

    def listen(self, seconds=0.0):
        """Takes what was said so far, and what is said within the time."""
        end = time.monotonic() + seconds
        while True:
            self.socket.settimeout(max(end - time.monotonic(), 0.01))
            try:
                self.said.append((time.monotonic(), self.socket.recv(4096).decode().splitlines()))
            except TimeoutError:
                if time.monotonic() >= end:
                    return self.said

    def lines(self):
        return [line for _, lines in self.listen() for line in lines]

    def hears(self, what, pattern, seconds=30):
        until(f"hostnorm says {what}", seconds, lambda: any(re.fullmatch(pattern, it) for it in self.lines()))
        self.said = [it for it in self.said if not any(re.fullmatch(pattern, line) for line in it[1])]


def begun(process):
    """Whatever happens to this check, what it started ends with it."""
    atexit.register(process.kill)
    return process


def start(binary, options, log, manager=None, **variables):
    """hostnorm as systemd starts it; the variables of this check's own manager are not passed on."""
    env = {"PATH": os.environ["PATH"], **variables}
    if manager:
        env["NOTIFY_SOCKET"] = manager.address
    return begun(subprocess.Popen([binary, "--storage.path=off", *options], env=env, stdout=log, stderr=log))


def stop(process):
    process.terminate()
    if process.wait(timeout=30) != 0:
        pytest.fail(f"hostnorm ended with {process.returncode}")


def test_notify(binary, folder, log):
    """READY=1 with the first reading, RELOADING=1 and READY=1 around SIGHUP, STOPPING=1 at the end."""
    port = free_port()
    for address in (f"{folder}/notify", f"@hostnorm-check-{os.getpid()}"):
        manager = Manager(address)
        settings = pathlib.Path(folder, "settings.yaml")
        settings.write_text(f"interval: 100ms\nwarmup: 4s\nwindow: 3\nweb: {{listen_address: ['127.0.0.1:{port}']}}\n")
        process = start(binary, [f"--config.file={settings}"], log, manager)
        manager.hears("that it is ready", "READY=1")
        if value(fetch(f"http://127.0.0.1:{port}/metrics")[2], "hostnorm_load1") is None:
            pytest.fail("ready was said before there was a reading")
        manager.hears("when the first score will be there", "STATUS=learning; first score at .*Z")
        manager.hears("that all is well", "STATUS=(nothing unusual on this host|Anomaly on host: .*)")
        if "WATCHDOG=1" in manager.lines():
            pytest.fail("a sign of life was given to nobody who waits for one")
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        for text, what in (("interval: 100ms\n", "good settings"), ("intervall: 1s\n", "bad settings")):
            settings.write_text(f"{text}web: {{listen_address: ['127.0.0.1:{port}']}}\n")
            process.send_signal(signal.SIGHUP)
            until("hostnorm says that it reloads", 10, lambda: "RELOADING=1" in manager.lines())
            micros = [int(it.split("=")[1]) for it in manager.lines() if it.startswith("MONOTONIC_USEC=")]
            if not micros or not before <= micros[-1] <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000:
                pytest.fail(f"the reload did not begin when it did: {micros}, asked at {before}")
            manager.hears(f"that it is ready again, with {what}", "READY=1")
            manager.said = []
        stop(process)
        manager.hears("that it stops", "STOPPING=1")
        manager.socket.close()
    note("ready, reloading, stopping and the state are told, to a path and to an abstract socket")


@contextlib.contextmanager
def held(pid, name):
    """Within the block one thread stands still, as it does in a reading that hangs in the kernel; the others go on."""
    tasks = pathlib.Path(f"/proc/{pid}/task")
    thread = next(int(it.name) for it in tasks.iterdir() if it.joinpath("comm").read_text().strip() == name)
    attach, detach, any_thread = 16, 17, 0x40000000
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    if ptrace(attach, thread, None, None) != 0:
        pytest.fail(f"cannot hold the thread {name}: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, any_thread)
    try:
        yield
    finally:
        ptrace(detach, thread, None, None)


def test_watchdog(binary, folder, log):
    """Signs of life come with the ticks: none while the loop hangs, although /-/healthy answers."""
    port, manager = free_port(), Manager(f"{folder}/watchdog")
    options = [f"--web.listen-address=127.0.0.1:{port}", "--interval=100ms"]
    process = start(binary, options, log, manager, WATCHDOG_USEC="2000000")
    manager.hears("that it is ready", "READY=1")
    manager.said = []
    times = [at for at, lines in manager.listen(10) if "WATCHDOG=1" in lines]
    gaps = [b - a for a, b in zip(times, times[1:])]
    if not 5 <= len(times) <= 24 or max(gaps) >= 2.0:
        pytest.fail(f"signs of life are not given twice in the time that is waited for them: {gaps}")
    with held(process.pid, "sample"):
        manager.lines()
        manager.said = []
        if any("WATCHDOG=1" in lines for _, lines in manager.listen(4)):
            pytest.fail("signs of life are given although the loop hangs")
        if fetch(f"http://127.0.0.1:{port}/-/healthy")[0] != 200:
            pytest.fail("the server hangs with the loop")
    manager.hears("signs of life again", "WATCHDOG=1")
    stop(process)
    manager.socket.close()
    # Who is slow by its settings is not dead: it asks for more patience.
    manager = Manager(f"{folder}/patience")
    options = [f"--web.listen-address=127.0.0.1:{port}", "--interval=1m", "--warmup=1h"]
    process = start(binary, options, log, manager, WATCHDOG_USEC="2000000", WATCHDOG_PID="")
    manager.hears("how long it may be silent", "WATCHDOG_USEC=180000000")
    stop(process)
    # The watchdog of another process is none of ours.
    process = start(binary, options[:1], log, manager, WATCHDOG_USEC="200000", WATCHDOG_PID="1")
    manager.hears("that it is ready", "READY=1")
    if any("WATCHDOG=1" in lines for _, lines in manager.listen(2)):
        pytest.fail("the watchdog of another process was fed")
    stop(process)
    note(f"{len(times)} signs of life in 5 s with a watchdog of 2 s, none while the loop hangs")


def handed(binary, options, sockets, log):
    """hostnorm with these sockets as descriptors 3 and up, as systemd hands them over."""
    program = ["import os, sys", "os.environ.update(LISTEN_PID=str(os.getpid()))", "os.execv(sys.argv[1], sys.argv[1:])"]
    # Above the descriptors to fill, at free numbers: a fixed number may belong to another test.
    moved = [fcntl.fcntl(it.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for it in sockets]

    def place():
        for index, it in enumerate(moved):
            os.dup2(it, 3 + index, inheritable=True)

    command = [sys.executable, "-c", "; ".join(program), binary, "--storage.path=off", *options]
    env = {"PATH": os.environ["PATH"], "LISTEN_FDS": str(len(sockets))}
    process = begun(subprocess.Popen(command, env=env, stdout=log, stderr=log, close_fds=False, preexec_fn=place))
    for it in moved:
        os.close(it)
    return process


def test_activation(binary, folder, log):
    """The first connection waits in the socket before hostnorm is started, and is answered."""
    listener = socket.create_server(("127.0.0.1", 0))
    second = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else None
    sockets = [it for it in (listener, second) if it]
    early = socket.create_connection(listener.getsockname())
    early.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    settings = pathlib.Path(folder, "activated.yaml")
    settings.write_text("web: {systemd_socket: true}\ninterval: 100ms\n")
    process = handed(binary, [f"--config.file={settings}"], sockets, log)
    early.settimeout(20)
    answer = b"".join(iter(lambda: early.recv(4096), b""))
    if b"200 OK" not in answer or b"Healthy" not in answer:
        pytest.fail(f"the connection that waited was answered by {answer!r}")

    def scrape(port, host):
        status, _, text = fetch(f"http://{host}:{port}/metrics")
        return status == 200 and value(text, "hostnorm_load1") is not None

    until("a scrape", 10, lambda: scrape(listener.getsockname()[1], "127.0.0.1"))
    if second:
        until("a scrape by IPv6", 10, lambda: scrape(second.getsockname()[1], "[::1]"))
    # New settings keep the sockets, also when they do not speak of them any more.
    settings.write_text("interval: 200ms\n")
    process.send_signal(signal.SIGHUP)
    until("the sockets stay", 10, lambda: scrape(listener.getsockname()[1], "127.0.0.1"))
    stop(process)
    listener.close()
    note("a connection that waited before the start is answered; two sockets are served, and after a reload")


def test_refused(binary, folder):
    """What was handed over and cannot be served is said."""
    def check(sockets, word):
        with open(f"{folder}/said", "w+") as log:
            process = handed(binary, ["--web.systemd-socket"], sockets, log)
            code = process.wait(timeout=20)
            said = pathlib.Path(log.name).read_text()
        if code != 1 or word not in said or "panicked" in said:
            pytest.fail(f"exit {code}, said: {said}")
        note(said.strip())

    check([], "start the socket unit")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as it:
        check([it], "ListenStream=")


def test_health(binary, log):
    """hostnorm health: 0 when it answers, 1 with a sentence when it does not."""
    port = free_port()
    ask = [binary, "health", f"--web.listen-address=127.0.0.1:{port}"]
    done = subprocess.run(ask, capture_output=True, text=True, timeout=20)
    if done.returncode != 1 or "no response from" not in done.stderr:
        pytest.fail(f"health without hostnorm: {done}")
    note(done.stderr.strip())
    process = start(binary, [f"--web.listen-address=127.0.0.1:{port}"], log)
    healthy = lambda: subprocess.run(ask, capture_output=True, timeout=20).returncode == 0
    until("hostnorm is healthy", 20, healthy)
    # By the environment, as in a container, and through no proxy.
    env = {"HOSTNORM_WEB__LISTEN_ADDRESS": f"['127.0.0.1:{port}']", "http_proxy": "http://127.0.0.1:1"}
    done = subprocess.run([binary, "health"], env=env, capture_output=True, text=True, timeout=20)
    if done.returncode != 0 or str(port) not in done.stdout:
        pytest.fail(f"health by the environment: {done}")
    stop(process)


def test_units(folder):
    """The unit files as systemd's own tools see them, with the program where it will be."""
    source = pathlib.Path(__file__).parents[2] / "deploy/systemd"
    root = pathlib.Path(folder, "root")
    shutil.copytree("/lib/systemd/system", root / "lib/systemd/system", symlinks=True)
    root.joinpath("usr/bin").mkdir(parents=True)
    for name in ("hostnorm", "kill"):
        root.joinpath("usr/bin", name).touch(0o755)
    for it in source.glob("hostnorm*"):
        if it.suffix in (".service", ".socket"):
            shutil.copy(it, root / "lib/systemd/system")
    for unit in ("hostnorm.service", "hostnorm.socket", "hostnorm-remediate.service"):
        done = subprocess.run(
            ["systemd-analyze", "verify", f"--root={root}", "--man=no", unit], capture_output=True, text=True, timeout=60
        )
        wrong = [line for line in done.stderr.splitlines() if "hostnorm" in line]
        if done.returncode or wrong:
            pytest.fail(f"{unit} is not well: {done.stderr}")
    exposures = {}
    for unit in ("hostnorm.service", "hostnorm-remediate.service"):
        done = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=20", source / unit],
            capture_output=True, text=True, timeout=60,
        )
        exposure = re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout)
        if done.returncode or not exposure or float(exposure[1]) > 2.0:
            pytest.fail(f"{unit} is more exposed than 2.0:\n{done.stdout}\n{done.stderr}")
        exposures[unit] = exposure[1]
    note(f"systemd-analyze verify has nothing to say; security: exposure {exposures}, 2.0 at most")
