"""TLS and passwords of the web configuration file: a real Prometheus scrapes, and no secret gets anywhere."""

import base64
import contextlib
import http.server
import json
import os
import pathlib
import pty
import re
import shutil
import socket
import ssl
import subprocess
import termios
import threading
import urllib.error
import urllib.request

import pytest
from certificates import authority, signed
from program import fetch, has_level, note, until
from shipped_stack import ask, instant

ROOT = pathlib.Path(__file__).parents[2]
EXAMPLE = ROOT / "deploy/web-config.yml"
PASSWORD = "pAsSwOrD-8151"

pytestmark = pytest.mark.newest(reason="exporter-toolkit and Prometheus 3 read and scrape by newer code")


def hashed(tools, password):
    done = subprocess.run([tools.hostnorm, "hash-password"], input=password + "\n", capture_output=True, text=True)
    if done.returncode or not re.fullmatch(r"\$2b\$12\$[./A-Za-z0-9]{53}\n", done.stdout):
        pytest.fail(f"hostnorm hash-password: {done.stdout}{done.stderr}")
    return done.stdout.strip()


@pytest.fixture
def files(folder, tools):
    """The shipped example with a certificate and a password of the test."""
    folder = pathlib.Path(folder)
    folder.chmod(0o755)
    authority(folder, "ca")
    signed(folder, "ca", "hostnorm")
    signed(folder, "ca", "prometheus")
    text = EXAMPLE.read_text()
    (folder / "web-config.yml").write_text(re.sub(r"(prometheus: )\$2b\S+", lambda it: it[1] + hashed(tools, PASSWORD), text))
    return folder


def trusting(folder):
    return ssl.create_default_context(cafile=folder / "ca.crt")


def basic(password):
    return {"Authorization": "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode()}


def scrape(server, running, **more):
    """A job for Prometheus; the job of the certificate authority is the same in each."""
    target = running.url.removeprefix("https://")
    tls = {"ca_file": str(server / "ca.crt"), **more.pop("tls", {})}
    return {"job_name": "hostnorm", "scheme": "https", "tls_config": tls, "static_configs": [{"targets": [target]}], **more}


def test_example_is_valid(files, tools):
    """promtool takes the example as shipped, and the newest takes it with all that is commented out."""
    whole = re.sub(r"^( *)# ((?: *)(?:[a-z_]+|Strict\S+|X-\S+):.*)$", r"\1\2", (files / "web-config.yml").read_text(), flags=re.M)
    shutil.copy(files / "ca.crt", files / "clients.crt")
    (files / "whole.yml").write_text(whole)
    for name in ("web-config.yml", *(["whole.yml"] if tools.newest else [])):
        done = subprocess.run([tools.promtool, "check", "web-config", files / name], capture_output=True, text=True)
        if done.returncode or whole.count("rate_limit:\n  interval:") != 1:
            pytest.fail(f"promtool does not take {name}: {done.stdout}{done.stderr}")


@pytest.fixture
def spans():
    """A server for spans by OTLP over HTTP: its URL, and what arrives."""
    arrived = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            arrived.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", arrived
        server.shutdown()


def test_password(files, start, tools, spans):
    """A scrape with the password arrives, one without does not; health checks need none."""
    traces, arrived = spans
    running = start.hostnorm(
        "--interval=100ms",
        "--log.level=trace",
        f"--otlp.endpoint={traces}",
        "--otlp.schedule-delay=200ms",
        f"--web.config.file={files}/web-config.yml",
        context=trusting(files),
    )
    login = {"username": "prometheus", "password": PASSWORD}
    server = start.prometheus([scrape(files, running, basic_auth=login)])
    seconds = until("a scrape over TLS with a password", 60, lambda: instant(server, "up == 1"))
    note(f"scraped over TLS with a password after {seconds:.1f} s")
    until("raw metrics", 30, lambda: instant(server, "hostnorm_web_config_last_reload_successful == 1"))
    for headers, expected in (({}, 401), (basic("wrong" + PASSWORD), 401), (basic(PASSWORD), 200)):
        status, answered, text = fetch(f"{running.url}/metrics", context=running.context, headers=headers)
        if status != expected or (status == 401) != ("WWW-Authenticate" in answered):
            pytest.fail(f"{headers} gives {status}: {text[:200]}")
        if PASSWORD in text or "$2b" in text:
            pytest.fail("a page shows a secret")
    health = [tools.hostnorm, "health", f"--web.listen-address={running.url.removeprefix('https://')}"]
    done = subprocess.run([*health, f"--web.config.file={files}/web-config.yml"], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"hostnorm health: {done.stdout}{done.stderr}")
    over_http2(running, files)
    served = lambda: sum(it.count(b"GET /metrics") for it in list(arrived))
    # The three requests from above and at least one scrape.
    until("spans of the requests", 30, lambda: served() >= 4)
    no_secret(start, running, (files / "web-config.yml").read_text(), b"".join(arrived))


def over_http2(running, files):
    """A request by HTTP/2, whose library writes lines of the level trace; urllib speaks HTTP/1 only."""
    login = files / "login"
    login.write_text(f'user = "prometheus:{PASSWORD}"\n')
    command = ["curl", "-sS", "--http2", "--config", login, "--cacert", files / "ca.crt", "-o", "/dev/null", "-w", "%{http_version} %{http_code}"]
    done = subprocess.run([*command, f"{running.url}/metrics"], capture_output=True, text=True, timeout=30)
    assert done.stdout == "2 200", done


def answers(running):
    """Each page, answer and tool, with the password and without: its path, and its headers and text."""
    document = fetch(f"{running.url}/api/v1/openapi.json", context=running.context, headers=basic(PASSWORD))[2]
    paths = [re.sub(r"\{\w+\}", "x", it) for it, methods in json.loads(document)["paths"].items() if "get" in methods]
    for path in [*paths, "/", "/episodes/x", "/page.js", "/metrics", "/nope", "/api/v1/predict?metric=cpu"]:
        for headers in ({}, basic(PASSWORD)):
            _, answered, text = fetch(f"{running.url}{path}", context=running.context, headers=headers)
            yield path, f"{answered}{text}"
    for tool in ("explain", "status", "episodes", "signals", "forecast"):
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
        headers = {**basic(PASSWORD), "Content-Type": "application/json"}
        request = urllib.request.Request(f"{running.url}/mcp", json.dumps(call).encode(), headers)
        with urllib.request.urlopen(request, timeout=10, context=running.context) as answer:
            yield f"/mcp {tool}", f"{answer.headers}{answer.read().decode()}"
    request = urllib.request.Request(f"{running.url}/events", headers=basic(PASSWORD))
    with urllib.request.urlopen(request, timeout=10, context=running.context) as answer:
        lines = [answer.readline().decode() for _ in range(20)]
        assert any(it.startswith("data: {") for it in lines), lines
        yield "/events", f"{answer.headers}{''.join(lines)}"


def no_secret(start, running, config, spans):
    """Neither the password, nor its encoding, nor its hash, nor the key is in an answer, in a log of any level or in a span."""
    secrets = [PASSWORD, basic(PASSWORD)["Authorization"].split()[1], re.search(r"\$2b\$12\$\S+", config)[0], "PRIVATE KEY"]
    seen = list(answers(running))
    if found := {path for path, text in seen for it in secrets if it in text}:
        pytest.fail(f"answers show a secret: {found}")
    note(f"{len(seen)} answers show no secret")
    said = start.said(1 << 30)
    # Prometheus writes into the same log.
    if found := [it for it in secrets if it in said]:
        pytest.fail(f"the log shows {found}")
    assert has_level(said, "trace"), said[-2000:]
    if found := [it for it in secrets if it.encode() in spans]:
        pytest.fail(f"a span shows {found}")


def test_tls_versions(files, start):
    """A client that speaks only a version outside the limits of the file is refused, others are served."""
    first, last = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    for limits, served in [("", (True, True)), (", min_version: TLS13", (False, True)), (", max_version: TLS12", (True, False))]:
        (files / "web.yml").write_text(f"tls_server_config: {{cert_file: hostnorm.crt, key_file: hostnorm.key{limits}}}\n")
        running = start.hostnorm(f"--web.config.file={files}/web.yml", context=trusting(files))
        for version, expected in zip((first, last), served):
            context = trusting(files)
            context.minimum_version = context.maximum_version = version
            try:
                found = fetch(f"{running.url}/-/healthy", context=context)[0] == 200
            except urllib.error.URLError as error:
                assert "VERSION" in str(error.reason).upper(), error.reason
                found = False
            assert found == expected, f"{limits or 'no limits'}: {version.name}"


def test_client_certificate(files, start, tools):
    """A scrape with a certificate arrives; others are refused, and the health check goes by the socket."""
    (files / "mutual.yml").write_text(
        "tls_server_config: {cert_file: hostnorm.crt, key_file: hostnorm.key, client_ca_file: ca.crt,\n"
        "  client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [localhost]}\n"
    )
    context = trusting(files)
    context.load_cert_chain(files / "prometheus.crt", files / "prometheus.key")
    options = [f"--web.config.file={files}/mutual.yml", f"--web.control-socket={files}/control.sock"]
    running = start.hostnorm("--interval=100ms", *options, context=context)
    own = {"cert_file": f"{files}/prometheus.crt", "key_file": f"{files}/prometheus.key"}
    with_it = scrape(files, running, tls=own)
    server = start.prometheus([with_it, {**scrape(files, running), "job_name": "without"}])
    until("a scrape with a certificate", 60, lambda: instant(server, 'up{job="hostnorm"} == 1'))
    until("a refusal without", 60, lambda: instant(server, 'up{job="without"} == 0'))
    errors = [it["lastError"] for it in ask(server, "targets")["activeTargets"] if it["labels"]["job"] == "without"]
    # Go's client may notice that the connection is closed before it has read the alert.
    if not re.search(r"certificate required|bad certificate|broken pipe|reset by peer|could not be established", errors[0]):
        pytest.fail(f"Prometheus is told {errors}")
    note(f"without a certificate Prometheus says: {errors[0]}")
    health = subprocess.run([tools.hostnorm, "health", "--storage.path=off", *options], capture_output=True, text=True)
    if health.returncode or "control.sock" not in health.stdout:
        pytest.fail(f"hostnorm health: {health.stdout}{health.stderr}")


def test_rotation(files, start):
    """A renewed certificate is served without a restart, and scrapes go on."""
    running = start.hostnorm("--interval=100ms", f"--web.config.file={files}/web-config.yml", context=trusting(files))
    port = int(running.url.rsplit(":", 1)[1])

    def served():
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with running.context.wrap_socket(plain, server_hostname="localhost") as it:
                return it.getpeercert(binary_form=True)

    before = served()
    signed(files, "ca", "renewed")
    (files / "renewed.key").rename(files / "hostnorm.key")
    (files / "renewed.crt").rename(files / "hostnorm.crt")
    note(f"served after {until('the renewed certificate', 20, lambda: served() != before):.1f} s")
    (files / "web-config.yml").write_text("tls_server_config: {cert_path: a}\n")
    login = basic(PASSWORD)

    def metric():
        text = fetch(f"{running.url}/metrics", context=running.context, headers=login)[2]
        return re.search(r"^hostnorm_web_config_last_reload_successful (\d)$", text, re.M)[1]

    until("the metric of a broken file", 20, lambda: metric() == "0")
    says = lambda: "unknown field `cert_path`" in start.said() and "web-config.yml:1" in start.said()
    until("the log says what is wrong", 10, says)


def typed(command, *lines):
    """What a terminal shows while these lines are typed at the prompts of a program, and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    shown = b""

    def read(up_to):
        nonlocal shown
        with contextlib.suppress(OSError):  # EIO is the end of the program
            while not shown.endswith(up_to) and (found := os.read(terminal, 1024)):
                shown += found

    for line in lines:
        read(b"assword: ")
        until("the echo is off", 10, lambda: not termios.tcgetattr(terminal)[3] & termios.ECHO, pause=0.01)
        os.write(terminal, line.encode() + b"\n")
        shown += b"|"
    read(b"never")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return shown.decode(), code


def test_hash_password_asks_twice_without_echo(tools):
    command = [tools.hostnorm, "hash-password"]
    shown, code = typed(command, PASSWORD, PASSWORD)
    assert code == 0 and shown.count("assword: ") == 2 and PASSWORD not in shown, shown
    assert re.search(r"\$2b\$12\$[./A-Za-z0-9]{53}\r?\n", shown), shown
    shown, code = typed(command, PASSWORD, PASSWORD + "x")
    assert code == 1 and "the two passwords differ" in shown and "$2b" not in shown and PASSWORD not in shown, shown


def test_mistakes_at_the_start(files, tools):
    """A file that cannot be used ends the start with file, line and key, and no secret."""
    for text, expected in [
        ("tls_server_config:\n  cert_path: a\n", r"web\.yml:2: .*unknown field `cert_path`"),
        (f"basic_auth_users:\n  prometheus: {PASSWORD}\n", r"web\.yml:2: basic_auth_users.*hostnorm hash-password"),
        ("tls_server_config: {cert_file: hostnorm.crt, key_file: prometheus.key}\n", r"do not fit together"),
    ]:
        (files / "web.yml").write_text(text)
        command = [tools.hostnorm, "--web.listen-address=127.0.0.1:0", "--storage.path=off", f"--web.config.file={files}/web.yml"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        said = done.stdout + done.stderr
        if done.returncode != 64 or not re.search(expected, said) or PASSWORD in said:
            pytest.fail(f"{json.dumps(text)} ends with {done.returncode}: {said}")
