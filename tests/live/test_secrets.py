"""Tokens, passwords and headers for other servers get to those servers, and nowhere else: no log of any level, no page, metric,
answer, problem or span shows one.
"""

import base64
import http.server
import json
import pathlib
import subprocess

import pytest
import yaml
from program import Running, fetch, free_port, has_level, note, until, value
from receivers import LoopbackServer

SECRETS = {
    name: f"sEcReT-{name}-8151"
    for name in (
        "alertmanager-token",
        "alertmanager-header",
        "backfill-header",
        "backfill-password",
        "backfill-token",
        "github-token",
        "kubernetes-token",
        "loki-token",
        "otlp-header",
        "remediate-token",
        "victorialogs-header",
        "victorialogs-password",
        "webhook-token",
    )
}
# The user of each password.
USER = "anna"
PAGES = ("/metrics", "/", "/api/v1/status", "/api/v1/detect", "/api/v1/explain", "/api/v1/maintenance", "/api/v1/nope", "/api/v1/scores?from=x")
LABELS = {"alertname": "A", "severity": "critical", "node": "node-1"}


class Everything(LoopbackServer):
    """A server in the place of each server that gets a secret; keeps heads and bodies."""

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

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *_):
                pass

        return Handler

    def got(self, secret):
        return any(secret in it for it in list(self.heads))


def encoded(name):
    """A password as it is sent."""
    return base64.b64encode(f"{USER}:{SECRETS[name]}".encode()).decode()


def arrives(everything, *names):
    """Waits until the server got these secrets, so that what hides them had something to hide."""
    for name in names:
        sent = encoded(name) if name.endswith("password") else SECRETS[name]
        until(f"{name} arrives", 30, lambda: everything.got(sent))


def hidden(where, text):
    found = [name for name, secret in SECRETS.items() if secret in text or encoded(name) in text]
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


def logs(everything, folder):
    """Settings of logs on servers with a token, with a password and with a header."""
    login = {"user": USER, "password_file": str(written(folder, "victorialogs-password"))}
    login["headers"] = [f"X-Logs: {SECRETS['victorialogs-header']}"]
    token = {"token_file": str(written(folder, "loki-token"))}
    settings = pathlib.Path(folder) / "hostnorm.yaml"
    loki = {"url": everything.url, "query": '{app="a"}', "poll": "1s", "connection": token}
    victorialogs = {**loki, "connection": login}
    settings.write_text(yaml.safe_dump({"logs": [{"name": "a", "loki": loki}, {"name": "b", "victorialogs": victorialogs}]}))
    return settings


def nowhere(start, program):
    """No page and no line of the log shows a secret."""
    for path in PAGES:
        hidden(path, fetch(f"{program.url}{path}")[2])
    said = start.said(1 << 30)
    hidden("the log", said)
    assert has_level(said, "debug"), said[-2000:]
    return said


def checked(tools, options):
    shown = subprocess.run([tools.hostnorm, "check", "--print", *options], capture_output=True, text=True, timeout=30)
    assert shown.returncode == 0, shown.stderr
    hidden("hostnorm check --print", shown.stdout + shown.stderr)


def test_secrets_of_a_daemon(start, tools, everything, folder):
    options = [
        "--interval=100ms",
        "--window=5",
        "--warmup=2s",
        "--log.level=trace",
        f"--storage.path={folder}",
        f"--config.file={logs(everything, start.folder)}",
        f"--alertmanager.url={everything.url}",
        "--alertmanager.interval=1s",
        f"--alertmanager.token-file={written(start.folder, 'alertmanager-token')}",
        f"--alertmanager.headers=X-Am: {SECRETS['alertmanager-header']}",
        f"--otlp.endpoint={everything.url}",
        "--otlp.schedule-delay=200ms",
        f"--otlp.headers=X-Spans: {SECRETS['otlp-header']}",
    ]
    program = start.hostnorm(*options)
    arrives(everything, "alertmanager-token", "alertmanager-header", "otlp-header")
    arrives(everything, "loki-token", "victorialogs-password", "victorialogs-header")
    # The server answers neither as Loki nor as VictoriaLogs does; the log has the reason.
    works = lambda log: value(fetch(f"{program.url}/metrics")[2], "hostnorm_log_source_success", subject=log)
    until("both logs have failed", 30, lambda: works("a") == works("b") == 0)
    served = len(everything.bodies)
    said = nowhere(start, program)
    until("spans of these requests", 30, lambda: len(everything.bodies) > served)
    for body in list(everything.bodies):
        hidden("a span", body.decode(errors="replace"))
    checked(tools, options)
    note(f"{len(said) >> 10} KiB of log, {len(everything.bodies)} bodies, {len(PAGES)} pages")


@pytest.mark.parametrize("origin", ["prometheus:URL", "influxdb:URL/telegraf"])
@pytest.mark.parametrize("secret", ["backfill-password", "backfill-token"])
def test_secrets_of_a_backfill(start, tools, everything, folder, origin, secret):
    """The server refuses the query, which is an error that hostnorm tells of."""
    file = written(start.folder, secret)
    login = [f"--backfill.user={USER}", f"--backfill.password-file={file}"] if secret.endswith("password") else [f"--backfill.token-file={file}"]
    options = [
        "--log.level=trace",
        f"--storage.path={folder}",
        f"--backfill.from={origin.replace('URL', everything.url)}",
        f"--backfill.headers=X-Past: {SECRETS['backfill-header']}",
        *login,
    ]
    program = start.hostnorm(*options)
    arrives(everything, secret, "backfill-header")
    until("the backfill has failed", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "hostnorm_backfill_success") == 0)
    nowhere(start, program)
    checked(tools, options)


def test_secrets_of_remediate(start, tools, everything, folder):
    folder = pathlib.Path(folder)
    webhook = {"url": f"{everything.url}/hook", "connection": {"token_file": str(written(folder, "webhook-token"))}}
    github = {"repository": "o/r", "api_url": everything.url, "connection": {"token_file": str(written(folder, "github-token"))}}
    cluster = {"cordon_node": True, "api_url": everything.url, "connection": {"token_file": str(written(folder, "kubernetes-token"))}}
    actions = [{"webhook": webhook}, {"github_issue": github}, {"kubernetes": cluster}]
    rules = {"rules": [{"name": "all", "matchers": ['severity="critical"'], "actions": actions}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    port = free_port()
    command = [tools.hostnorm, "remediate", f"--config.file={folder / 'rules.yaml'}", "--log.level=trace"]
    command += [f"--web.token-file={written(folder, 'remediate-token')}", f"--web.listen-address=127.0.0.1:{port}"]
    running = start.running(Running([*command, f"--storage.path={folder / 'outbox'}"], port, start.log))
    alert = {"status": "firing", "labels": LABELS, "annotations": {}, "fingerprint": "1f"}
    alert |= {"startsAt": "2026-11-28T19:04:05Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": ""}
    body = {"version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "alerts": [alert], "truncatedAlerts": 0}
    body |= {"groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": ""}
    post = ["curl", "-s", "-w", "%{http_code}", f"{running.url}/api/v1/alerts", "--json", json.dumps(body), "-H"]
    said = ""
    for token in (SECRETS["remediate-token"], "wrong"):
        done = subprocess.run([*post, f"Authorization: Bearer {token}"], capture_output=True, text=True, timeout=30)
        said += done.stdout
    hidden("an answer", said)
    arrives(everything, "webhook-token", "github-token", "kubernetes-token")
    login = {"Authorization": f"Bearer {SECRETS['remediate-token']}"}
    page = lambda: fetch(f"{running.url}/metrics", headers=login)[2]
    count = lambda outcome, action: value(page(), f"hostnorm_remediate_actions_{outcome}_total", action=action)
    # The server answers as neither GitHub nor Kubernetes does; the log has the reason.
    until("the issue has failed", 30, lambda: count("failed", "github_issue"))
    until("the cordon was refused", 30, lambda: count("dropped", "kubernetes"))
    for path in ("/metrics", "/nope", "/-/ready"):
        hidden(path, fetch(f"{running.url}{path}", headers=login)[2])
    said = start.said(1 << 30)
    hidden("the log", said)
    assert has_level(said, "debug"), said[-2000:]
