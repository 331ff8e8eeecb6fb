"""A file that grows by 100 MB/s for 10 s: each line is counted once, no tick is missed, and memory stays bounded.
Runs with `./check --load`, on a quiet machine.
"""

import pathlib
import threading
import time

import pytest
from program import fetch, hostnorm, note, samples, until

pytestmark = [pytest.mark.load, pytest.mark.alone]

MB = 1_000_000
SECONDS = 10
LINE = b"203.0.113.17 - - [29/Nov/2026:06:25:24 +0000] \"GET /assets/app.css HTTP/1.1\" 200 18234 \"-\" \"check/1.0\"\n"
# What the reader may hold: its buffers and the templates, whatever the size of the file.
GROWTH_MAX = 16 << 20


def resident(pid, what="VmRSS"):
    status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(it.split()[1]) << 10 for it in status if it.startswith(f"{what}:"))


def write(path):
    """Returns the number of lines; a second is skipped rather than made up for."""
    block, lines = LINE * (MB // len(LINE)), MB // len(LINE)
    written, start = 0, time.monotonic()
    with path.open("ab", buffering=0) as file:
        for number in range(100 * SECONDS):
            file.write(block)
            written += lines
            time.sleep(max(0.0, start + (number + 1) / 100 - time.monotonic()))
    return written, time.monotonic() - start


def test_a_log_that_grows_by_a_hundred_megabytes_a_second(tools, tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(LINE)
    settings = tmp_path / "hostnorm.yaml"
    settings.write_text(f"logs:\n- {{name: app, file: {{paths: [{log}], from: start}}}}\n")
    options = [f"--config.file={settings}", f"--storage.path={tmp_path}/store", "--cgroup.raw"]
    with hostnorm(tools.hostnorm, *options) as program:
        program.ready()
        pid = program.process.pid

        def values():
            found = samples(fetch(f"{program.url}/metrics")[2])
            return {name: number for name, has, number in found if has.get("subject") in (None, "app") and len(has) <= 2}

        until("the first line is read", 20, lambda: values().get("hostnorm_log_lines_total") == 1)
        before, missed = resident(pid), values()["hostnorm_ticks_missed_total"]
        done = {}
        writer = threading.Thread(target=lambda: done.update(written=write(log)))
        writer.start()
        highest = 0
        while writer.is_alive():
            highest = max(highest, resident(pid))
            time.sleep(0.1)
        writer.join()
        lines, took = done["written"]
        behind = until("each line is counted", 60, lambda: values().get("hostnorm_log_lines_total") >= 1 + lines)
        time.sleep(2)
        after, highest = values(), max(highest, resident(pid))
    note(
        f"{lines * len(LINE) / MB / took:.0f} MB/s for {took:.0f} s, read {behind:.1f} s later, memory from {before / MB:.0f} to "
        f"{highest / MB:.0f} MB, {after['hostnorm_log_lines_unexamined_total'] / lines:.0%} of the lines not examined"
    )
    assert after["hostnorm_log_lines_total"] == 1 + lines
    assert after["hostnorm_log_bytes_total"] == (1 + lines) * (len(LINE) - 1)
    assert after["hostnorm_log_lines_lost_total"] == 0
    assert after["hostnorm_ticks_missed_total"] == missed
    assert highest - before < GROWTH_MAX
