#!/usr/bin/env python3
"""CPU time and memory of hostnorm beside node_exporter, both doing their work in the same minutes.

    benches/cost.py --hostnorm target/dist/hostnorm                      # 10 minutes, after 15 minutes of warm-up
    benches/cost.py --hostnorm target/dist/hostnorm --warmup 75 --minutes 60 --page docs/cost.md

hostnorm reads the host each second, has its store on and its first model trained, and is scraped each 15 s as Prometheus
does it: OpenMetrics, gzip, one connection. node_exporter is scraped the same way. CPU time is that of the whole process, as
the kernel counts it in nanoseconds, with threads that ended. A run of an hour includes one self-test.
--page writes the table between the marks in that file. --node-exporter names a binary; by default it is the one in $PATH
(Debian: apt-get install prometheus-node-exporter). Run it on a machine that is otherwise idle; the output says whether it was.
"""

import argparse
import http.client
import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SCRAPE_SECONDS = 15
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
}
BEGIN, END = "<!-- cost: written by benches/cost.py --page docs/cost.md -->", "<!-- end of cost -->"


class Process:
    """A program that serves /metrics on a free port."""

    def __init__(self, name, binary, *arguments):
        self.name = name
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.child = subprocess.Popen(
            [binary, f"--web.listen-address=127.0.0.1:{port}", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self.begin = {}

    def ready(self):
        for _ in range(100):
            try:
                if self.ask() == 200:
                    return
            except OSError:
                self.connection.close()
            time.sleep(0.1)
        sys.exit(f"{self.name} does not answer")

    def ask(self):
        self.connection.request("GET", "/metrics", headers=HEADERS)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status

    def scrape(self):
        if (status := self.ask()) != 200:
            sys.exit(f"{self.name} answers {status}")

    def cpu(self):
        """CPU seconds so far: the clock of another process, see clock_getcpuclockid(3)."""
        return time.clock_gettime_ns((~self.child.pid << 3) | 2) / 1e9

    def threads(self):
        """CPU seconds so far by the name of the thread, of those that live."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.child.pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            found[name] = found.get(name, 0) + int((task / "schedstat").read_text().split()[0]) / 1e9
        return found

    def resident(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def stop(self):
        self.child.terminate()
        self.child.wait(timeout=30)


def machine_cpu():
    """CPU seconds of the whole machine so far, idle time left out."""
    user, nice, system, _, _, irq, softirq, *_ = map(int, pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def scrape_until(end, processes):
    """Scrapes each process every 15 s, evenly spread."""
    step = SCRAPE_SECONDS / len(processes)
    due, turn = time.monotonic(), 0
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        processes[turn % len(processes)].scrape()
        due, turn = due + step, turn + 1
    time.sleep(max(0.0, end - time.monotonic()))


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    name = model[1].strip().replace("(R)", "") if model else platform.machine()
    return f"{os.cpu_count()} × {name}"


def version(binary):
    done = subprocess.run([binary, "--version"], capture_output=True, text=True)
    found = re.search(r"(?:version |hostnorm )(\d[\w.]*)", done.stdout + done.stderr)
    return found[1] if found else "?"


def measure(options, processes):
    for process in processes:
        process.ready()
    scrape_until(time.monotonic() + 60 * options.warmup, processes)
    began, busy = time.monotonic(), machine_cpu()
    before = [(it.cpu(), it.threads()) for it in processes]
    scrape_until(began + 60 * options.minutes, processes)
    seconds = time.monotonic() - began
    used = [it.cpu() - was for it, (was, _) in zip(processes, before)]
    others = (machine_cpu() - busy - sum(used)) / seconds / os.cpu_count()
    for process, spent, (_, was) in zip(processes, used, before):
        now = process.threads()
        by_thread = {name: now[name] - was.get(name, 0) for name in now}
        by_thread["(ended)"] = max(0.0, spent - sum(by_thread.values()))
        parts = ", ".join(f"{name} {1e3 * it / seconds:.3f}" for name, it in sorted(by_thread.items(), key=lambda it: -it[1])[:6])
        print(f"{process.name}: {1e3 * spent / seconds:.3f} ms a second ({parts}), {process.resident():.1f} MiB")
    print(f"ratio {used[0] / used[1]:.2f}; other processes used {others:.1%} of the machine")
    return [1e3 * it / seconds for it in used], others


def table(options, processes, rates, others, versions):
    rows = [
        ("CPU a day", [f"{it * 86.4:.0f} s" for it in rates]),
        ("CPU, mean", [f"{it:.2f} ms a second" for it in rates]),
        ("memory (RSS)", [f"{it.resident():.1f} MiB" for it in processes]),
    ]
    lines = [
        f"| | hostnorm {versions[0]}: a reading each second, store on, scraped each {SCRAPE_SECONDS} s "
        f"| node_exporter {versions[1]}, defaults: scraped each {SCRAPE_SECONDS} s |",
        "|---|---:|---:|",
        *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows),
        "",
        f"Measured on {processor()}, Linux {platform.release().split('-')[0]}, for {options.minutes:g} minutes, after a warm-up "
        f"of {options.warmup:g} minutes; other processes used {100 * others:.1f} % of the CPUs.",
    ]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hostnorm", required=True)
    parser.add_argument("--node-exporter", default=shutil.which("prometheus-node-exporter") or shutil.which("node_exporter"))
    parser.add_argument("--warmup", type=float, default=15, help="minutes before the measurement (15: the first model is trained after 10)")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--page", type=pathlib.Path, help="file to write the table into")
    options = parser.parse_args()
    if not options.node_exporter:
        sys.exit("node_exporter is missing: apt-get install prometheus-node-exporter, or give --node-exporter")
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            Process("hostnorm", options.hostnorm, f"--storage.path={folder}"),
            Process("node_exporter", options.node_exporter),
        ]
        try:
            rates, others = measure(options, processes)
            text = table(options, processes, rates, others, [version(it) for it in (options.hostnorm, options.node_exporter)])
        finally:
            for process in processes:
                process.stop()
    print(f"\n{text}")
    if options.page:
        before, rest = options.page.read_text().split(BEGIN)
        options.page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


main()
