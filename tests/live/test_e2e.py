"""From a real fault on this machine to messages in Slack's, Discord's and a webhook's form, and from its end to theirs.

The files are those that are shipped. With --shipped their intervals are too, which takes a quarter of an hour; without,
an alert needs 10 s instead of a minute and messages are as quick, so that the whole is seen in three minutes.
The promise of the README is kept: the fault is found within 15 s, and over within 90 s of its end.
"""

import os
import subprocess
import sys
import time

import pytest
from shipped_stack import alertmanager_config, instant, rules
from program import fetch, note, samples, until, value

FOUND_SECONDS = 15
ENDED_SECONDS = 90
LEARNING_SECONDS = 90
ALARMS_MAX = 3
# A job that runs wild: all processors, a fifth of the memory, and talk to itself. It ends by itself if this check is killed.
FAULT = """
import socket, sys, threading, time
end = time.monotonic() + 900
pages = bytearray(int(sys.argv[1]))
pages[::4096] = b"x" * len(pages[::4096])
ears = socket.create_server(("127.0.0.1", 0))
mouth = socket.create_connection(ears.getsockname())
ear = ears.accept()[0]
threading.Thread(target=lambda: [None for _ in iter(lambda: ear.recv(1 << 20), b"")], daemon=True).start()
while time.monotonic() < end: mouth.sendall(bytes(1 << 20))
"""
MEMORY_SHARE = 0.2
# What such a job does to a host, as the sentences of src/episode_text.rs call it.
CAUSES = (
    "CPU ",
    "user CPU",
    "system CPU",
    "context switches",
    "memory used",
    "page faults",
    "loopback traffic",
    "runnable tasks per CPU",
)
CHATS = ("webhook", "slack", "discord")


@pytest.mark.alone
@pytest.mark.slow
def test_e2e(start, tools):
    if tools.shipped:
        made, intervals, every = rules(start.folder), {}, "15s"
    else:
        made = rules(start.folder, anomalousFor="10s", anomalousKeepFiringFor="30s")
        intervals, every = {"group_wait": "3s", "group_interval": "5s"}, "2s"
    receivers = start.receivers()
    program = start.hostnorm("--interval=200ms", "--warmup=60s")
    manager = start.alertmanager(alertmanager_config(start.folder, receivers, **intervals))
    server = start.prometheus([program], [made], manager, every)
    learn(program)
    struck(program, server, receivers)
    over(program, server, receivers, seconds=900 if tools.shipped else 120)


def learn(program):
    until("the first score", 90, lambda: anomalous(program) is not None)
    # The load of this machine may change while it is learned.
    for _ in range(ALARMS_MAX):
        if calm(program, time.monotonic() + LEARNING_SECONDS):
            return
        until("the end of the alarm", 240, lambda: anomalous(program) == 0)
    pytest.fail(f"{ALARMS_MAX} alarms before the fault")


def calm(program, end):
    while time.monotonic() < end:
        if anomalous(program):
            return False
        time.sleep(0.5)
    return True


def struck(program, server, receivers):
    """Does harm until all are told of it."""
    steps = Steps("after onset")
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    share = str(int(MEMORY_SHARE * total / os.cpu_count()))
    jobs = [subprocess.Popen([sys.executable, "-c", FAULT, share]) for _ in range(os.cpu_count())]
    try:
        steps.reach("score ≥ 1", FOUND_SECONDS, lambda: score(program) >= 1)
        steps.reach("is_anomaly 1", FOUND_SECONDS, lambda: anomalous(program) == 1)
        steps.reach("is_anomaly scraped", 60, lambda: instant(server, "is_anomaly == 1"))
        steps.reach("alert pending", 60, lambda: alert(server, "pending") or alert(server, "firing"))
        steps.reach("alert firing", 150, lambda: alert(server, "firing"))
        for kind in CHATS:
            steps.reach(f"message to {kind}", 120, lambda kind=kind: receivers.of(kind))
        contributions_add_up(program)
    finally:
        for job in jobs:
            job.kill()
            job.wait()
    note(steps)
    check({kind: receivers.of(kind)[0].content for kind in CHATS})


def contributions_add_up(program):
    text = fetch(f"{program.url}/metrics")[2]
    shares = [number for name, labels, number in samples(text) if name == "anomaly_contribution" and labels["kind"] == "host"]
    total = value(text, "anomaly_score", kind="host")
    if abs(sum(shares) - total) > 0.01 * total:
        pytest.fail(f"the score {total} is not the sum of {shares}")


def check(messages):
    """The sentence, which is the same in all forms."""
    [alert] = messages["webhook"]["alerts"]
    text = alert["annotations"]["description"]
    note(f"told: {text}")
    if alert["labels"]["alertname"] != "HostAnomalous" or alert["status"] != "firing":
        pytest.fail(f"another alert than expected: {alert}")
    start = "Anomaly on host: "
    if not text.removeprefix(start).startswith(CAUSES) or "(expected " not in text:
        pytest.fail("the sentence does not name what the fault does and what was expected")
    [slack] = messages["slack"]["attachments"]
    [discord] = messages["discord"]["embeds"]
    for kind, words in (("slack", slack["text"]), ("discord", discord["description"])):
        if not words.startswith(text) or "docs/runbooks/HostAnomalous.md" not in words:
            pytest.fail(f"{kind} has another text: {words}")


def over(program, server, receivers, seconds):
    """Waits for what follows the end of the fault."""
    steps = Steps("after the end")
    steps.reach("is_anomaly 0", ENDED_SECONDS, lambda: anomalous(program) == 0)
    steps.reach("is_anomaly scraped", 60, lambda: instant(server, "is_anomaly == 0"))
    steps.reach("alert gone", seconds, lambda: not alert(server, "firing"))
    resolved = lambda: [it for it in receivers.of("webhook") if it.content["status"] == "resolved"]
    steps.reach("resolved message", seconds, resolved)
    note(steps)
    firing = [it for it in receivers.of("webhook") if it.content["status"] == "firing"]
    if len(firing) != 1:
        pytest.fail(f"{len(firing)} messages while it fired, expected one")
    until("Slack is told of the end", 30, lambda: len(receivers.of("slack")) == 2)
    [slack] = receivers.of("slack")[1].content["attachments"]
    if not slack["title"].startswith("[resolved]") or "Resolved after" not in slack["text"]:
        pytest.fail(f"the end is not told: {slack}")
    note(f"told: {slack['title']} {slack['text'].strip()}")


class Steps:
    """When each step was reached, in seconds."""

    def __init__(self, since):
        self.since, self.start, self.reached = since, time.monotonic(), []

    def reach(self, name, seconds, ask):
        until(name, seconds, ask)
        self.reached.append(f"{name} {time.monotonic() - self.start:.1f} s")

    def __str__(self):
        return f"{self.since}: {', '.join(self.reached)}"


def anomalous(program):
    return value(fetch(f"{program.url}/metrics")[2], "is_anomaly", kind="host")


def score(program):
    return value(fetch(f"{program.url}/metrics")[2], "anomaly_score", kind="host") or 0


def alert(server, state):
    return instant(server, f'ALERTS{{alertname="HostAnomalous",alertstate="{state}"}}')
