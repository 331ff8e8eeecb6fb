"""Alerts posted to a real Alertmanager reach log, issue and webhook through hostnorm remediate, also over a kill -9."""

import datetime
import http.server
import json
import pathlib
import subprocess
import urllib.request

import pytest
import yaml
from program import Running, fetch, free_port, until, value
from receivers import LoopbackServer, Receivers

TOKEN = "live-token-7Qd2"


class GithubServer(LoopbackServer):
    """As much of the issues API as hostnorm uses."""

    def __init__(self):
        self.issues = {}
        super().__init__()

    def answer(self, method, path, body):
        parts = path.split("?")[0].split("/")[5:]
        if method == "GET" and not parts:
            return 200, [it for it in self.issues.values() if it["state"] == "open"]
        if method == "POST" and not parts:
            number = len(self.issues) + 1
            self.issues[number] = {**body, "number": number, "state": "open", "comments": 0, "texts": []}
            return 201, self.issues[number]
        issue = self.issues[int(parts[0])]
        if method == "PATCH":
            issue.update(body)
        elif method == "POST":
            issue["texts"].append(body["body"])
        else:
            return 200, [{"body": it} for it in issue["texts"]]
        return 200, issue

    def _handler(github):
        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, content = github.answer(self.command, self.path, json.loads(body or b"null"))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            do_GET = do_POST = do_PATCH = answer

            def log_message(self, *_):
                pass

        return Handler


def post(manager, alerts, over=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    for it in alerts:
        it.setdefault("startsAt", now.isoformat())
        it["endsAt"] = (now + datetime.timedelta(seconds=0 if over else 600)).isoformat()
    request = urllib.request.Request(f"{manager.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=30).close()


class Remediate:
    """hostnorm remediate with its folder, which can be killed and started anew."""

    def __init__(self, binary, folder, github, receivers):
        self.binary, self.folder, self.port = binary, pathlib.Path(folder), free_port()
        (self.folder / "token").write_text(f"{TOKEN}\n")
        (self.folder / "github").write_text("ghp-live\n")
        self.log = self.folder / "remediation.jsonl"
        connection = {"token_file": str(self.folder / "github")}
        actions = [
            {"log": {"path": str(self.log)}},
            {"github_issue": {"repository": "acme/hosts", "api_url": github.url, "connection": connection}},
            {"webhook": {"url": f"{receivers.url}/remediate", "per_minute": 1000}},
        ]
        rules = {"retry": {"initial": "100ms", "max": "1s"}, "rules": [{"name": "all", "matchers": ['severity="critical"'], "actions": actions}]}
        (self.folder / "rules.yaml").write_text(yaml.safe_dump(rules))

    def start(self):
        command = [
            self.binary,
            "remediate",
            f"--config.file={self.folder / 'rules.yaml'}",
            f"--web.token-file={self.folder / 'token'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            f"--storage.path={self.folder / 'outbox'}",
        ]
        running = Running(command, self.port, open(self.folder / "stderr", "ab"))
        running.ready()
        return running

    def metric(self, running, name, **labels):
        text = fetch(f"{running.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[2]
        return value(text, name, **labels)

    def lines(self):
        return [json.loads(it) for it in self.log.read_text().splitlines()] if self.log.exists() else []


@pytest.mark.newest(reason="the payload of webhooks is Alertmanager's")
def test_alerts_reach_everything(tools, tmp_path):
    with Receivers() as receivers, GithubServer() as github:
        remediate = Remediate(tools.hostnorm, tmp_path, github, receivers)
        config = {
            "route": {"receiver": "remediate", "group_by": ["alertname", "instance"], "group_wait": "1s", "group_interval": "2s", "repeat_interval": "3s"},
            "receivers": [
                {
                    "name": "remediate",
                    "webhook_configs": [
                        {
                            "url": f"http://127.0.0.1:{remediate.port}/api/v1/alerts",
                            "send_resolved": True,
                            "http_config": {"authorization": {"credentials_file": str(tmp_path / "token")}},
                        }
                    ],
                }
            ],
        }
        path = tmp_path / "alertmanager.yml"
        path.write_text(yaml.safe_dump(config))
        done = subprocess.run([tools.amtool, "check-config", path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        port = free_port()
        command = [
            tools.alertmanager,
            f"--config.file={path}",
            f"--storage.path={tmp_path / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]
        with Running(command, port) as manager:
            manager.ready()
            whole(manager, remediate, github, receivers)
        text = (tmp_path / "stderr").read_text()
        assert TOKEN not in text and "ghp-live" not in text, text


def whole(manager, remediate, github, receivers):
    labels = {"alertname": "HostAnomalous", "severity": "critical", "instance": "db-1"}
    annotations = {"description": "memory used 91 % (expected 62 %)", "summary": "Anomaly on db-1"}
    alert = {"labels": labels, "annotations": annotations}
    running = remediate.start()
    post(manager, [alert])
    until("an issue is opened", 30, lambda: github.issues)
    until("the webhook has it", 30, lambda: receivers.of("remediate"))
    until("the log has it", 30, lambda: remediate.lines())
    # Alertmanager repeats what fires; nothing is done again.
    until("it was repeated", 60, lambda: remediate.metric(running, "hostnorm_remediate_actions_repeated_total") >= 3)
    assert len(remediate.lines()) == 1 and len(github.issues) == 1 and len(receivers.of("remediate")) == 1
    running.process.kill()
    running.process.wait()
    # It ends while nobody listens; Alertmanager goes on trying.
    post(manager, [alert], over=True)
    with remediate.start() as running:
        until("the issue is closed", 60, lambda: github.issues[1]["state"] == "closed")
        until("the webhook knows", 30, lambda: len(receivers.of("remediate")) == 2)
        until("the log knows", 30, lambda: len(remediate.lines()) == 2)
    assert [it["status"] for it in remediate.lines()] == ["firing", "resolved"]
    assert [it.content["status"] for it in receivers.of("remediate")] == ["firing", "resolved"]
    assert len(github.issues) == 1 and len(github.issues[1]["texts"]) == 1


def test_the_example_of_alertmanager(tools):
    example = pathlib.Path(__file__).parents[2] / "prometheus/examples/alertmanager-remediate.yml"
    done = subprocess.run([tools.amtool, "check-config", example], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
