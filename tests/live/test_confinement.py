"""hostnorm with few rights gives the numbers that it gives with all of them: in the image as the chart mounts it, and as the unit runs it.

The image is built without a daemon, unpacked, and its program started as user 65534 in that root, in a network and mount
namespace of its own, with the host mounted for reading as in a DaemonSet. systemd need not run: what the unit asks for is
done by unshare, mount and setpriv as far as they can, and what it forbids of the kernel is compared with what hostnorm
calls.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time

import pytest
from program import fetch, free_port, hostnorm, note, samples, until

pytestmark = pytest.mark.root

ROOT = pathlib.Path(__file__).parents[2]
IMAGE_BYTES_MAX = 18_000_000
# Of the program by itself; it takes nearly all of it.
PROGRAM_BYTES_MAX = 16_000_000
# Of hostnorm, not of the host.
OWN = re.compile(
    r"process_|anomaly_|hostnorm_(build_info|collector_duration|config_|connections_|http_|last_sample|limit_|learning|model_|scrapes_"
    r"|store_|tick|trainings_|training_|selftest_)"
)


def run(*command, **more):
    done = subprocess.run([str(it) for it in command], capture_output=True, text=True, timeout=120, **more)
    if done.returncode:
        pytest.fail(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


@pytest.fixture(scope="module")
def program(tools):
    """A copy that a user without rights can reach; the directories above may be closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, "hostnorm")
        os.chmod(folder, 0o755)
        shutil.copy(tools.hostnorm, copy)
        copy.chmod(0o755)
        yield copy


@pytest.fixture
def free(start, program):
    """The address of a hostnorm with all rights."""
    return start.running(hostnorm(program, "--interval=200ms", log=start.log)).url


def image(program, folder):
    """The image as `docker load` takes it, and its unpacked root."""
    store = folder / "store"
    env = {**os.environ, "BUILDAH": f"buildah --storage-driver vfs --root {store} --runroot {folder}/run"}
    archive = folder / "image.tar"
    script = ROOT / "deploy/image.sh"
    run(script, f"docker-archive:{archive}", f"amd64={program}", env=env)
    run(script, f"oci:{folder}/layout:latest", f"amd64={program}", env=env)
    run(script, f"dir:{folder}/both", f"amd64={program}", f"arm64={program}", env=env)
    with tarfile.open(archive) as tar:
        read = lambda name: json.load(tar.extractfile(name))
        config = read(read("manifest.json")[0]["Config"])
        size = sum(it.size for it in tar.getmembers())
    it = config["config"]
    labels = {name.rsplit(".", 1)[1] for name in it["Labels"] if name.startswith("org.opencontainers.image.")}
    wanted = "title description licenses vendor url source documentation version revision created"
    if (
        it["User"] != "65534:65534"
        or it["Entrypoint"] != ["/bin/hostnorm"]
        or it["ExposedPorts"] != {"19797/tcp": {}}
        or it["Healthcheck"]["Test"] != ["CMD", "/bin/hostnorm", "health"]
        or labels != set(wanted.split())
        or not all(it["Labels"].values())
    ):
        pytest.fail(f"the image is not as it should be: {json.dumps(config, indent=1)}")
    if size > IMAGE_BYTES_MAX:
        pytest.fail(f"the image has {size} bytes, more than {IMAGE_BYTES_MAX}")
    if (length := os.path.getsize(program)) > PROGRAM_BYTES_MAX:
        pytest.fail(f"the program has {length} bytes, more than {PROGRAM_BYTES_MAX}")
    manifests = json.loads((folder / "both/manifest.json").read_text())["manifests"]
    platforms = [f"{it['platform']['os']}/{it['platform']['architecture']}" for it in manifests]
    if platforms != ["linux/amd64", "linux/arm64"]:
        pytest.fail(f"a list of two images names {platforms}")
    run("umoci", "unpack", "--image", f"{folder}/layout:latest", folder / "bundle")
    assert all((folder / "bundle/rootfs" / it).is_file() for it in ("LICENSE", "NOTICE"))
    note(f"the program has {length} bytes, the image {size / 1e6:.1f} MB unpacked; a list of images for {' and '.join(platforms)}")
    return folder / "bundle/rootfs"


class Confined:
    """hostnorm in namespaces of its own, ended with the block."""

    def __init__(self, steps, port, log, *flags):
        script = "set -e\n" + textwrap.dedent(steps)
        self.port = port
        self.process = subprocess.Popen(["unshare", *flags, "--mount", "sh", "-c", script], stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        if self.process.wait(timeout=30) != 0:
            pytest.fail(f"hostnorm ended with {self.process.returncode}")

    def ask(self, path):
        """Status and body, asked within its network."""
        asked = f"from program import fetch; s, _, t = fetch('http://127.0.0.1:{self.port}{path}'); print(s); print(t, end='')"
        command = ["nsenter", "--net", f"--target={self.process.pid}", sys.executable, "-c", asked]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, cwd=pathlib.Path(__file__).parent)
        status, _, text = done.stdout.partition("\n")
        return int(status or 0), text


def in_image(root, port, log):
    """As a pod of the DaemonSet: a network of its own, nothing writable, the host mounted for reading."""
    steps = f"""
        ip link set lo up
        mount --bind {root} {root}
        mkdir -p {root}/host/proc {root}/host/sys {root}/host/root {root}/proc
        mount --bind -o ro /proc {root}/host/proc
        mount --rbind -o ro /sys {root}/host/sys
        mount --rbind / {root}/host/root
        mount -o remount,bind,ro {root}/host/root
        mount -t proc proc {root}/proc
        mount -o remount,bind,ro {root}
        exec chroot --userspec=65534:65534 {root} \\
          /bin/hostnorm --path.procfs=/host/proc --path.sysfs=/host/sys --path.rootfs=/host/root --interval=200ms \\
          --storage.path=off --web.listen-address=127.0.0.1:{port}
    """
    return Confined(steps, port, log, "--net")


def as_unit(program, port, log):
    """As hostnorm.service: no capabilities, everything for reading alone, no devices."""
    steps = f"""
        mount --make-rslave /
        mount -o remount,bind,ro /
        mount -t tmpfs -o nosuid,noexec,mode=755 private /dev
        touch /dev/null /dev/urandom
        exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs \\
          env -i {program} --interval=200ms --storage.path=off --web.listen-address=127.0.0.1:{port}
    """
    return Confined(steps, port, log)


def of_host(text):
    """Values of the host by name and labels, and when they were read."""
    found = {(name, tuple(sorted(labels.items()))): value for name, labels, value in samples(text)}
    at = found[("hostnorm_last_reading_timestamp_seconds", ())]
    return at, {key: value for key, value in found.items() if not OWN.match(key[0])}


def differences(before, seen, after):
    """Values that are missing on one side, or that do not lie between the other two."""
    if not before.keys() == seen.keys() == after.keys():
        return [f"not on both: {sorted((seen.keys() ^ before.keys()) | (seen.keys() ^ after.keys()))}"]
    wrong = []
    for key, value in seen.items():
        low, high = sorted((before[key], after[key]))
        # What goes up and down may be elsewhere for a moment; counters, sizes and limits may not.
        moves = not key[0].endswith("_total") and not re.search("size|online|limit|inodes$|read_only|error|success", key[0])
        slack = max(0.25 * abs(high), 64e6 if "bytes" in key[0] else 16) if moves else 0
        if not low - slack <= value <= high + slack:
            wrong.append(f"{key}: {value}, and {before[key]} to {after[key]} with all rights")
    return wrong


def compare(free, confined, what):
    """Each value that the confined one gives lies between two that the free one gave before and after."""
    page = lambda: of_host(fetch(f"{free}/metrics")[2])

    def asked():
        status, text = confined.ask("/metrics")
        return of_host(text) if status == 200 else (0, {})

    def pages():
        before_at, before = page()
        until("a younger reading", 10, lambda: asked()[0] > before_at)
        at, seen = asked()
        until("a younger reading", 10, lambda: page()[0] > at)
        return before, seen, page()[1]

    seconds = until(f"a page of hostnorm {what}", 30, lambda: asked()[0])
    # A counter that jumps, for example because of a burst from another test, has no value for one reading; and a reading that
    # is held up has younger values than its time says.
    deadline = time.monotonic() + 90
    before, seen, after = pages()
    wrong = differences(before, seen, after)
    while wrong and time.monotonic() < deadline:
        before, seen, after = pages()
        wrong = differences(before, seen, after)
    if wrong:
        pytest.fail(f"{what}: other numbers:\n" + "\n".join(wrong))
    exact = sum(1 for it in seen if it[0].endswith("_total"))
    note(f"{what}: scraped {seconds:.1f} s after the start; {len(seen)} numbers of the host are those that root sees, {exact} counters between two readings of root")


def sent_out(trace):
    """The system calls with which a program talks to others over the network; answers to clients have no address."""
    return [it for it in trace.read_text().splitlines() if re.search(r"\b(connect|send\w*)\(.*sa_family=AF_INET", it)]


def ask_as_assistant(program, kept, trace):
    """A call of a tool of `hostnorm mcp`, which asks the running hostnorm; its system calls are written to `trace`."""
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    calls = [("initialize", client), ("tools/call", {"name": "explain", "arguments": {}})]
    lines = [json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": it}) for id, (method, it) in enumerate(calls)]
    command = ["strace", "-u", "nobody", "-f", "-qq", "-o", trace, program, "mcp", f"--storage.path={kept}"]
    answers = [json.loads(it) for it in run(*command, input="\n".join(lines) + "\n").splitlines()]
    assert len(answers) == 2 and not answers[1]["result"].get("isError"), answers
    assert re.search(r"connect\(.*sa_family=AF_UNIX.*hostnorm\.sock", trace.read_text()), "hostnorm mcp did not ask the running hostnorm"


def test_system_calls(program, start):
    """What hostnorm calls is allowed by the unit, setpriority included; by default it sends nothing to anybody."""
    unit = (ROOT / "deploy/systemd/hostnorm.service").read_text()
    allowed, folder = set(), start.folder

    def named(word):
        if not word.startswith("@"):
            return {word}
        listed = run("systemd-analyze", "syscall-filter", word, env={**os.environ, "LC_ALL": "C"})
        inner = [line.strip() for line in listed.splitlines()[1:]]
        return set().union(*(named(it) for it in inner if it and not it.startswith("#"))) if inner else set()

    for words in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        calls = set().union(*(named(it) for it in words.lstrip("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    allowed |= named("@default")
    port, trace = free_port(), folder / "trace"
    kept = folder / "kept"
    kept.mkdir()
    os.chown(kept, 65534, 65534)
    # As a user without rights: SQLite gives files of root's back to their owner.
    command = ["strace", "-u", "nobody", "-f", "-qq", "-o", trace, program, f"--storage.path={kept}", "--interval=100ms"]
    command += ["--window=2", "--warmup=5s", "--storage.commit-interval=1s", f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        trained = lambda: re.search(r'hostnorm_trainings_total\{.*outcome="(trained|refused)"\} [1-9]', fetch(f"{url}/metrics")[2])
        until("a training under strace", 90, trained)
        fetch(f"{url}/")
        ask_as_assistant(program, kept, folder / "mcp-trace")
    finally:
        # strace passes no signals on; it ends when what it follows does.
        child = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
        os.kill(child, signal.SIGTERM)
        process.wait(timeout=30)
    sent = sent_out(trace) + sent_out(folder / "mcp-trace")
    assert not sent, sent
    lines = trace.read_text().splitlines()
    # Before the program is there, strace itself calls.
    called = {found[1] for line in lines if (found := re.match(r"\d+ +([a-z_0-9]+)\(", line))} - {"execve"}
    if called - allowed:
        pytest.fail(f"hostnorm calls what the unit forbids: {sorted(called - allowed)}")
    if "setpriority" not in called:
        pytest.fail("the training did not go behind everything else: setpriority was not called")
    note(f"{len(called)} kinds of system calls, with store, training and scrapes: the unit allows them all")


def test_image(program, free, start):
    root = image(program, start.folder)
    with in_image(root, free_port(), start.log) as confined:
        compare(free, confined, "as the image in a pod")
        status = pathlib.Path(f"/proc/{confined.process.pid}/status").read_text()
        if not re.search(r"^Uid:\s+65534\b", status, re.M) or not re.search(r"^CapEff:\s+0+$", status, re.M):
            pytest.fail(f"not a user without rights: {status}")
        asked = ["chroot", "--userspec=65534:65534", root, "/bin/hostnorm", "health"]
        env = {"HOSTNORM_WEB__LISTEN_ADDRESS": f"['127.0.0.1:{confined.port}']"}
        print(run("nsenter", "--net", f"--target={confined.process.pid}", *asked, env={**os.environ, **env}))


def test_unit(program, free, start):
    with as_unit(program, free_port(), start.log) as confined:
        compare(free, confined, "as the unit")
