"""deploy/compose-logs.yaml: valid, and its parts work together.

No containers run here: the shop, hostnorm and Alertmanager's configuration are tried as processes, with the files, arguments
and variables of their containers. Loki cannot be run here; a loopback server takes what the shop pushes, and returns it
after the documentation of Loki's API.
"""

import contextlib
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import urllib.parse

import pytest
import yaml

from program import Running, fetch, free_port, note, samples, until
from test_compose import client, here, root

FILE = pathlib.Path(__file__).parents[2] / "deploy/compose-logs.yaml"


class InPlaceOfLoki(http.server.BaseHTTPRequestHandler):
    """Keeps pushed lines; answers `query_range` with those of the range, the oldest first."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path == "/ready":
            return self.answer(200, b"ready\n")
        asked = {name: values[0] for name, values in urllib.parse.parse_qs(query).items()}
        if path != "/loki/api/v1/query_range" or asked["query"] != '{app="shop"}':
            return self.answer(404, b"404 page not found\n")
        found = [it for it in self.server.lines if int(asked["start"]) <= int(it[0]) < int(asked["end"])]
        result = [{"stream": {"app": "shop"}, "values": sorted(found)[: int(asked["limit"])]}]
        self.answer(200, json.dumps({"status": "success", "data": {"resultType": "streams", "result": result}}).encode())

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for stream in body["streams"]:
            assert stream["stream"] == {"app": "shop"}
            self.server.lines += stream["values"]
        self.answer(204, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def in_place_of_loki(port):
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), InPlaceOfLoki) as server:
        server.lines = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def services():
    done = subprocess.run([*client(), "-f", FILE, "config"], capture_output=True, text=True, timeout=60)
    if done.returncode:
        pytest.fail(f"{client()} refuses {FILE}: {done.stderr}")
    found = yaml.safe_load(done.stdout)["services"]
    if set(found) != {"shop", "loki", "hostnorm", "prometheus", "alertmanager", "remediate", "grafana"}:
        pytest.fail(f"services: {sorted(found)}")
    published = [it["published"] if isinstance(it, dict) else it for of in found.values() for it in of.get("ports", [])]
    if any("127.0.0.1" not in str(it) for it in published):
        pytest.fail(f"ports that others than this host reach: {published}")
    return found


def test_compose_logs(tools, start):
    found = services()
    ports = {name: free_port() for name in found}
    with tempfile.TemporaryDirectory() as name:
        volumes = {it: root(of, ports, pathlib.Path(name, it)) for it, of in found.items() if of.get("volumes")}
        subprocess.run([tools.amtool, "check-config", volumes["alertmanager"]["/etc/alertmanager/alertmanager.yml"]], check=True)
        rules = [here(it, volumes["remediate"]) for it in found["remediate"]["command"]]
        subprocess.run([tools.hostnorm, *rules, "--check"], check=True)
        variables = [f"{key}={here(it, volumes['hostnorm'])}" for key, it in found["hostnorm"]["environment"].items()]
        command = ["env", "-i", *variables, tools.hostnorm, f"--web.listen-address=127.0.0.1:{ports['hostnorm']}"]
        shop = [tools.busybox, "sh", str(volumes["shop"]["/shop.sh"])]
        with (
            in_place_of_loki(ports["loki"]) as loki,
            Running(["env", f"LOKI=http://127.0.0.1:{ports['loki']}", *shop], ports["shop"], start.log),
            Running(command, ports["hostnorm"], start.log) as it,
        ):
            pushed = until("the shop pushes lines", 30, lambda: loki.lines)

            def of_shop():
                status, _, text = fetch(f"{it.url}/metrics")
                # Before the first reading the response is a problem, not metrics.
                found = samples(text) if status == 200 else ()
                is_own = lambda name, labels: name.startswith("hostnorm_log_") and labels.get("subject") == "shop"
                return {name: number for name, labels, number in found if is_own(name, labels)}

            read = until("hostnorm reads the shop's lines", 60, lambda: of_shop().get("hostnorm_log_last_line_timestamp_seconds"))
            if of_shop()["hostnorm_log_source_success"] != 1:
                pytest.fail(f"the source failed: {of_shop()}")
        note(f"the shop's first line in Loki's place after {pushed:.1f} s, read by hostnorm {read:.1f} s later")
