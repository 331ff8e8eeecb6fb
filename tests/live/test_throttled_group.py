"""A container at its own CPU limit: no CPU pressure of an idle host, and no veil over an overloaded one."""

import contextlib
import os
import pathlib
import subprocess
import sys
import time

import pytest
from program import fetch, note, until, value

ROOT = pathlib.Path("/sys/fs/cgroup")
NAME = "lxc.payload.hostnorm-test"
WINDOW = 15
BURN = "import sys; sys.stdin.readline()\nwhile True: pass"


def limited_group(folders):
    """The directory of a group that may use a fifth of a CPU, in either version of control groups."""
    if (ROOT / "cgroup.controllers").exists():
        # A group of a container may be below one that gives it no controllers.
        (ROOT / "cgroup.subtree_control").write_text("+cpu")
        group, file, limit = ROOT / NAME, "cpu.max", "20000 100000"
    else:
        group, file, limit = ROOT / "cpu" / NAME, "cpu.cfs_quota_us", "20000"
    group.mkdir()
    folders.callback(group.rmdir)
    (group / file).write_text(limit)
    return group


def burn(stack, count, group=None):
    """Starts processes that use all the CPU time they get."""
    for _ in range(count):
        process = subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE)
        stack.callback(process.wait)
        stack.callback(process.kill)
        if group:
            (group / "cgroup.procs").write_text(str(process.pid))
        process.stdin.write(b"\n")
        process.stdin.flush()


@pytest.mark.alone
@pytest.mark.root
def test_throttled_group(start):
    with contextlib.ExitStack() as folders:
        try:
            group = limited_group(folders)
        except OSError as error:
            pytest.skip(f"no control group can be made here: {error}")
        program = start.hostnorm("--interval=1s", f"--window={WINDOW}", "--warmup=20s", "--storage.path=off")
        page = lambda: fetch(f"{program.url}/metrics")[2]
        signal = lambda name: value(page(), "anomaly_signal", kind="host", signal=name)
        until("an idle machine", 300, lambda: (signal("cpu_busy_ratio") or 1) < 0.3)

        def settled(what):
            """The pressure when a window is over, and its impact."""
            time.sleep(WINDOW + 10)
            pressure = signal("pressure_cpu_ratio")
            impact = value(page(), "anomaly_impact_ratio", kind="host", resource="cpu")
            note(f"{what}: pressure {pressure:.3f}, impact {impact:.3f}, busy {signal('cpu_busy_ratio'):.2f}")
            return pressure, impact

        with contextlib.ExitStack() as outside:
            with contextlib.ExitStack() as inside:
                inside.callback(time.sleep, 0.5)
                burn(inside, 8, group)
                pressure, impact = settled("a throttled group on an idle machine")
                assert pressure < 0.25 and impact < 0.15
                burn(outside, 4 * os.cpu_count())
                pressure, impact = settled("the same on an overloaded machine")
                assert pressure > 0.7 and impact > 0.3
            pressure, impact = settled("an overloaded machine alone")
            assert pressure > 0.7 and impact > 0.3
