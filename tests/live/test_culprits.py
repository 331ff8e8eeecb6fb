"""Who is behind an anomaly of this host: the right process, beside a steady heavy neighbor that is not named, and nothing
of a process but its name."""

import json
import os
import pathlib
import subprocess
import sys
import time

import pytest
from program import fetch, note, samples, until, value

NAMED_SECONDS = 45
CALM_SECONDS = 90
SECRET = "correct-horse-battery-staple"

# The first line of each program: its name is what `ps` shows as COMMAND.
NAME = 'open("/proc/self/comm", "w").write({name!r})\n'
END = "import os, sys, time\nend = time.monotonic() + 600\n"

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
pages = bytearray(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
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
held = []
for _ in range(3000):
    held.append(socket.create_connection(server.getsockname()))
    held.append(server.accept()[0])
while time.monotonic() < end: time.sleep(1)
""",
}


class Process:
    """A program with a name of its own, killed with its children."""

    def __init__(self, name, code, *arguments):
        code = NAME.format(name=name) + END + code
        secrets = {**os.environ, "SECRET": f"{SECRET}-environment"}
        command = [sys.executable, "-c", code, *map(str, arguments), f"--password={SECRET}"]
        self.process = subprocess.Popen(command, env=secrets, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, 9)
        self.process.wait()


def culprits(text):
    """The names of the processes, by rank."""
    found = [labels for name, labels, _ in samples(text) if name == "anomaly_culprit_info"]
    return [it["culprit"] for it in sorted(found, key=lambda it: it["rank"]) if it["culprit_kind"] == "process"]


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.root
def test_culprits(start):
    store = start.place()
    neighbor = start.enter_context(Process("neighbor", NEIGHBOR, start.folder / "neighbor"))
    # What is usual is learned only when it is steady.
    until("a steady neighbor", 60, (start.folder / "neighbor.ready").exists)
    program = start.hostnorm("--interval=200ms", "--warmup=60s", "--resolve.for=5s", f"--storage.path={store}",
                             "--storage.commit-interval=200ms", "--log.level=debug")
    page = lambda: fetch(f"{program.url}/metrics")[2]
    calm = lambda: value(page(), "is_anomaly", kind="host") == 0
    until("the first score", 120, lambda: value(page(), "is_anomaly", kind="host") is not None)
    time.sleep(30)
    outcomes = {}
    for run in range(int(os.environ.get("CULPRIT_RUNS", "1"))):
        for kind, code in FAULTS.items():
            until("calm", 240, calm)
            name = f"{kind}-fault"
            outcomes[run, kind] = fault(program, page, name, code, start.folder / "fault")
    right = [it for it in outcomes.values() if it[0]]
    note(f"named first in {len(right)} of {len(outcomes)} faults beside a steady heavy neighbor")
    for (run, kind), (is_right, seconds, names, sentence) in outcomes.items():
        note(f"{run} {kind}: {'right' if is_right else 'WRONG'} after {seconds:.0f} s, {names}: {sentence}")
    nothing_of_a_process_but_its_name(start, program, page(), store)
    assert not any("neighbor" in names for _, _, names, _ in outcomes.values()), outcomes
    assert len(right) >= 0.8 * len(outcomes), outcomes
    assert neighbor.process.poll() is None


def fault(program, page, name, code, file):
    """Whether the process is named first, after how many seconds, all names, and the description."""
    begun = time.monotonic()
    with Process(name, code, file):
        names, sentence = [], ""
        while time.monotonic() < begun + NAMED_SECONDS:
            text = page()
            names = culprits(text)
            found = [labels for it, labels, _ in samples(text) if it == "anomaly_episode_info"]
            sentence = found[0]["description"] if found else ""
            if names[:1] == [name]:
                break
            time.sleep(0.2)
        seconds = time.monotonic() - begun
    return names[:1] == [name], seconds, names, sentence


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
