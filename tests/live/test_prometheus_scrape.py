"""A real Prometheus scrapes the release binary and answers queries for its metrics."""

import pytest
from shipped_stack import ask, instant
from program import note, until

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


@pytest.mark.newest(reason="Prometheus 3 negotiates other formats than Prometheus 2")
def test_prometheus_scrape(start):
    server = start.prometheus([start.hostnorm("--interval=100ms", "--warmup=10s")])
    for query in QUERIES:
        seconds = until(query, 60, lambda query=query: instant(server, query))
        note(f"{query}: answered after {seconds:.1f} s")
    errors = lambda: [it["lastError"] for it in ask(server, "targets")["activeTargets"]]
    until("a scrape without an error", 30, lambda: errors() == [""])
