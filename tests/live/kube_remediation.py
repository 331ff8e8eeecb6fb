"""hostnorm remediate against a real API server, with the account and role that the chart gives it."""

import base64
import json
import pathlib
import tempfile
import urllib.request

import pytest
import yaml
from chart import CHART, KUBERNETES, documents
from program import Running, fetch, free_port, until, value

NAMESPACE = "monitoring"
STARTS_AT = "2099-01-02T03:04:05Z"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web-0", "namespace": "open"},
    "spec": {"automountServiceAccountToken": False, "containers": [{"name": "web", "image": "example.com/web"}]},
}


def remediation(it, hostnorm):
    """Dry runs change nothing; real runs cordon the node and delete the pod, and tell it by events."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        it.kubectl("create", "-f", "-", text=json.dumps(POD))
        connection = account(it, folder)
        run(it, hostnorm, folder / "dry", connection, dry_run=True)
        if node(it).get("unschedulable") or not pod(it) or events(it):
            pytest.fail("a dry run changed something")
        run(it, hostnorm, folder / "real", connection, dry_run=False)
        if not node(it).get("unschedulable") or pod(it) or events(it) != ["HostnormCordon", "HostnormDeletePod"]:
            pytest.fail(f"not done: {node(it)}, {pod(it)}, {events(it)}")
        it.kubectl("uncordon", "node-1")


def account(it, folder):
    """The token of the chart's account, which has the chart's role."""
    actions = [{"kubernetes": {"cordon_node": True}}, {"kubernetes": {"delete_pod": True}}]
    values = folder / "values.yaml"
    values.write_text(yaml.safe_dump({"remediate": {"enabled": True, "config": {"rules": [{"name": "a", "actions": actions}]}}}))
    made = documents(it.helm("template", "remedy", CHART, "-n", NAMESPACE, "-f", values, "--kube-version", KUBERNETES))
    kinds = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")
    own = [each for each in made if each["kind"] in kinds and each["metadata"]["name"].endswith("-remediate")]
    it.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": own}))
    name = own[0]["metadata"]["name"]
    (folder / "token").write_text(it.kubectl("-n", NAMESPACE, "create", "token", name))
    config = json.loads(it.kubectl("config", "view", "--raw", "-o", "json"))["clusters"][0]["cluster"]
    if "certificate-authority-data" in config:
        (folder / "ca").write_bytes(base64.b64decode(config["certificate-authority-data"]))
    else:
        (folder / "ca").write_bytes(pathlib.Path(config["certificate-authority"]).read_bytes())
    secrets = {"token_file": str(folder / "token"), "ca_file": str(folder / "ca")}
    return {"api_url": config["server"], "connection": secrets}


def run(it, hostnorm, folder, connection, dry_run):
    folder.mkdir()
    more = {"dry_run": dry_run, **connection}
    actions = [{"kubernetes": {"cordon_node": True, **more}}, {"kubernetes": {"delete_pod": True, **more}}]
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump({"rules": [{"name": "cluster", "actions": actions}]}))
    port = free_port()
    command = [
        hostnorm,
        "remediate",
        f"--config.file={rules}",
        f"--storage.path={folder / 'outbox'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--kubernetes.allow-cordon",
        "--kubernetes.allow-delete-pod",
    ]
    log = folder / "log"
    with Running([str(each) for each in command], port, log.open("wb")) as running:
        running.ready()
        labels = {"alertname": "HostAnomalous", "node": "node-1", "namespace": "open", "pod": "web-0"}
        alert = {"status": "firing", "labels": labels, "annotations": {"description": "memory used 91 %"}, "startsAt": STARTS_AT, "fingerprint": "c0ffee"}
        body = json.dumps({"version": "4", "alerts": [alert]}).encode()
        urllib.request.urlopen(f"{running.url}/api/v1/alerts", body, timeout=30).close()
        count = lambda: value(fetch(f"{running.url}/metrics")[2], "hostnorm_remediate_actions_sent_total", action="kubernetes")
        until(f"both are done, dry run {dry_run}", 60, lambda: count() == 2)
    if "was not written" in log.read_text() or "failed" in log.read_text():
        pytest.fail(log.read_text())


def node(it):
    return json.loads(it.kubectl("get", "node", "node-1", "-o", "json"))["spec"]


def pod(it):
    return it.kubectl("-n", "open", "get", "pod", "web-0", "--ignore-not-found", "-o", "name").strip()


def events(it):
    found = json.loads(it.kubectl("get", "events", "-A", "-o", "json"))["items"]
    return sorted(each["reason"] for each in found if each["reason"].startswith("Hostnorm"))
