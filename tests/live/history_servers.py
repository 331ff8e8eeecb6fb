"""Real servers with the past of one simulated host: what the checks of history share.

The table of signals that `hostnorm simulate` writes is turned into what node_exporter and Telegraf would have kept of the
same machine: counters that gained what the rates say, gauges that stand where the ratios are.
"""

import csv
import gzip
import json
import pathlib
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from program import Running, fetch, free_port, until

CPUS = 2
MEMORY = 8 * 2**30
DISK = 100 * 10**9
INODES = 6_000_000


def rows(path):
    """Each row of a table as (seconds, values by name)."""
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            yield float(row.pop("timestamp")), {name: float(value) for name, value in row.items()}


def with_a_row_before(table):
    """The table with its first row twice, a step apart: what servers saw before, so that the first row has rates too."""
    first, second, *rest = table
    yield first[0] - (second[0] - first[0]), first[1]
    yield from (first, second, *rest)


def raw(path):
    """Each row as (seconds, shares of processor time, seconds of it, counters, gauges)."""
    sums, before = {}, None

    def count(name, rate, elapsed):
        sums[name] = sums.get(name, 0.0) + rate * elapsed
        return sums[name]

    for at, it in with_a_row_before(rows(path)):
        elapsed = 0.0 if before is None else at - before
        before = at
        idle = max(0.0, 1.0 - it["cpu_busy_ratio"] - it["cpu_iowait_ratio"])
        modes = {
            "user": it["cpu_user_ratio"],
            "system": it["cpu_system_ratio"],
            "iowait": it["cpu_iowait_ratio"],
            "steal": it["cpu_steal_ratio"],
            "idle": idle,
        }
        packets, operations = it["network_packets_per_second"], it["disk_operations_per_second"]
        rates = {
            "pgfault": it["page_faults_per_second"],
            "pgmajfault": it["major_page_faults_per_second"],
            "pswpin": it["swap_pages_per_second"] / 2,
            "pswpout": it["swap_pages_per_second"] / 2,
            "psi_cpu": it["pressure_cpu_ratio"],
            "psi_memory": it["pressure_memory_ratio"],
            "psi_io": it["pressure_io_ratio"],
            "io_time": it["disk_busy_ratio"],
            "read": it["disk_read_bytes_per_second"],
            "written": it["disk_written_bytes_per_second"],
            "reads": operations / 4,
            "writes": operations * 3 / 4,
            "received": it["network_received_bytes_per_second"],
            "sent": it["network_sent_bytes_per_second"],
            "packets_in": packets / 2,
            "packets_out": packets / 2,
            "errors": it["network_errors_per_second"],
            "loopback": it["loopback_bytes_per_second"],
            "retransmits": it["tcp_retransmits_per_second"],
            "forks": it["forks_per_second"],
            "switches": it["context_switches_per_second"],
        }
        counters = {name: count(name, rate, elapsed) for name, rate in rates.items()}
        seconds = {mode: count(f"cpu_{mode}", share * CPUS, elapsed) for mode, share in modes.items()}
        gauges = {
            "available": MEMORY * (1.0 - it["memory_used_ratio"]),
            "free": DISK * (1.0 - it["filesystem_used_ratio"]),
            "inodes_free": INODES * (1.0 - it["filesystem_inodes_used_ratio"]),
            "connections": it["tcp_connections_established"],
            "running": it["tasks_running_per_cpu"] * CPUS,
            "blocked": it["tasks_blocked"],
        }
        yield at, modes, seconds, counters, gauges


def node_exporter(path):
    """Samples as node_exporter has them: (name, type, labels, samples), grouped by family as OpenMetrics wants it."""
    families = {}

    def add(name, kind, labels, at, value):
        families.setdefault((name, kind), {}).setdefault(labels, []).append((at, value))

    root = 'device="/dev/vda1",fstype="ext4",mountpoint="/"'
    for at, _, seconds, it, gauge in raw(path):
        for mode, value in seconds.items():
            for cpu in range(CPUS):
                add("node_cpu_seconds_total", "counter", f'cpu="{cpu}",mode="{mode}"', at, value / CPUS)
        for name, value in {
            "node_vmstat_pgfault": it["pgfault"],
            "node_vmstat_pgmajfault": it["pgmajfault"],
            "node_vmstat_pswpin": it["pswpin"],
            "node_vmstat_pswpout": it["pswpout"],
            "node_memory_MemTotal_bytes": MEMORY,
            "node_memory_MemAvailable_bytes": gauge["available"],
            "node_netstat_Tcp_CurrEstab": gauge["connections"],
            "node_netstat_Tcp_RetransSegs": it["retransmits"],
            "node_procs_running": gauge["running"],
            "node_procs_blocked": gauge["blocked"],
        }.items():
            add(name, "unknown", "", at, value)
        for name, value in {
            "node_pressure_cpu_waiting_seconds_total": it["psi_cpu"],
            "node_pressure_memory_waiting_seconds_total": it["psi_memory"],
            "node_pressure_io_waiting_seconds_total": it["psi_io"],
            "node_forks_total": it["forks"],
            "node_context_switches_total": it["switches"],
        }.items():
            add(name, "counter", "", at, value)
        for name, value in {
            "node_disk_io_time_seconds_total": it["io_time"],
            "node_disk_read_bytes_total": it["read"],
            "node_disk_written_bytes_total": it["written"],
            "node_disk_reads_completed_total": it["reads"],
            "node_disk_writes_completed_total": it["writes"],
        }.items():
            add(name, "counter", 'device="vda"', at, value)
        for name, value in {
            "node_filesystem_size_bytes": DISK,
            "node_filesystem_free_bytes": gauge["free"],
            "node_filesystem_avail_bytes": gauge["free"],
            "node_filesystem_files": INODES,
            "node_filesystem_files_free": gauge["inodes_free"],
            "node_filesystem_readonly": 0,
        }.items():
            add(name, "gauge", root, at, value)
        for name, value in {
            "node_network_receive_bytes_total": it["received"],
            "node_network_transmit_bytes_total": it["sent"],
            "node_network_receive_packets_total": it["packets_in"],
            "node_network_transmit_packets_total": it["packets_out"],
            "node_network_receive_errs_total": it["errors"],
            "node_network_transmit_errs_total": 0,
            "node_network_receive_drop_total": 0,
            "node_network_transmit_drop_total": 0,
        }.items():
            add(name, "counter", 'device="eth0"', at, value)
        add("node_network_transmit_bytes_total", "counter", 'device="lo"', at, it["loopback"])
    return families


def openmetrics(families, target):
    """One text for all families, each series after the other; `target` are the labels of the target."""
    for (name, kind), series in families.items():
        family = name.removesuffix("_total") if kind == "counter" else name
        yield f"# TYPE {family} {kind}\n"
        for labels, samples in series.items():
            inner = ",".join(it for it in (labels, target) if it)
            head = f"{name}{{{inner}}}"
            yield "".join(f"{head} {value!r} {at:.0f}\n" for at, value in samples)
    yield "# EOF\n"


def telegraf(path, host):
    """Lines of the line protocol, in milliseconds."""
    for at, modes, _, it, gauge in raw(path):
        end = f" {at * 1000:.0f}\n"
        usage = {**{mode: share * 100 for mode, share in modes.items()}, "nice": 0, "irq": 0, "softirq": 0}
        usage |= {"guest": 0, "guest_nice": 0}
        cpu = ",".join(f"usage_{mode}={float(value)!r}" for mode, value in usage.items())
        yield f"cpu,cpu=cpu-total,host={host} {cpu}{end}"
        # What a reader must leave out: a single processor.
        yield f"cpu,cpu=cpu0,host={host} usage_idle=1.0{end}"
        yield f"mem,host={host} total={MEMORY}i,available={gauge['available']!r}{end}"
        yield f"swap,host={host} in={it['pswpin'] * 4096!r},out={it['pswpout'] * 4096!r}{end}"
        yield f"kernel_vmstat,host={host} pgfault={it['pgfault']!r},pgmajfault={it['pgmajfault']!r}{end}"
        yield f"kernel,host={host} processes_forked={it['forks']!r},context_switches={it['switches']!r}{end}"
        for resource in ("cpu", "memory", "io"):
            total = it[f"psi_{resource}"] * 1e6
            yield f"pressure,host={host},resource={resource},type=some total={total!r}{end}"
            yield f"pressure,host={host},resource={resource},type=full total=0{end}"
        yield (
            f"diskio,host={host},name=vda io_time={it['io_time'] * 1000!r},read_bytes={it['read']!r},"
            f"write_bytes={it['written']!r},reads={it['reads']!r},writes={it['writes']!r}{end}"
        )
        # A part of the disk before it, which counts the same again.
        yield f"diskio,host={host},name=vda1 io_time=0,read_bytes={it['read']!r},write_bytes=0,reads=0,writes=0{end}"
        tags = f"device=vda1,fstype=ext4,host={host},mode=rw,path=/"
        yield (
            f"disk,{tags} total={DISK},used={DISK - gauge['free']!r},free={gauge['free']!r},"
            f"inodes_total={INODES},inodes_free={gauge['inodes_free']!r}{end}"
        )
        yield f"disk,device=sr0,fstype=iso9660,host={host},mode=ro,path=/cd total={DISK},used={DISK},free=0{end}"
        yield (
            f"net,host={host},interface=eth0 bytes_recv={it['received']!r},bytes_sent={it['sent']!r},"
            f"packets_recv={it['packets_in']!r},packets_sent={it['packets_out']!r},err_in={it['errors']!r},"
            f"err_out=0,drop_in=0,drop_out=0{end}"
        )
        yield (
            f"net,host={host},interface=lo bytes_recv=0,bytes_sent={it['loopback']!r},packets_recv=0,packets_sent=0,"
            f"err_in=0,err_out=0,drop_in=0,drop_out=0{end}"
        )
        yield (
            f"net,host={host},interface=all tcp_currestab={gauge['connections']!r},"
            f"tcp_retranssegs={it['retransmits']!r}{end}"
        )
        yield f"system,host={host} n_cpus={CPUS}i{end}"
        yield f"processes,host={host} running={gauge['running']!r},blocked={gauge['blocked']!r}{end}"


def prometheus(binary, promtool, folder, families, target, log):
    """A Prometheus whose blocks were made of these families."""
    text, data = pathlib.Path(folder, "past.om"), pathlib.Path(folder, "prometheus")
    with open(text, "w", encoding="utf-8") as file:
        file.writelines(openmetrics(families, target))
    # The text is read once for each block, so they are large.
    command = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", "--max-block-duration=192h", text, data]
    subprocess.run(command, check=True, stdout=log, stderr=log)
    text.unlink()
    config = pathlib.Path(folder, "prometheus.yml")
    config.write_text("global: {scrape_interval: 1m}\n")
    port = free_port()
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return Running(command, port, log)


def victoria(binary, folder, log):
    port = free_port()
    command = [
        binary,
        f"-storageDataPath={folder}/victoria",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=10y",
        "-memory.allowedBytes=256MB",
    ]
    return Running(command, port, log)


def influx(binary, folder, log):
    port, backup = free_port(), free_port()
    config = pathlib.Path(folder, "influxdb.conf")
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{backup}"\n'
        f'[meta]\n  dir = "{folder}/influx/meta"\n'
        f'[data]\n  dir = "{folder}/influx/data"\n  wal-dir = "{folder}/influx/wal"\n  query-log-enabled = false\n'
        f'[http]\n  bind-address = "127.0.0.1:{port}"\n  log-enabled = false\n'
        "[monitor]\n  store-enabled = false\n"
    )
    return Running([binary, "-config", str(config)], port, log)


def post(url, body=b"", headers=None, timeout=60):
    request = urllib.request.Request(url, data=body, headers=headers or {}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def import_victoria(url, families, target):
    """Series by series, as VictoriaMetrics exports them."""
    until("victoria-metrics answers", 30, lambda: fetch(f"{url}/health")[0] == 200)
    extra = dict(it.split("=", 1) for it in target.split(","))
    lines = []
    for (name, _), series in families.items():
        for labels, samples in series.items():
            parted = dict(it.split("=", 1) for it in labels.split(",") if it)
            metric = {"__name__": name, **{key: value.strip('"') for key, value in (parted | extra).items()}}
            values = {"values": [value for _, value in samples], "timestamps": [int(at * 1000) for at, _ in samples]}
            lines.append(json.dumps({"metric": metric, **values}))
    body = gzip.compress("\n".join(lines).encode(), 1)
    status, said = post(f"{url}/api/v1/import", body, {"Content-Encoding": "gzip"})
    assert status == 204, (status, said)
    # What was imported is searchable after a moment.
    anchor = urllib.parse.quote("node_cpu_seconds_total")
    first = min(at for (_, _), series in families.items() for samples in series.values() for at, _ in samples[:1])
    query = f"{url}/api/v1/label/instance/values?match[]={anchor}&start={first:.0f}&end={time.time():.0f}"
    until("the past is searchable", 30, lambda: json.loads(fetch(query)[2])["data"])


def import_influx(url, lines, database):
    until("influxdb answers", 60, lambda: fetch(f"{url}/ping")[0] == 204)
    status, said = post(f"{url}/query?q=CREATE+DATABASE+{database}")
    assert status == 200, (status, said)
    batch = []

    def send():
        status, said = post(f"{url}/write?db={database}&precision=ms", "".join(batch).encode())
        assert status == 204, (status, said)
        batch.clear()

    for line in lines:
        batch.append(line)
        if len(batch) >= 20_000:
            send()
    send()
