"""The API against its own OpenAPI document: schemathesis sends valid and invalid requests for each route, commands included,
over the control socket, and over TCP to servers that refuse: for want of a login, of commands over TCP, or by a rate limit.

No answer may have a status or a body that is not documented; of 5xx, only a 503 for a documented reason is allowed.
"""

import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading

import pytest
from program import fetch, note, until, value

SETTINGS = ["--interval=100ms", "--window=5", "--warmup=3s", "--storage.commit-interval=1s", "--web.enable-lifecycle"]
DOCUMENT = pathlib.Path(__file__).parents[2] / "docs/openapi.json"
# not_a_server_error knows no documented 503; a 500 fails status_code_conformance.
CHECKS = [
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
]


# The reasons for 503 that docs/api.md lists and this test can cause: it reloads the settings, which restarts the loop.
UNAVAILABLE = re.compile(
    r"no reading yet|another reload has not ended|the sampling loop ended before it replied|the sampling loop has ended"
    r"|too many requests read the store|too many jobs are waiting"
)


def unavailable(answers):
    """The details of all answers with 503."""
    return set(re.findall(rb'"detail":"((?:[^"\\\\]|\\\\.)*)","status":503', bytes(answers)))


@contextlib.contextmanager
def forwarded(connect, answers):
    """A port of loopback whose connections lead to those that `connect` makes. Keeps the answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def copy(source, target, also):
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    also.extend(data)
                    target.sendall(data)
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    other = connect()
                    for pair in ((client, other, bytearray()), (other, client, found := bytearray())):
                        threading.Thread(target=copy, args=pair, daemon=True).start()
                    answers.append(found)

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def schemathesis(url, document, folder, seconds, checks, *options):
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    command = [program, "run", document, "--url", url, f"--max-time={seconds}", f"--checks={','.join(checks)}", *options]
    command += ["--continue-on-failure", "--warnings=off", "--request-timeout=60"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + 120, cwd=folder, env={**os.environ, "NO_COLOR": "1"}
    )
    if done.returncode:
        pytest.fail(f"schemathesis:\n{done.stdout[-20000:]}{done.stderr[-2000:]}")
    return done


LOGIN = ("alice", "pAsSwOrD-2743")
# One request, which the test sends itself.
RATE_LIMIT = "rate_limit: {interval: 1h, burst: 1}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limits", "login", "expected"),
    [("", False, 401), ("", True, 403), (RATE_LIMIT, True, 429)],
    ids=["no-login", "no-commands", "rate-limit"],
)
def test_refusals_are_documented(tools, start, folder, limits, login, expected):
    """What a server answers over TCP to clients that may not do everything is in the document, too."""
    name, password = LOGIN
    hashed = subprocess.run([tools.hostnorm, "hash-password"], input=password + "\n", capture_output=True, text=True, check=True)
    config = pathlib.Path(folder) / "web.yml"
    config.write_text(f"basic_auth_users: {{{name}: '{hashed.stdout.strip()}'}}\n{limits}")
    program = start.hostnorm("--interval=100ms", f"--storage.path={folder}", f"--web.config.file={config}")
    port = int(program.url.rsplit(":", 1)[1])
    assert fetch(f"{program.url}/metrics")[0] == 401
    answers = []
    with forwarded(lambda: socket.create_connection(("127.0.0.1", port)), answers) as url:
        options = [f"--auth={name}:{password}"] if login else []
        schemathesis(url, DOCUMENT, folder, 30, CHECKS[:4], *options, "--phases=fuzzing", "--max-examples=4")
    found = {int(it) for answer in answers for it in re.findall(rb"^HTTP/1.1 (\d+)", bytes(answer), re.M)}
    note(f"statuses {sorted(found)}")
    assert expected in found, found


@pytest.mark.slow
def test_api_schema(tools, start, folder):
    program = start.hostnorm(f"--storage.path={folder}", *SETTINGS)
    until("the first score", 60, lambda: value(fetch(f"{program.url}/metrics")[2], "anomaly_score") is not None)

    # schemathesis knows no Unix sockets.
    def connect():
        it = socket.socket(socket.AF_UNIX)
        it.connect(f"{folder}/hostnorm.sock")
        return it

    answers = []
    with forwarded(connect, answers) as url:
        done = schemathesis(url, f"{url}/api/v1/openapi.json", folder, tools.schema_seconds, CHECKS)
    reasons = {it.decode() for answer in answers for it in unavailable(answer)}
    note(f"503: {', '.join(sorted(reasons)) or 'none'}")
    assert not [it for it in reasons if not UNAVAILABLE.search(it)], reasons
    note(" ".join(done.stdout.split("SUMMARY")[-1].split())[:400])
    assert program.process.poll() is None
