"""Who is behind an anomaly of this host: the right one of 20 control groups and its process, beside a steady heavy neighbor
that is not named, and nothing of a process but its name.

More runs, by hand: CULPRIT_RUNS=10, CULPRIT_NEIGHBOR=no for 20 idle groups, and CULPRIT_FAULT=network for one fault."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from program import fetch, note, samples, until, value

NAMED_SECONDS = 90
# A culprit named later than this is right, but late.
SOON_SECONDS = 30
CALM_SECONDS = 90
SECRET = "correct-horse-battery-staple"
HIERARCHIES = pathlib.Path("/sys/fs/cgroup")
CONTAINERS = [f"app-{number:02}" for number in range(20)]

# The first lines of each program: it goes into its control groups, and its name is what `ps` shows as COMMAND.
NAME = """
for group in {groups!r}: open(group + "/cgroup.procs", "w").write("0")
open("/proc/self/comm", "w").write({name!r})
"""
END = "import os, sys, time\nend = time.monotonic() + 3600\n"

# Half of a CPU, a tenth of the memory, and a file that is written again and again, all the time.
NEIGHBOR = """
pages = bytearray(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 10)
pages[::4096] = b"x" * len(pages[::4096])
open(sys.argv[1] + ".ready", "w").close()
with open(sys.argv[1], "wb") as file:
    while time.monotonic() < end:
        until = time.monotonic() + 0.05
        while time.monotonic() < until: pass
        file.seek(0); file.write(bytes(1 << 20)); file.flush(); os.fsync(file.fileno())
        time.sleep(0.05)
"""

FAULTS = {
    "cpu": """
for _ in range(3): os.fork()
while time.monotonic() < end: pass
""",
    "memory": """
pages = bytearray(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4)
pages[::4096] = b"x" * len(pages[::4096])
while time.monotonic() < end: time.sleep(1)
""",
    "io": """
with open(sys.argv[1], "wb") as file:
    while time.monotonic() < end:
        file.seek(0); file.write(bytes(64 << 20)); file.flush(); os.fsync(file.fileno())
""",
    "tasks": """
while time.monotonic() < end:
    child = os.fork()
    if not child: os._exit(0)
    os.waitpid(child, 0)
""",
    "network": """
import resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
def connect():
    return socket.create_connection(server.getsockname()), server.accept()[0]
held = [connect() for _ in range(3000)]
while time.monotonic() < end:
    for it in connect(): it.close()
""",
}


class Process:
    """A program with a name of its own, killed with its children."""

    def __init__(self, name, code, *arguments, groups=()):
        code = NAME.format(name=name, groups=list(map(str, groups))) + END + code
        secrets = {**os.environ, "SECRET": f"{SECRET}-environment"}
        command = [sys.executable, "-c", code, *map(str, arguments), f"--password={SECRET}"]
        self.process = subprocess.Popen(command, env=secrets, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, 9)
        self.process.wait()


class Containers:
    """The control groups of containers in LXC, in each hierarchy; none where they cannot be made. All are removed at the end."""

    def __init__(self, stack):
        self.hierarchies = [HIERARCHIES]
        if not (HIERARCHIES / "cgroup.controllers").exists():
            names = ("cpu", "cpuacct", "memory", "blkio", "pids", "unified")
            # Two controllers may share a directory, and one of the names be a link to it.
            self.hierarchies = sorted({(HIERARCHIES / it).resolve() for it in names if (HIERARCHIES / it).is_dir()})
        elif (HIERARCHIES / "cgroup.subtree_control").exists():
            (HIERARCHIES / "cgroup.subtree_control").write_text("+cpu +memory +io +pids")
        for name in CONTAINERS:
            for group in self.groups(name):
                group.mkdir()
                stack.callback(until, f"{group} is empty", 30, lambda it=group: remove(it))
            stack.enter_context(Process("idle", "while time.monotonic() < end: time.sleep(1)", groups=self.groups(name)))

    def groups(self, name):
        return [it / f"lxc.payload.{name}" for it in self.hierarchies]


def remove(group):
    """A group can be removed once the kernel has forgotten its processes."""
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def culprits(text, *kinds):
    """The names of the processes, or of those of other kinds, by rank."""
    found = [labels for name, labels, _ in samples(text) if name == "anomaly_culprit_info"]
    return [it["culprit"] for it in sorted(found, key=lambda it: it["rank"]) if it["culprit_kind"] in (kinds or ("process",))]


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.root
def test_culprits(start):
    store = start.place()
    try:
        groups = Containers(start).groups
        judged = ("container", "process")
    except OSError as error:
        note(f"no control groups can be made here, so only processes are judged: {error}")
        groups, judged = lambda _: [], ("process",)
    neighbor = None
    if os.environ.get("CULPRIT_NEIGHBOR") != "no":
        place = groups(CONTAINERS[0])
        neighbor = start.enter_context(Process("neighbor", NEIGHBOR, start.folder / "neighbor", groups=place))
        # What is usual is learned only when it is steady.
        until("a steady neighbor", 60, (start.folder / "neighbor.ready").exists)
    program = start.hostnorm("--interval=200ms", "--warmup=60s", "--resolve.for=5s", f"--storage.path={store}",
                             "--storage.commit-interval=200ms", "--log.level=debug")
    page = lambda: fetch(f"{program.url}/metrics")[2]
    calm = lambda: value(page(), "is_anomaly", kind="host") == 0
    until("the first score", 120, lambda: value(page(), "is_anomaly", kind="host") is not None)
    time.sleep(30)
    outcomes = {}
    only = os.environ.get("CULPRIT_FAULT")
    for run in range(int(os.environ.get("CULPRIT_RUNS", "1"))):
        for place, (kind, code) in enumerate(FAULTS.items(), start=1 + run):
            if only not in (None, kind):
                continue
            until("calm", 240, calm)
            container = CONTAINERS[1 + place % (len(CONTAINERS) - 1)]
            file = start.folder / "fault"
            expected = dict(zip(("container", "process"), (container, f"{kind}-fault")))
            expected = {what: expected[what] for what in judged}
            outcome = outcomes[run, kind] = fault(program, page, expected, (code, file), groups(container))
            note(f"{run} {kind}: {' '.join(f'{what} {outcome[what]}' for what in judged)}; {outcome['names']}: {outcome['sentence']}")
    for what in judged:
        seconds = [it[what] for it in outcomes.values() if it[what] is not None]
        soon = sum(it <= SOON_SECONDS for it in seconds)
        note(f"{what} first in {len(seconds)} of {len(outcomes)} faults, in {soon} within {SOON_SECONDS} s")
    nothing_of_a_process_but_its_name(start, program, page(), store)
    assert not any("neighbor" in it["names"] for it in outcomes.values()), outcomes
    for what in judged:
        soon = sum(it[what] is not None and it[what] <= SOON_SECONDS for it in outcomes.values())
        assert soon >= 0.8 * len(outcomes), outcomes
    assert neighbor is None or neighbor.process.poll() is None


def fault(program, page, expected, program_and_file, groups):
    """After how many seconds the expected container and process are first, or None; all names, and the description."""
    begun = time.monotonic()
    code, file = program_and_file
    outcome = {"names": [], "sentence": ""} | dict.fromkeys(expected)
    with Process(expected["process"], code, file, groups=groups):
        while time.monotonic() < begun + NAMED_SECONDS and None in [outcome[what] for what in expected]:
            text = page()
            seconds = round(time.monotonic() - begun, 1)
            for what, name in expected.items():
                if outcome[what] is None and culprits(text, what)[:1] == [name]:
                    outcome[what] = seconds
            outcome["names"] = culprits(text, "container", "process")
            found = [labels for it, labels, _ in samples(text) if it == "anomaly_episode_info" and labels["kind"] == "host"]
            outcome["sentence"] = found[0]["description"] if found else ""
            time.sleep(0.2)
    return outcome


def nothing_of_a_process_but_its_name(start, program, metrics, store):
    episodes = json.loads(fetch(f"{program.url}/api/v1/episodes")[2])["episodes"]
    texts = {"/metrics": metrics, "log": start.said(1 << 24)}
    for path in ["/", "/api/v1/episodes", "/api/v1/explain?window=1d"]:
        texts[path] = fetch(f"{program.url}{path}")[2]
    for it in episodes:
        texts[it["id"]] = fetch(f"{program.url}/api/v1/episodes/{it['id']}")[2]
        texts[f"page of {it['id']}"] = fetch(f"{program.url}/episodes/{it['id']}")[2]
    for file in pathlib.Path(store).iterdir():
        if file.is_file():
            texts[file.name] = file.read_bytes().decode(errors="replace")
    named = [it for it in texts if "fault" in texts[it]]
    assert {"log", "/api/v1/explain?window=1d", "/api/v1/episodes", "hostnorm.db"} <= set(named), named
    for where, text in texts.items():
        for secret in (SECRET, "--password", str(start.folder / "fault")):
            assert secret not in text, f"{secret} in {where}"
