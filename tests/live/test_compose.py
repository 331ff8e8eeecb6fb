"""deploy/compose.yaml: valid for Compose's own client, without a password of its own, and its configurations work together.

No containers run here: hostnorm, Prometheus and Alertmanager are started as processes, each with the files, arguments and
variables that its container would have; names of containers become ports of this machine.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
import yaml

from test_dashboard_types import VERSIONS
from program import Running, fetch, free_port, note, until

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "deploy/compose.yaml"


def client():
    """Docker's plugin where it is there, else the program that was before it, which knows less."""
    try:
        if subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=20).returncode == 0:
            return ["docker", "compose"]
    except OSError:
        pass
    return ["docker-compose"]


def config(password):
    env = {name: value for name, value in os.environ.items() if name != "GRAFANA_ADMIN_PASSWORD"}
    if password:
        env["GRAFANA_ADMIN_PASSWORD"] = password
    return subprocess.run([*client(), "-f", FILE, "config"], env=env, capture_output=True, text=True, timeout=60)


def checked():
    refused = config(None)
    if refused.returncode == 0 or "GRAFANA_ADMIN_PASSWORD" not in refused.stderr:
        pytest.fail(f"it goes on without a password for Grafana: {refused.stdout}{refused.stderr}")
    done = config("from-the-environment")
    if done.returncode:
        pytest.fail(f"{client()} refuses {FILE}: {done.stderr}")
    services = yaml.safe_load(done.stdout)["services"]
    if set(services) != {"hostnorm", "prometheus", "alertmanager", "grafana"}:
        pytest.fail(f"services: {sorted(services)}")
    if services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"] != "from-the-environment":
        pytest.fail("Grafana does not get the password that was asked for")
    note(f"{' '.join(client())} config: valid; without a password: {refused.stderr.strip().splitlines()[-1][-120:]}")
    return services


def root(service, ports, folder):
    """What the container would see, as (root directory, where its volumes are), with addresses of this machine in it."""
    volumes = {}
    for it in service["volumes"]:
        if isinstance(it, dict):
            source, target = it["source"], it["target"]
        else:
            source, target = it.split(":")[:2]
        place = folder / target.strip("/")
        if not source.startswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        elif source in ("/", "/proc", "/sys"):
            place = pathlib.Path(source)
        elif not os.path.exists(source):
            pytest.fail(f"compose.yaml mounts {source}, which is not there")
        elif os.path.isdir(source):
            shutil.copytree(source, place, dirs_exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            text = pathlib.Path(source).read_text()
            place.write_text(re.sub(rf"\b({'|'.join(ports)}):\d+", lambda it: f"127.0.0.1:{ports[it[1]]}", text))
        volumes[target] = place
    return volumes


def here(text, volumes):
    """An argument or a variable with the places that its paths have here."""
    for target in sorted(volumes, key=len, reverse=True):
        if text.endswith(target) or f"{target}/" in text:
            return text.replace(target, str(volumes[target]), 1)
    return text


def newest():
    """The newest versions that ./check --newest tests, and the newest Grafana that the dashboards are checked by."""
    pinned = (ROOT / "tools/tools.sh").read_text()
    of = lambda name: re.search(rf"^{name}=v([0-9.]+)", pinned, re.M)[1]
    # The module of Prometheus 3.15.0 is v0.315.0.
    _, minor, patch = of("PROMETHEUS").split(".")
    prometheus = f"{int(minor) // 100}.{int(minor) % 100}.{patch}"
    return {"prometheus": prometheus, "alertmanager": of("ALERTMANAGER"), "grafana": VERSIONS[-1]}


def test_versions():
    """Images are of the newest versions that are tested."""
    expected = {name: version if name == "grafana" else f"v{version}" for name, version in newest().items()}
    for file in (FILE, FILE.parent / "compose-logs.yaml"):
        found = dict(re.findall(r"docker\.io/(?:prom|grafana)/(\w+):([\w.]+)\}", file.read_text()))
        # Loki is not tested here: it is under the AGPL and not built.
        found.pop("loki", None)
        if found != expected:
            pytest.fail(f"{file.name} has {found}, tested are {expected}")


def test_requirements():
    """docs/requirements.md names the versions that are tested."""
    file = lambda path: (ROOT / path).read_text()
    minor = lambda version: ".".join(version.split(".")[:2])
    number = lambda pattern, path: minor(re.search(pattern, file(path))[1])
    table = file("docs/requirements.md").split("## Other software")[1]
    found = {name: [oldest, tested] for name, oldest, tested in re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|", table, re.M)}
    oldest_kubernetes = number(r"kubeVersion: '>=([\d.]+)", "helm/hostnorm/Chart.yaml")
    expected = {
        "Prometheus": ["2.42", minor(newest()["prometheus"])],
        "Alertmanager": ["0.25", minor(newest()["alertmanager"])],
        "Grafana": [minor(VERSIONS[0]), minor(VERSIONS[-1])],
        "Kubernetes": [oldest_kubernetes, number(r"kubernetes-validate==([\d.]+)", "check")],
        "Helm": [number(r"HELM=v([\d.]+)", "tools/tools.sh"), "4.2"],
    }
    for name, versions in expected.items():
        if found.get(name) != versions:
            pytest.fail(f"docs/requirements.md says {found.get(name)} of {name}, tested are {versions}")
    operator = found["Prometheus operator"][1]
    if operator != number(r"KUBE_PROMOP_VERSION=([\d.]+)", "tools/kube.sh"):
        pytest.fail(f"docs/requirements.md says {operator} of the Prometheus operator")


@pytest.mark.newest(reason="Prometheus 3 dropped flags of Prometheus 2")
def test_compose(tools):
    services = checked()
    ports = {name: free_port() for name in services}
    with tempfile.TemporaryDirectory() as name, open(f"{name}/log", "w+") as log:
        folders = {it: pathlib.Path(name, it) for it in services}
        volumes = {it: root(services[it], ports, folders[it]) for it in services}
        provisioned = folders["grafana"] / "var/lib/grafana/dashboards/hostnorm"
        provider = yaml.safe_load((folders["grafana"] / "etc/grafana/provisioning/dashboards/hostnorm.yaml").read_text())
        if provider["providers"][0]["options"]["path"] != "/" + str(provisioned.relative_to(folders["grafana"])):
            pytest.fail("Grafana looks for the dashboards elsewhere than where they are mounted")
        source = yaml.safe_load((folders["grafana"] / "etc/grafana/provisioning/datasources/prometheus.yaml").read_text())
        uses = set(re.findall(r'"uid": "(prometheus|\$\{datasource\})"', (provisioned / "host.json").read_text()))
        if source["datasources"][0]["url"] != f"http://127.0.0.1:{ports['prometheus']}" or not uses:
            pytest.fail("Grafana's data source is not the Prometheus beside it")

        def command(service, program):
            words = [here(it, volumes[service]) for it in services[service].get("command", [])]
            return [program, *words, f"--web.listen-address=127.0.0.1:{ports[service]}"]

        variables = [f"{key}={here(it, volumes['hostnorm'])}" for key, it in services["hostnorm"]["environment"].items()]
        subprocess.run([tools.amtool, "check-config", volumes["alertmanager"]["/etc/alertmanager/alertmanager.yml"]], check=True)
        url = {it: f"http://127.0.0.1:{port}" for it, port in ports.items()}

        def asked(path, of="prometheus"):
            return json.loads(fetch(f"{url[of]}{path}")[2])

        with (
            Running(["env", "-i", *variables, *command("hostnorm", tools.hostnorm)], ports["hostnorm"], log),
            Running(command("alertmanager", tools.alertmanager), ports["alertmanager"], log) as alertmanager,
            Running(command("prometheus", tools.prometheus), ports["prometheus"], log) as prometheus,
        ):
            alertmanager.ready()
            prometheus.ready()
            targets = lambda: [it["health"] for it in asked("/api/v1/targets")["data"]["activeTargets"]]
            seconds = until("Prometheus scrapes hostnorm", 60, lambda: targets() == ["up"])
            memory = lambda: asked("/api/v1/query?query=hostnorm_memory_size_bytes")["data"]["result"]
            until("a reading of hostnorm in Prometheus", 30, memory)
            rules = sum(len(it["rules"]) for it in asked("/api/v1/rules")["data"]["groups"])
            if not rules:
                pytest.fail("no rules are loaded")
            active = lambda: [it["url"] for it in asked("/api/v1/alertmanagers")["data"]["activeAlertmanagers"]]
            until("Alertmanager is found", 30, lambda: active() == [f"{url['alertmanager']}/api/v2/alerts"])
        note(f"scraped {seconds:.1f} s after the start, {rules} rules, Alertmanager found, dashboards where Grafana looks for them")
