"""hostnorm as user 65534 with the chart's mounts gives the host's numbers, field by field, the network's included.

Without network, processes and capabilities of the host. A field is compared between two readings of a hostnorm that runs on
the host itself and has to lie between them in one of some rounds: gauges move both ways, and on a busy machine a reading may
be interrupted, so that it is later than its time stamp. What is read from elsewhere never lies between them.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import time

import pytest
import chart
import yaml
from container import Container
from program import fetch, hostnorm, note, runbook_commands, samples, until

ROUNDS_MAX = 60
# How far a gauge may be outside of what it was before and after, as a share.
SLACK = 0.01


@pytest.mark.root
def test_chroot_numbers(tools):
    tool = chart.helm()
    made = {name: rendered(tool, name) for name in ("default", "values-restricted", "store-host", "store-host-prepared", "store-none")}
    with hostnorm(tools.hostnorm, "--interval=100ms") as host:
        host.ready()
        with Container(made["default"], tools.hostnorm, "--interval=100ms") as it:
            different, same = compare(host, it)
            if different:
                pytest.fail(f"not the host's numbers: {different}\n{it.said()}")
            until("the store is used", 20, lambda: stored(it))
            runbook_commands(it.execute)
        with Container(made["store-none"], tools.hostnorm, "--interval=100ms") as it:
            it.page()
            if "no anomaly to accept" not in (said := it.execute("hostnorm", "accept")):
                pytest.fail(f"without a store no command is taken: {said}")
        # Its own network is seen as well here, so that it is known that this test can tell the host's from another.
        flags = ("--interval=100ms", "--collector.network", "--collector.tcp")
        with Container(made["values-restricted"], tools.hostnorm, *flags) as it:
            less, left = compare(host, it)
    collectors = collector_of()
    lost = {collectors[name] for name, _ in less if name != "hostnorm_package_lock_held"}
    if lost != {"filesystem", "network", "tcp"}:
        pytest.fail(f"without the host's mounts {sorted(lost)} are lost: {sorted(less)}")
    stores(made, tools.hostnorm)
    missing(made["default"], tools.hostnorm)
    note(f"{same} fields as on the host, {left} of them without mounts of the host")


def rendered(tool, name):
    made, said = tool.render(yaml.safe_load(chart.ci()[name].read_text()) or {})
    if said:
        pytest.fail(said)
    return made


def collector_of():
    """The collector of each metric that it reads of the host, from the documentation."""
    found, section = {}, ""
    for line in (chart.ROOT / "docs/metrics.md").read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif name := re.match(r"\| `(hostnorm_\w+)` \| (gauge|counter) ", line):
            found[name[1]] = section
    sources = "context cpu memory load pressure disk filesystem network tcp stat sensors".split()
    return {name: section for name, section in found.items() if section in sources}


def fields(page):
    """Each value that was read of the host, by name and labels; and when it was read."""
    known = collector_of()
    found = {(name, tuple(labels.items())): value for name, labels, value in samples(page)}
    read_at = found[("hostnorm_last_reading_timestamp_seconds", ())]
    return {key: value for key, value in found.items() if key[0] in known}, read_at


def compare(host, container):
    """The fields that are never as on the host, with their values before, inside and after; and the number of the others."""
    same = set()
    for _ in range(ROUNDS_MAX):
        before, inside, after = between(host, container)
        keys = (set(before) & set(after)) | (set(inside) - set(before) - set(after))
        for it in keys & set(inside) & set(before):
            low, high = sorted((before[it], after[it]))
            slack = 0 if it[0].endswith("_total") else SLACK * abs(high)
            if low - slack <= inside[it] <= high + slack:
                same.add(it)
        if keys <= same:
            break
    return {it: (before.get(it), inside.get(it), after.get(it)) for it in keys - same}, len(same)


def between(host, container):
    """A reading of the host, one of the container that is later, one of the host that is later still."""

    def later(ask, than):
        while True:
            found, read_at = fields(ask())
            if read_at > than:
                return found, read_at
            time.sleep(0.02)

    def of_host():
        return fetch(f"{host.url}/metrics")[2]

    before, first = later(of_host, 0)
    inside, second = later(container.page, first)
    after, _ = later(of_host, second)
    return before, inside, after


def stored(container):
    """Whether it stores, by its own word."""
    return "hostnorm_store_success 1" in container.page()


def stores(made, binary):
    """A directory of the node that the kubelet made belongs to root: with the init container it is used, without it is told."""
    with tempfile.TemporaryDirectory(prefix="hostnorm-store.") as folder:
        os.chmod(folder, 0o755)
        spec, _ = chart.pod(made["store-host"])
        given, prepared = pathlib.Path(folder, "given"), pathlib.Path(folder, "root-s")
        for it in (given, prepared):
            it.mkdir(mode=0o755)
        init = spec["initContainers"][0]
        keep = ",".join(f"+{it.lower()}" for it in init["securityContext"]["capabilities"]["add"])
        command = [str(given) if it == "/var/lib/hostnorm" else it for it in init["command"]]
        # Twice, as when a pod is replaced.
        for _ in range(2):
            subprocess.run(["setpriv", f"--bounding-set=-all,{keep}", "--no-new-privs", *command], check=True)
        with Container(made["store-host"], binary, store=given) as it:
            until("the store is used", 20, lambda: stored(it))
        if not (given / "hostnorm.db").is_file() or (given / "hostnorm.db").stat().st_uid != 65534:
            pytest.fail(f"nothing of user 65534 is in the store: {sorted(given.iterdir())}")
        with Container(made["store-host-prepared"], binary, store=prepared) as it:
            until("it is told that nothing is stored", 20, lambda: "hostnorm_store_success 0" in it.page())
            why = r'msg="the store does not work; continuing in memory.*Permission denied'
            until("it is said why nothing is stored", 10, lambda: re.search(why, it.said()))


def missing(made, binary):
    """Without a mount hostnorm does not start, and says which one."""
    text = chart.one(made, "ConfigMap")["data"]["hostnorm.yaml"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([binary, "--config.file", file.name], capture_output=True, text=True, timeout=30)
    if done.returncode != 64 or not re.search(r"path\.procfs.*/host/proc is not a directory", done.stderr):
        pytest.fail(f"without /host/proc: exit {done.returncode}: {done.stderr}")
