"""The shipped configuration in a real Alertmanager: who is told, who is muted, and what the messages look like."""

import datetime
import json
import subprocess
import tempfile
import time
import urllib.request

import pytest
from shipped_stack import alertmanager, alertmanager_config, replaced
from program import fetch, note, until
from receivers import Receivers

RUNBOOK = "https://example.com/runbooks/%s.md"
DASHBOARD = "https://grafana.example.com/d/hostnorm-host?var-job=hostnorm&var-instance=%s"
SENTENCE = "Anomaly on %s: memory used 91 %% (expected 62 %%, range 58–66 %%)"


def alert(name, severity, instance=None, subject=None, **more):
    labels = {"alertname": name, "severity": severity, "job": "hostnorm", **more}
    if instance:
        labels["instance"] = instance
    if subject:
        labels.update(kind="host" if subject == "host" else "container", subject=subject)
    annotations = {
        "summary": f"Anomaly on {instance or 'all'}",
        "description": SENTENCE % (subject or "host"),
        "runbook_url": RUNBOOK % name,
        "dashboard_url": DASHBOARD % instance,
    }
    return {"labels": labels, "annotations": annotations}


@pytest.mark.newest(reason="receivers and templates have changed")
def test_alertmanager(tools):
    with tempfile.TemporaryDirectory() as folder, Receivers() as receivers:
        config = alertmanager_config(folder, receivers, group_wait="2s", group_interval="5s")
        # The only thing besides: information is not for the night, but tests run by night as well.
        config.write_text(replaced(config.read_text(), [(r"^ +mute_time_intervals: \[out-of-office\]\n", "")]))
        well(subprocess.run([tools.amtool, "check-config", config], capture_output=True, text=True))
        with alertmanager(tools.alertmanager, folder, config, subprocess.DEVNULL) as manager:
            manager.ready()
            forms(manager, receivers)
            muted(manager)


def well(done):
    if done.returncode:
        pytest.fail(done.stdout + done.stderr)


def post(manager, alerts, over=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    for it in alerts:
        # What began long ago would be told at once, without waiting for the others of its group.
        it.setdefault("startsAt", now.isoformat())
        it["endsAt"] = (now + datetime.timedelta(seconds=0 if over else 600)).isoformat()
    request = urllib.request.Request(
        f"{manager.url}/api/v2/alerts", json.dumps(alerts).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()


def forms(manager, receivers):
    """Two subjects of one host are one message, in which both are told; then they end."""
    both = [alert("HostAnomalous", "warning", "db-1", it) for it in ("host", "shop")]
    post(manager, both)
    until("the chats are told", 30, lambda: all(map(receivers.of, ("slack", "discord", "webhook"))))
    [slack] = receivers.of("slack")[0].content["attachments"]
    link = DASHBOARD % "db-1"
    lines = [f"{SENTENCE % it} <{RUNBOOK % 'HostAnomalous'}|Runbook> <{link}|Dashboard>" for it in ("host", "shop")]
    title = "[firing, 2] Anomaly on db-1"
    same("Slack", slack, title=title, title_link=link, color="warning", footer="hostnorm")
    same("Slack's text", {it: True for it in slack["text"].split("\n")}, **{it: True for it in lines})
    [discord] = receivers.of("discord")[0].content["embeds"]
    same("Discord", discord, title=title)
    lines = [f"{SENTENCE % it} [Runbook]({RUNBOOK % 'HostAnomalous'}) [Dashboard]({link})" for it in ("host", "shop")]
    same("Discord's text", {it: True for it in discord["description"].split("\n")}, **{it: True for it in lines})
    webhook = receivers.of("webhook")[0].content
    same("the webhook", webhook, version="4", status="firing")
    time.sleep(1)
    post(manager, both, over=True)
    until("the end is told", 30, lambda: len(receivers.of("slack")) > 1)
    [slack] = receivers.of("slack")[-1].content["attachments"]
    same("Slack of the end", slack, title=title.replace("firing, 2", "resolved, 2"), color="good")
    if "Resolved after " not in slack["text"] or SENTENCE % "host" not in slack["text"]:
        pytest.fail(f"Slack of the end: {slack['text']}")
    page_and_mail(manager, receivers)
    note(f"slack: {title} {slack['text'].splitlines()[0]}")


def page_and_mail(manager, receivers):
    post(manager, [alert("HostAnomalySevere", "critical", "db-2", "host"), alert("HostAnomalyLong", "info", "db-3", "host")])
    until("the pager is told", 30, lambda: receivers.of("pagerduty"))
    page = receivers.of("pagerduty")[0].content
    same("PagerDuty", page, routing_key="key", event_action="trigger", client_url=DASHBOARD % "db-2")
    summary = f"[firing] Anomaly on db-2: {SENTENCE % 'host'}"
    same("PagerDuty's payload", page["payload"], severity="critical", summary=summary)
    until("the mail is there", 30, lambda: receivers.of("mail"))
    mail = receivers.of("mail")[0].content
    same("the mail", mail, Subject="[firing] Anomaly on db-3", To="operators@example.com")
    for kind, link in (("plain", f"Dashboard: {DASHBOARD % 'db-3'}"), ("html", ">Dashboard</a>")):
        text = mail.get_body((kind,)).get_content()
        if SENTENCE % "host" not in text or link not in text:
            pytest.fail(f"the mail as {kind}: {text}")


def same(what, found, **expected):
    wrong = {key: found.get(key) for key, value in expected.items() if found.get(key) != value}
    if wrong:
        pytest.fail(f"{what} has {wrong}, expected {expected}")


def muted(manager):
    """Which alerts speak for which others."""
    post(
        manager,
        [
            alert("HostnormDown", "critical", "a"),
            alert("HostnormCollectorFailing", "warning", "a", collector="cpu"),
            alert("HostAnomalous", "warning", "a", "host"),
            alert("ContainerAnomalous", "warning", "a"),
            alert("ContainerAnomalous", "warning", "e"),
            alert("HostAnomalous", "warning", "b", "host"),
            alert("HostAnomalySevere", "critical", "b", "host"),
            alert("HostAnomalous", "warning", "c", "host"),
            alert("HostAnomalyLong", "info", "c", "host"),
            alert("LogAnomalous", "warning", "c", "nginx"),
            alert("ContainerAnomalous", "warning", "c"),
            alert("LogAnomalous", "warning", "e", "nginx"),
            {**alert("FleetAnomalous", "critical"), "labels": {**alert("FleetAnomalous", "critical")["labels"], "job": "web"}},
            *({**it, "labels": {**it["labels"], "job": "web"}} for it in [alert("HostAnomalous", "warning", "d", "host")]),
        ],
    )
    expected = {
        ("HostnormDown", "a"): False,
        ("HostnormCollectorFailing", "a"): True,
        ("HostAnomalous", "a"): True,
        ("ContainerAnomalous", "a"): True,
        ("ContainerAnomalous", "e"): False,
        ("HostAnomalous", "b"): True,
        ("HostAnomalySevere", "b"): False,
        ("HostAnomalous", "c"): False,
        ("HostAnomalyLong", "c"): False,
        ("LogAnomalous", "c"): True,
        ("ContainerAnomalous", "c"): True,
        ("LogAnomalous", "e"): False,
        ("FleetAnomalous", None): False,
        ("HostAnomalous", "d"): True,
    }
    until("all are told or muted", 30, lambda: found(manager, expected) == expected)
    note(f"{sum(expected.values())} of {len(expected)} alerts muted by others, as they should")


def found(manager, of):
    alerts = json.loads(fetch(f"{manager.url}/api/v2/alerts")[2])
    names = {(it["labels"]["alertname"], it["labels"].get("instance")): bool(it["status"]["inhibitedBy"]) for it in alerts}
    return {it: names.get(it) for it in of}
