"""The chart against a real API server: each file of values strictly, a release's life, and who is admitted where."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

import pytest
import helm_python
import yaml
from chart import CHART, KUBERNETES, OPENSHIFT, RESTRICTED, ROOT, ci, documents
from kube_remediation import remediation
from program import note, until

# What a node of Linux says of itself, and one that is none.
NODES = {
    "node-1": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
    "virtual": {"kubernetes.io/os": "linux", "type": "virtual-kubelet"},
    "windows": {"kubernetes.io/os": "windows"},
}
ENFORCE = "pod-security.kubernetes.io/enforce"
SELECT = "app.kubernetes.io/instance="
# Objects that a chart of hostnorm makes, in a namespace.
KINDS = "daemonset,service,configmap,serviceaccount,networkpolicy,servicemonitor,podmonitor,prometheusrule,alertmanagerconfig"


class Cluster:
    """A cluster of an API server, a store and controllers: pods are made and admitted, but never run."""

    def __init__(self, helm, folder):
        self.helm_binary, self.folder = helm, folder
        self.bin = pathlib.Path(helm).parent
        own = {"KUBECONFIG": f"{folder}/kubeconfig", "HELM_CACHE_HOME": folder, "HOME": folder, "TOOLS_DIR": str(self.bin)}
        self.env = {**os.environ, **own}

    def shell(self, line):
        subprocess.run(["bash", "-euc", f". {ROOT}/tools/kube.sh; {line}"], env=self.env, check=True)

    def kubectl(self, *options, text=None, fails=False):
        return self.run([self.bin / "kubectl", *options], text, fails)

    def helm(self, *options, fails=False):
        return self.run([self.helm_binary, *options], None, fails)

    def run(self, command, text, fails):
        done = subprocess.run([str(it) for it in command], input=text, capture_output=True, text=True, env=self.env)
        if (done.returncode != 0) != fails:
            pytest.fail(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-6000:]}")
        return done.stdout + done.stderr

    def get(self, namespace, kinds, release=None):
        select = [f"-l{SELECT}{release}"] if release else []
        return json.loads(self.kubectl("-n", namespace, "get", kinds, "-o", "json", *select))["items"]

    def one(self, namespace, kind, name):
        return json.loads(self.kubectl("-n", namespace, "get", kind, name, "-o", "json"))


# Ends the servers when the check was killed before it could.
WATCH = "while kill -0 $1 2>/dev/null; do sleep 1; done; . tools/kube.sh; kube_down $2"


@contextlib.contextmanager
def cluster(helm):
    with tempfile.TemporaryDirectory(prefix="hostnorm-kube.") as folder:
        it = Cluster(helm, f"{folder}/cluster")
        watch = ["bash", "-c", WATCH, "watch", str(os.getpid()), it.folder]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        watching = subprocess.Popen(watch, cwd=ROOT, env=it.env, **quiet)
        try:
            it.shell(f"kube_up {it.folder}")
            yield it
        finally:
            it.shell(f"kube_down {it.folder}")
            watching.kill()
            watching.wait()


@pytest.fixture(scope="module")
def it(tools):
    # Who ends the test ends the servers too.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("ended"))
    for name in ("etcd", "kube_apiserver", "kube_controller_manager", "kubectl"):
        getattr(tools, name)
    with cluster(tools.helm) as it:
        it.kubectl("create", "-f", "-", text="\n---\n".join(node(*each) for each in NODES.items()))
        it.shell('"$(_kube_tools)/kubectl" apply --server-side -f "$(kube_crds)" -f "$(kube_vpa_crds)" >"$HOME/crds"')
        for name in ("open", "closed", "monitoring", "life3", "life4"):
            it.kubectl("create", "namespace", name)
        it.kubectl("label", "namespace", "closed", f"{ENFORCE}=restricted")
        it.kubectl("label", "namespace", "open", f"{ENFORCE}=privileged")
        yield it


@pytest.mark.newest(only=True, reason="needs an API server, which Debian does not have")
def test_remediation(it, tools):
    remediation(it, tools.hostnorm)
    note(f"hostnorm remediate with the chart's role, dry and real, by an API server {KUBERNETES}")


@pytest.mark.newest(only=True, reason="needs an API server, which Debian does not have")
def test_kube(it):
    # Side by side, because each waits for the server most of its time.
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(strictly, it, name, path) for name, path in ci().items()]
        waiting += [pool.submit(life, it, name, of(it, name)) for name, of in (("life3", Life3), ("life4", Life4))]
        waiting += [pool.submit(each, it) for each in (admission, mistake)]
        for each in waiting:
            each.result()
    note(f"{len(ci())} files of values strictly, install, upgrade, rollback, uninstall by Helm 3 and 4, admission by an API server {KUBERNETES}")


def node(name, labels):
    return json.dumps({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})


def strictly(it, name, path):
    """The server takes all that is rendered, without a warning and with no unknown field, and where it may, under restricted."""
    namespace = "closed" if path in (RESTRICTED, OPENSHIFT) else "open"
    known = ["--kube-version", KUBERNETES, "--api-versions", "autoscaling.k8s.io/v1"]
    made = documents(it.helm("template", f"dry-{name}"[:40], CHART, "-n", namespace, "-f", path, *known))
    for each in made:
        # As Helm does it. kubectl takes no -n where some objects are elsewhere.
        if not each["kind"].startswith("Cluster"):
            each["metadata"].setdefault("namespace", namespace)
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    said = it.kubectl("apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-", text=text)
    if said.count("(server dry run)") != len(made):
        pytest.fail(f"{name}: {len(made)} objects, the server says\n{said}")


class Life3:
    """Releases by the program `helm`."""

    def __init__(self, it, namespace):
        self.it, self.namespace = it, namespace

    def run(self, *options, values=None):
        given = ["-f", "-"] if values else []
        self.it.run([self.it.helm_binary, *options, "-n", self.namespace, *given], values and json.dumps(values), False)

    def install(self):
        self.run("install", "watch", CHART)

    def upgrade(self, values):
        self.run("upgrade", "watch", CHART, values=values)

    def rollback(self):
        self.run("rollback", "watch", "1")

    def uninstall(self):
        self.run("uninstall", "watch")


class Life4:
    """Releases by Helm 4, which applies on the server."""

    def __init__(self, it, namespace):
        self.config = helm_python.Config(kubeconfig_path=it.env["KUBECONFIG"], namespace=namespace)

    def install(self):
        self.config.install(str(CHART), "watch")

    def upgrade(self, values):
        self.config.upgrade(str(CHART), "watch", values)

    def rollback(self):
        self.config.rollback("watch", version=1)

    def uninstall(self):
        self.config.uninstall("watch")


def life(it, namespace, by):
    """A release is installed, changed, changed back and removed."""

    def template():
        return it.one(namespace, "daemonset", "watch-hostnorm")["spec"]["template"]

    def kinds():
        return {each["kind"] for each in it.get(namespace, KINDS, "watch")}

    values = {"config": {"threshold": 7}, "networkPolicy": {"enabled": True}}
    for name in ("otlp", "monitoring", "store-host"):
        values.update(yaml.safe_load((CHART / f"ci/{name}-values.yaml").read_text()))
    by.install()
    first = template()
    by.upgrade(values)
    second = template()
    settings = it.one(namespace, "configmap", "watch-hostnorm")["data"]["hostnorm.yaml"]
    if "threshold: 7" not in settings or not {"ServiceMonitor", "PrometheusRule", "NetworkPolicy"} <= kinds():
        pytest.fail(f"after an upgrade there are {kinds()} and\n{settings}")
    if first["metadata"]["annotations"]["checksum/config"] == second["metadata"]["annotations"]["checksum/config"]:
        pytest.fail("other settings do not replace pods")
    by.rollback()
    if template() != first or {"ServiceMonitor", "NetworkPolicy"} & kinds():
        pytest.fail(f"a rollback does not lead back: {template()}")
    by.uninstall()
    until("nothing is left", 30, lambda: not it.get(namespace, f"{KINDS},pod", "watch"))


def admission(it):
    """Where everything is allowed each node of Linux gets a pod; under restricted only the values for it do."""

    def pods(namespace, release):
        return [each["spec"] for each in it.get(namespace, "pod", release)]

    it.helm("install", "open", CHART, "-n", "open")
    it.helm("install", "without", CHART, "-n", "closed", "-f", RESTRICTED)
    it.helm("install", "with", CHART, "-n", "closed")
    for namespace, release in (("open", "open"), ("closed", "without")):
        until(f"there are pods of {release}", 60, lambda: pods(namespace, release))
        target = [json.dumps(each["affinity"]["nodeAffinity"]) for each in pods(namespace, release)]
        if len(target) != 1 or "node-1" not in target[0]:
            pytest.fail(f"{release}: pods on {target}, expected one on node-1")
    # What the server itself sets in a pod that asks nothing of the host.
    spec = pods("open", "open")[0]
    if any(spec.get(each) for each in ("hostNetwork", "hostPID", "hostIPC")) or spec["automountServiceAccountToken"]:
        pytest.fail(f"a pod has more than it needs: {spec}")

    def refused():
        failed = [each for each in it.get("closed", "events") if each["reason"] == "FailedCreate"]
        return [each["message"] for each in failed if each["involvedObject"]["name"] == "with-hostnorm"]

    until("the defaults are refused under restricted", 60, refused)
    message = refused()[0]
    # Nothing else is wrong with it: directories of the node, and the container that gives the store to hostnorm's user.
    reasons = message.partition('violates PodSecurity "restricted:latest": ')[2]
    of_chown = re.sub(r'(, )?[^,(]+ \(container "own-the-store" [^)]*\)', "", reasons).lstrip(", ")
    if of_chown != 'restricted volume types (volumes "store", "proc", "sys", "root" use restricted volume type "hostPath")':
        pytest.fail(f"refused for another reason: {message}")
    if pods("closed", "with"):
        pytest.fail("a pod with directories of the host was admitted under restricted")


def mistake(it):
    """A key that does not exist is an error, and nothing is installed."""
    said = it.helm("install", "wrong", CHART, "-n", "open", "--set", "config.limt=6", fails=True)
    if "additional properties 'limt' not allowed" not in said or it.get("open", KINDS, "wrong"):
        pytest.fail(f"a key that does not exist: {said}")
