"""Real servers with the files that are shipped: Prometheus with the rules, Alertmanager with its configuration."""

import json
import pathlib
import re
import subprocess
import urllib.parse

import pytest
from program import Running, fetch, free_port

ROOT = pathlib.Path(__file__).parents[2]
SHIPPED = ROOT / "prometheus"

# What the shipped configuration of Alertmanager says, and what a test says instead: where messages go to, no more.
SECRETS = {"slack_url": "{url}/slack", "smtp_password": "secret", "pagerduty_key": "key", "webhook_token": "token"}


def rules(folder, jsonnet="jsonnet", **config):
    """The rule file as shipped, or made anew by the mixin with other settings."""
    path = pathlib.Path(folder, "hostnorm-rules.yml")
    if not config:
        path.write_text((SHIPPED / "hostnorm-rules.yml").read_text())
        return path
    mixin = SHIPPED / "mixin"
    code = (
        f"(import '{mixin}/files.libsonnet')((import '{mixin}/mixin.libsonnet') {{ _config+:: {json.dumps(config)} }})"
        ".rules"
    )
    path.write_text(subprocess.run([jsonnet, "-S", "-e", code], check=True, capture_output=True, text=True).stdout)
    return path


def replaced(text, pairs):
    """Each pattern has to be there, so that a test does not go on with less than it says."""
    for pattern, by in pairs:
        text, count = re.subn(pattern, by, text, flags=re.MULTILINE)
        if not count:
            pytest.fail(f"alertmanager.yml has no {pattern}")
    return text


def alertmanager_config(folder, receivers, **intervals):
    """The shipped configuration with the addresses of loopback servers, and other intervals if they are given."""
    folder = pathlib.Path(folder)
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret.format(url=receivers.url))
    text = replaced(
        (SHIPPED / "alertmanager.yml").read_text(),
        [
            (r"/etc/alertmanager/secrets", str(folder)),
            (r"https://discord\.example\.com/api/webhooks/0/secret", f"{receivers.url}/discord"),
            (r"https://tickets\.example\.com/alerts", f"{receivers.url}/webhook"),
            (r"mail\.example\.com:587", receivers.smarthost),
            (r"^global:", f"global:\n  smtp_require_tls: false\n  pagerduty_url: {receivers.url}/pagerduty"),
            (r"templates/\*\.tmpl", f"{SHIPPED}/templates/*.tmpl"),
            *((rf"{name}: \w+", f"{name}: {value}") for name, value in intervals.items()),
        ],
    )
    path = folder / "alertmanager.yml"
    path.write_text(text)
    return path


def alertmanager(binary, folder, config, log):
    port = free_port()
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.path={folder}/alertmanager",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    return Running(command, port, log)


def prometheus(binary, folder, rules, scrape, alertmanager=None, interval="1s", log=subprocess.DEVNULL, options=()):
    """`scrape` is the list of scrape_configs as YAML or JSON; the interval is that of scrapes and of evaluations."""
    folder = pathlib.Path(folder)
    alerting = ""
    if alertmanager:
        target = alertmanager.url.removeprefix("http://")
        alerting = f"alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{target}']}}]}}]}}\n"
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: {interval}, scrape_timeout: {interval}, evaluation_interval: {interval}}}\n"
        f"rule_files: [{', '.join(str(it) for it in rules)}]\n{alerting}scrape_configs: {scrape}\n"
    )
    port = free_port()
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
        *options,
    ]
    return Running(command, port, log)


def ask(server, path, **parameters):
    """The data of an answer of Prometheus' API."""
    query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
    status, _, text = fetch(f"{server.url}/api/v1/{path}{query}", timeout=60)
    if status != 200:
        pytest.fail(f"{path}{query}: {status} {text}")
    return json.loads(text)["data"]


def instant(server, query, **parameters):
    return ask(server, "query", query=query, **parameters)["result"]
