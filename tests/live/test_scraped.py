"""A real Prometheus scrapes the release binary and answers queries for its metrics."""

import json
import pathlib
import subprocess
import tempfile
import urllib.parse

import pytest
from program import Running, fetch, free_port, hostnorm, note, until

QUERIES = [
    "up == 1",
    "anomaly_score",
    'is_anomaly{kind="host",subject="host"}',
    "anomaly_expected and anomaly_signal",
    "sum by (mode) (rate(hostnorm_cpu_seconds_total[30s]))",
    "hostnorm_memory_available_bytes / hostnorm_memory_size_bytes",
    "rate(hostnorm_ticks_total[30s]) > 1",
    "process_resident_memory_bytes",
]


@pytest.mark.newest(reason="Prometheus 3 negotiates other formats")
def test_scraped(options):
    with tempfile.TemporaryDirectory() as folder, hostnorm(
        options.hostnorm, "--interval=100ms", "--warmup=10s"
    ) as program:
        program.ready()
        config = pathlib.Path(folder, "prometheus.yml")
        target = program.url.removeprefix("http://")
        config.write_text(
            "global: {scrape_interval: 1s}\n"
            "scrape_configs:\n"
            f"  - {{job_name: hostnorm, static_configs: [{{targets: ['{target}']}}]}}\n"
        )
        port = free_port()
        command = [
            options.prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        with open(f"{folder}/log", "wb") as log, Running(command, port, log) as server:
            try:
                server.ready(60)
                for query in QUERIES:
                    seconds = until(query, 60, lambda: answer(server.url, query))
                    note(f"{query}: answered after {seconds:.1f} s")
                targets = json.loads(fetch(f"{server.url}/api/v1/targets")[2])["data"]["activeTargets"]
                assert [it["lastError"] for it in targets] == [""], targets
            except SystemExit:
                print(subprocess.run(["tail", "-20", f"{folder}/log"], capture_output=True, text=True).stdout)
                raise


def answer(url, query):
    _, _, text = fetch(f"{url}/api/v1/query?" + urllib.parse.urlencode({"query": query}))
    return json.loads(text)["data"]["result"]
