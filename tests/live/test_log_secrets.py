"""Lines with secrets, read from a file, a log of a container and syslog: none appears in what hostnorm shows, logs, stores or sends,
with the log and the spans at their most detailed.
"""

import json
import pathlib
import socket
import subprocess
import threading
import time

import pytest
from program import fetch, free_port, has_level, note, samples, until
from test_secrets import Everything

# What must not appear, and the line with it.
SECRETS = [
    ("hunter2plain", 'login failed password="hunter2plain" for client'),
    ("hunter3plain", "connection refused: postgres://app:hunter3plain@db.internal/shop"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl", "token rejected eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"),
    ("alice.cooper@example.org", "cannot deliver to alice.cooper@example.org: mailbox failed"),
    ("AKIAIOSFODNN7EXAMPLE", "error: aws_access_key_id=AKIAIOSFODNN7EXAMPLE rejected"),
    ("203.0.113.77", "error: connection from 203.0.113.77:51234 reset"),
    ("4111111111111111", "payment failed: card 4111111111111111 declined"),
    ("s3cr3tBearer99", "request failed, Authorization: Bearer s3cr3tBearer99"),
    ("payroll-2031.xlsx", "cannot open /srv/share/hr/payroll-2031.xlsx: permission error"),
    ("Margarethe Quux", 'error: no record of "Margarethe Quux" in table patients'),
]
OPTIONS = [
    "--interval=100ms",
    "--window=5",
    "--warmup=2s",
    "--storage.commit-interval=200ms",
    "--log.level=trace",
    "--otlp.schedule-delay=200ms",
]
LOGS = ("app", "pod", "net")
# Words of templates of these lines.
TEMPLATE_WORDS = ("mailbox", "declined", "rejected", "patients", "postgres", "permission")
# Seconds after which a template that comes often is named: its recent rate must be twice the mean since its first line.
QUIET_SECONDS = 85
REPEATS = 4


class Writer:
    """Writes the same line to all three logs."""

    def __init__(self, folder, port):
        self.file, self.pod = folder / "app.log", folder / "pod.log"
        self.port, self.socket = port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def write(self, text, syslog_level=14):
        with self.file.open("a") as file:
            file.write(f"{text}\n")
        with self.pod.open("a") as file:
            file.write(f"2026-11-29T10:00:00.000000000Z stderr F {text}\n")
        self.socket.sendto(f"<{syslog_level}>Oct 11 22:14:15 host app: {text}".encode(), ("127.0.0.1", self.port))


def metric(program, name, subject):
    text = fetch(f"{program.url}/metrics")[2]
    return next((number for found, has, number in samples(text) if found == name and has.get("subject") == subject), 0)


def with_templates(program):
    """The logs whose explanation names templates; how many depends on the moment of the detection."""
    explained = {it: fetch(f"{program.url}/api/v1/explain?kind=log&subject={it}")[2] for it in LOGS}
    return [it for it, text in explained.items() if any(word in text for word in TEMPLATE_WORDS)]


def hidden(where, content):
    content = content if isinstance(content, bytes) else content.encode(errors="replace")
    found = [secret for secret, _ in SECRETS if secret.encode() in content]
    if found:
        pytest.fail(f"{where} shows {found}")


@pytest.mark.parametrize("store_templates", [True, False])
def test_secrets_of_lines(start, tools, tmp_path, store_templates):
    port, store, logs = free_port(), tmp_path / "store", tmp_path / "logs"
    logs.mkdir()
    writer = Writer(logs, port)
    settings = tmp_path / "hostnorm.yaml"
    settings.write_text(
        f"logs:\n- {{name: app, file: {{paths: [{writer.file}], from: start}}}}\n"
        f"- {{name: pod, file: {{paths: [{writer.pod}], format: cri, from: start}}}}\n"
        f"- {{name: net, syslog: {{udp: '127.0.0.1:{port}'}}}}\n"
        f"store_log_templates: {str(store_templates).lower()}\n"
    )
    with Everything() as collector:
        program = start.hostnorm(f"--config.file={settings}", f"--storage.path={store}", f"--otlp.endpoint={collector.url}", *OPTIONS)
        until("hostnorm listens for syslog", 20, lambda: metric(program, "hostnorm_log_source_success", "net") == 1)
        for _, line in SECRETS:
            writer.write(line)
        for number in range(QUIET_SECONDS * 20):
            writer.write(f"request {number} served")
            time.sleep(0.05)
        is_unusual = lambda: all(metric(program, "is_anomaly", it) == 1 for it in LOGS)
        done = threading.Event()

        def burst():
            # Each line several times in a row: the first reading of the burst is to find one that comes often.
            while not done.wait(0.02):
                for _, line in SECRETS:
                    for _ in range(REPEATS):
                        writer.write(line, syslog_level=11)

        thread = threading.Thread(target=burst)
        thread.start()
        try:
            until("each log has an anomaly", 60, is_unusual)
        finally:
            done.set()
            thread.join()
        shown = {"/metrics": "", "/": "", "/api/v1/status": "", "/api/v1/detect": "", "/api/v1/episodes": "", "/api/v1/explain": ""}
        shown |= {f"/api/v1/explain?kind=log&subject={it}": "" for it in LOGS}
        for path in shown:
            shown[path] = fetch(f"{program.url}{path}")[2]
            hidden(path, shown[path])
        episodes = [it["id"] for it in json.loads(shown["/api/v1/episodes"])["episodes"]]
        for episode in episodes:
            for path in (f"/episodes/{episode}", f"/api/v1/episodes/{episode}"):
                hidden(path, fetch(f"{program.url}{path}")[2])
        assert bool(with_templates(program)) == store_templates, with_templates(program)
        sent = len(collector.bodies)
        until("spans of these requests", 30, lambda: len(collector.bodies) > sent)
        for command in ("status", "explain", "episodes", "top"):
            asked = [tools.hostnorm, command, f"--config.file={settings}", f"--storage.path={store}"]
            answered = subprocess.run(asked, capture_output=True, text=True, timeout=30)
            assert answered.returncode == 0, answered
            hidden(f"hostnorm {command}", answered.stdout + answered.stderr)
        program.process.terminate()
        program.process.wait()
        for body in list(collector.bodies):
            hidden("a span", body)
        for head in list(collector.heads):
            hidden("a head of a request", head)
    said = start.said(1 << 30)
    hidden("the log of hostnorm", said)
    assert has_level(said, "debug"), said[-2000:]
    files = [it for it in pathlib.Path(store).rglob("*") if it.is_file()]
    for file in files:
        hidden(file.name, file.read_bytes())
    size = sum(it.stat().st_size for it in files)
    note(f"{len(said) >> 10} KiB of log, {len(collector.bodies)} bodies, {size >> 10} KiB in {len(files)} files, {len(episodes)} episodes")
