"""Tokens, passwords and headers for other servers get to those servers, and nowhere else: no log of any level, no page, metric,
answer, problem or span shows one.
"""

import http.server
import json
import pathlib
import subprocess

import pytest
import yaml
from program import Running, fetch, free_port, note, until, value
from receivers import LoopbackServer

SECRETS = {
    name: f"sEcReT-{name}-8151"
    for name in ("alertmanager-token", "alertmanager-header", "backfill-password", "backfill-header", "otlp-header", "remediate-token", "webhook-token")
}
PAGES = ("/metrics", "/", "/api/v1/status", "/api/v1/detect", "/api/v1/explain", "/api/v1/maintenance", "/api/v1/nope", "/api/v1/scores?from=x")


class Everything(LoopbackServer):
    """A server in the place of Alertmanager, Prometheus, a collector of spans and a webhook; keeps heads and bodies."""

    def __init__(self):
        self.heads, self.bodies = [], []
        super().__init__()

    def _handler(everything):
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                everything.heads.append(f"{self.path}\n{self.headers}")
                everything.bodies.append(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                # A query of the past is refused, which is an error that hostnorm tells of.
                is_query = self.path.startswith("/api/v1/")
                self.send_response(400 if is_query else 200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(b'{"status": "error", "error": "refused"}' if is_query else b"[]")

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        return Handler

    def got(self, secret):
        return any(secret in it for it in list(self.heads))


def hidden(where, text):
    found = [name for name, secret in SECRETS.items() if secret in text]
    if found:
        pytest.fail(f"{where} shows {found}")


def written(folder, name):
    path = pathlib.Path(folder) / name
    path.write_text(f"{SECRETS[name]}\n")
    return path


@pytest.fixture
def everything():
    with Everything() as it:
        yield it


def test_secrets_of_a_daemon(start, tools, everything, folder):
    options = [
        "--interval=100ms",
        "--window=5",
        "--warmup=2s",
        "--log.level=trace",
        f"--storage.path={folder}",
        f"--alertmanager.url={everything.url}",
        "--alertmanager.interval=1s",
        f"--alertmanager.token-file={written(start.folder, 'alertmanager-token')}",
        f"--alertmanager.headers=X-Am: {SECRETS['alertmanager-header']}",
        f"--backfill.from=prometheus:{everything.url}",
        "--backfill.user=anna",
        f"--backfill.password-file={written(start.folder, 'backfill-password')}",
        f"--backfill.headers=X-Past: {SECRETS['backfill-header']}",
        f"--otlp.endpoint={everything.url}",
        "--otlp.schedule-delay=200ms",
        f"--otlp.headers=X-Spans: {SECRETS['otlp-header']}",
    ]
    program = start.hostnorm(*options)
    for name in ("alertmanager-token", "alertmanager-header", "backfill-header", "otlp-header"):
        until(f"{name} arrives", 30, lambda: everything.got(SECRETS[name]))
    until("the backfill has failed", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "hostnorm_backfill_success") == 0)
    for path in PAGES:
        hidden(path, fetch(f"{program.url}{path}")[2])
    served = len(everything.bodies)
    until("spans of these requests", 30, lambda: len(everything.bodies) > served)
    for body in list(everything.bodies):
        hidden("a span", body.decode(errors="replace"))
    said = start.said(1 << 30)
    hidden("the log", said)
    assert "level=debug" in said, said[-2000:]
    shown = subprocess.run([tools.hostnorm, "check", "--print", *options], capture_output=True, text=True, timeout=30)
    assert shown.returncode == 0, shown.stderr
    hidden("hostnorm check --print", shown.stdout + shown.stderr)
    note(f"{len(said) >> 10} KiB of log, {len(everything.bodies)} bodies, {len(PAGES)} pages")


def test_secrets_of_remediate(start, tools, everything, folder):
    folder = pathlib.Path(folder)
    webhook = {"url": f"{everything.url}/hook", "connection": {"token_file": str(written(folder, "webhook-token"))}}
    rules = {"rules": [{"name": "all", "matchers": ['severity="critical"'], "actions": [{"webhook": webhook}]}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    port = free_port()
    command = [tools.hostnorm, "remediate", f"--config.file={folder / 'rules.yaml'}", "--log.level=trace"]
    command += [f"--web.token-file={written(folder, 'remediate-token')}", f"--web.listen-address=127.0.0.1:{port}"]
    running = start.running(Running([*command, f"--storage.path={folder / 'outbox'}"], port, start.log))
    alert = {"status": "firing", "labels": {"alertname": "A", "severity": "critical"}, "annotations": {}, "fingerprint": "1f"}
    alert |= {"startsAt": "2026-11-28T19:04:05Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": ""}
    body = {"version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "alerts": [alert], "truncatedAlerts": 0}
    body |= {"groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": ""}
    post = ["curl", "-s", "-w", "%{http_code}", f"{running.url}/api/v1/alerts", "--json", json.dumps(body), "-H"]
    said = ""
    for token in (SECRETS["remediate-token"], "wrong"):
        done = subprocess.run([*post, f"Authorization: Bearer {token}"], capture_output=True, text=True, timeout=30)
        said += done.stdout
    hidden("an answer", said)
    until("the token of the webhook arrives", 30, lambda: everything.got(SECRETS["webhook-token"]))
    login = {"Authorization": f"Bearer {SECRETS['remediate-token']}"}
    for path in ("/metrics", "/nope", "/-/ready"):
        hidden(path, fetch(f"{running.url}{path}", headers=login)[2])
    hidden("the log", start.said(1 << 30))
