"""SIGHUP and POST /-/reload: good settings take effect, bad ones are refused and those in effect stay, what was learned is kept."""

import base64
import concurrent.futures
import json
import signal
import socket
import subprocess

from program import Running, fetch, free_port, note, until, value

SUCCESSFUL = "hostnorm_config_last_reload_successful"
SUCCEEDED_AT = "hostnorm_config_last_reload_success_timestamp_seconds"
WEB_SUCCESSFUL = "hostnorm_web_config_last_reload_successful"


def page(url):
    """The metrics; nothing before the first reading after new settings."""
    status, _, text = fetch(f"{url}/metrics")
    return text if status == 200 else ""


def says(program, name):
    return value(page(program.url), name)


def test_reload(start):
    settings = start.folder / "settings.yaml"
    settings.write_text("interval: 100ms\nwarmup: 10s\n")
    program = start.hostnorm(f"--config.file={settings}", f"--storage.path={start.place()}")
    hangup = lambda: program.process.send_signal(signal.SIGHUP)
    until("the first score", 30, lambda: says(program, "anomaly_score") is not None)
    began = says(program, SUCCEEDED_AT)

    settings.write_text("interval: 100ms\nwarmpu: 10s\n")
    hangup()
    until("bad settings are counted", 10, lambda: says(program, SUCCESSFUL) == 0)
    assert says(program, SUCCEEDED_AT) == began and says(program, "anomaly_score") is not None
    until("the log names the key", 10, lambda: "warmpu" in start.said())

    settings.write_text("interval: 200ms\nwarmup: 10s\nmetrics: {raw: false}\n")
    hangup()
    until("good settings take effect", 10, lambda: (text := page(program.url)) and "hostnorm_load1" not in text)
    seconds = until("the score is back", 30, lambda: says(program, "anomaly_score") is not None)
    assert says(program, SUCCESSFUL) == 1 and says(program, SUCCEEDED_AT) > began
    note(f"score back {seconds:.1f} s after new settings took effect")


def post_reload(socket):
    """Status and detail of a reload over the control socket."""
    command = ["curl", "-s", "-w", "\\n%{http_code}", "--unix-socket", socket, "-X", "POST", "http://localhost/-/reload"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said
    body, status = said.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)["detail"] if body.startswith("{") else body


def test_reload_over_http(start):
    """Two broken reloads at once: each client hears why, and what was in effect goes on; then a good one."""
    settings, place = start.folder / "settings.yaml", start.place()
    settings.write_text("interval: 100ms\nwarmup: 10s\n")
    program = start.hostnorm(f"--config.file={settings}", f"--storage.path={place}", "--web.enable-lifecycle")
    until("the first score", 30, lambda: says(program, "anomaly_score") is not None)
    settings.write_text("interval: 100ms\nwarmpu: 10s\n")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(post_reload, [f"{place}/hostnorm.sock"] * 2))
    note(f"two broken reloads at once: {[status for status, _ in found]}")
    for status, detail in found:
        assert (status == 422 and "warmpu" in detail) or (status == 503 and "another reload" in detail), (status, detail)
    assert 422 in [status for status, _ in found]
    until("the failure is counted", 10, lambda: says(program, SUCCESSFUL) == 0)
    assert says(program, "anomaly_score") is not None
    settings.write_text("interval: 200ms\nwarmup: 10s\nmetrics: {raw: false}\n")
    assert post_reload(f"{place}/hostnorm.sock") == (200, "settings reloaded\n")
    until("good settings take effect", 10, lambda: (text := page(program.url)) and "hostnorm_load1" not in text)


def test_reload_to_a_taken_port(start, tools):
    """The port of another program is refused at a reload, and what was in effect goes on as it was."""
    settings, place, own = start.folder / "settings.yaml", start.place(), free_port()
    address = lambda port: settings.write_text(f"interval: 100ms\nweb: {{listen_address: ['127.0.0.1:{port}']}}\n")
    address(own)
    command = [tools.hostnorm, f"--config.file={settings}", f"--storage.path={place}", "--web.enable-lifecycle"]
    with socket.create_server(("127.0.0.1", 0)) as other, Running(command, own) as program:
        until("the first reading", 30, lambda: says(program, SUCCESSFUL) == 1)
        began, taken = says(program, SUCCEEDED_AT), other.getsockname()[1]
        address(taken)
        status, detail = post_reload(f"{place}/hostnorm.sock")
        assert status == 422 and f"127.0.0.1:{taken}" in detail and "another program uses this port" in detail
        until("the failure is counted", 10, lambda: says(program, SUCCESSFUL) == 0)
        assert says(program, SUCCEEDED_AT) == began, "a reload that failed has a time of success"
        moved = free_port()
        address(moved)
        assert post_reload(f"{place}/hostnorm.sock") == (200, "settings reloaded\n")
        program.url = f"http://127.0.0.1:{moved}"
        until("the new port serves", 20, lambda: says(program, SUCCESSFUL) == 1 and says(program, SUCCEEDED_AT) > began)


def test_reload_with_a_broken_web_config(start, tools):
    """Two reloads at once with a broken web configuration: each client hears why. An empty one lets nobody in, even at a reload."""
    hashed = subprocess.run([tools.hostnorm, "hash-password"], input="right\n", capture_output=True, text=True)
    settings, web, place = start.folder / "settings.yaml", start.folder / "web.yml", start.place()
    settings.write_text("interval: 100ms\nwarmup: 10s\n")
    web.write_text(f"basic_auth_users:\n  prometheus: {hashed.stdout}")
    files = (f"--config.file={settings}", f"--web.config.file={web}", f"--storage.path={place}")
    program = start.hostnorm(*files, "--web.enable-lifecycle")
    login = {"Authorization": "Basic " + base64.b64encode(b"prometheus:right").decode()}

    def metrics():
        assert fetch(f"{program.url}/metrics")[0] == 401, "let in without a password"
        status, _, text = fetch(f"{program.url}/metrics", headers=login)
        return text if status == 200 else ""

    until("the first reading", 30, lambda: value(metrics(), WEB_SUCCESSFUL) == 1)
    web.write_text("basic_auth_user: {}\n")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        found = list(pool.map(post_reload, [f"{place}/hostnorm.sock"] * 2))
    for status, detail in found:
        told = "basic_auth_user" in detail and "web.yml:1" in detail
        assert (status == 422 and told) or (status == 503 and "another reload" in detail), (status, detail)
    assert 422 in [status for status, _ in found]
    until("the broken file is counted", 10, lambda: value(metrics(), WEB_SUCCESSFUL) == 0)
    web.write_text("")
    settings.write_text("interval: 200ms\nwarmup: 10s\nmetrics: {raw: false}\n")
    status, detail = post_reload(f"{place}/hostnorm.sock")
    assert status == 422 and "web.yml" in detail and "basic_auth_users is missing" in detail, (status, detail)
    assert value(metrics(), SUCCESSFUL) == 0 and "hostnorm_load1" in metrics()
    web.write_text("basic_auth_users: {}\n")
    assert post_reload(f"{place}/hostnorm.sock") == (200, "settings reloaded\n")
    until("no password is asked for", 10, lambda: fetch(f"{program.url}/metrics")[0] == 200)
    until("new settings take effect", 15, lambda: (text := page(program.url)) and "hostnorm_load1" not in text)
