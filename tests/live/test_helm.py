"""The Helm chart: rendered, held against Kubernetes' schemas; its rules by promtool, its settings by hostnorm, its sentences."""

import base64
import functools
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import pytest
import jsonschema
import referencing
import yaml
from chart import CHART, NAMESPACE, ROOT, ci, helm, one, pod
from chart_effects import effects
from kubernetes_validate import utils
from program import fetch, free_port, hostnorm, note

# Values that are wrong, and what is said of them.
MISTAKES = [
    ({"imagee": {}}, r"'imagee' not allowed"),
    ({"image": {"tag": 1.1}}, r"/image/tag': got number, want string"),
    ({"config": {"limt": 6}}, r"/config': additional properties 'limt' not allowed"),
    ({"config": {"threshold": "high"}}, r"/config/threshold': got string, want number"),
    ({"config": {"interval": 5}}, r"/config/interval': got number, want string"),
    ({"config": {"interval": "5"}}, r"/config/interval': '5' does not match pattern"),
    ({"config": {"log": {"level": "loud"}}}, r"/config/log/level': value must be one of 'error', 'warn'"),
    ({"config": {"path": {"procfs": "/proc"}}}, r"/config/path': additional properties 'procfs' not allowed"),
    ({"config": {"storage": {"path": "/tmp"}}}, r"/config/storage': additional properties 'path' not allowed"),
    ({"store": {"type": "disk"}}, r"/store/type': value must be one of 'emptyDir', 'hostPath', 'none'"),
    ({"store": {"hostPath": {"path": "var/lib"}}}, r"/store/hostPath/path': 'var/lib' does not match"),
    ({"service": {"port": "19797"}}, r"/service/port': got string, want integer"),
    ({"service": {"port": 70000}}, r"/service/port': maximum: got 70,000, want 65,535"),
    ({"tolerations": {}}, r"/tolerations': got object, want array"),
    ({"otlp": {"protocol": "udp"}}, r"/otlp/protocol': value must be one of 'http/protobuf', 'grpc'"),
    ({"prometheusRule": {"disabled": ["Nothing"]}}, r"/prometheusRule/disabled/0': value must be one of 'FleetAnomalous'"),
    ({"prometheusRule": {"severities": {"Nothing": "info"}}}, r"/prometheusRule/severities': .*'Nothing' not allowed"),
    ({"prometheus": {"monitor": {"enabled": True}, "podMonitor": {"enabled": True}}}, r"each host would be scraped twice"),
    ({"prometheus": {"monitor": {"enabled": True}}, "service": {"enabled": False}}, r"set service\.enabled"),
    ({"prometheus": {"monitor": {"enabled": True}}, "service": {"annotations": {"prometheus.io/scrape": "true"}}}, r"service\.annotations has .* remove the annotation"),
    ({"prometheus": {"podMonitor": {"enabled": True}}, "podAnnotations": {"prometheus.io/scrape": "true"}}, r"podAnnotations has .* remove the annotation"),
    ({"kubeRBACProxy": {"enabled": True, "tls": {"enabled": True}}}, r"set tlsSecret\.enabled"),
    ({"basicAuth": {"users": {"alice": "plain text"}}}, r"/basicAuth/users/alice': 'plain text' does not match"),
    ({"kubeRBACProxy": {"enabled": True}, "basicAuth": {"existingSecret": "web"}}, r"kubeRBACProxy and basicAuth both"),
    ({"tlsSecret": {"enabled": True, "clientAuthType": "RequireAndVerifyClientCert"}}, r"needs tlsSecret\.caItem"),
    ({"rateLimit": {"interval": "10"}}, r"/rateLimit/interval': '10' does not match"),
    ({"rateLimit": {"interval": "1s"}, "basicAuth": {"existingSecret": "web"}}, r"set rate_limit in it"),
]

pytestmark = [
    pytest.mark.xdist_group("helm"),
    pytest.mark.newest(reason="Helm 3 and 4 render and lint by different code"),
]
# What does not depend on the version of Helm.
oldest = pytest.mark.newest(never=True, reason="does not depend on the version of Helm")

# Helm keeps a release in a secret, which ends at this size.
RELEASE_MAX = 1024 * 1024


@pytest.fixture(scope="module")
def tool(tools):
    return helm(tools.helm if tools.newest else None)


@pytest.fixture(scope="module")
def made(tool):
    """The documents that each file of values makes."""
    return rendered(tool)


def test_mistakes(tool):
    for values, expected in MISTAKES:
        found, said = tool.render(values)
        assert not found and re.search(expected, said), f"{values} gives {len(found)} documents and says\n{said}\nexpected {expected}"


@oldest
def test_values_have_effects(tool):
    note(f"{effects(tool)} values have an effect")


@oldest
def test_notes(tool):
    """The command finds the pod of a node, and what is lost or missing is said."""
    lost = "Learned state is lost when a pod is replaced"
    notes = tool.notes({})
    assert "--field-selector spec.nodeName=NODE" in notes and "exec daemonset/" not in notes and lost not in notes, notes
    assert lost in tool.notes({"store": {"type": "emptyDir"}})
    assert "no label that a Prometheus" in tool.notes({"prometheus": {"monitor": {"enabled": True}}})


@oldest
def test_generated():
    done = subprocess.run([sys.executable, ROOT / "helm/generate.py", "--check"], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr)


def rendered(tool):
    made = {}
    for name, path in ci().items():
        values = yaml.safe_load(path.read_text()) or {}
        said = tool.lint(values)
        made[name], failed = tool.render(values)
        if said or failed:
            pytest.fail(f"{path.relative_to(ROOT)}: {said}{failed}")
        names = [(it["kind"], it["metadata"].get("namespace"), it["metadata"]["name"]) for it in made[name]]
        if len(set(names)) < len(names):
            pytest.fail(f"{path.relative_to(ROOT)}: two objects have the same name: {names}")
    return made


def expressions(spec):
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    return [it for term in terms for it in term["matchExpressions"]]


def test_defaults(made):
    """The least privileges that give right numbers."""
    spec, container = pod(made["default"])
    secure = container["securityContext"]
    expected = {
        "hostNetwork": spec["hostNetwork"] is False,
        "hostPID": spec["hostPID"] is False,
        "hostIPC": spec["hostIPC"] is False,
        "no token": spec["automountServiceAccountToken"] is False,
        "user": spec["securityContext"]["runAsUser"] == 65534 and spec["securityContext"]["runAsNonRoot"],
        "seccomp": spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"},
        "read-only root": secure["readOnlyRootFilesystem"],
        "capabilities": secure["capabilities"] == {"drop": ["ALL"]},
        "escalation": secure["allowPrivilegeEscalation"] is False,
        "store on the node": next(it for it in spec["volumes"] if it["name"] == "store")["hostPath"]["path"] == "/var/lib/hostnorm",
        "root for the owner of the store only": [it["command"][0] for it in spec["initContainers"]] == ["chown"]
        and spec["initContainers"][0]["securityContext"]["capabilities"] == {"add": ["CHOWN"], "drop": ["ALL"]},
        "architectures": {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64", "arm64"]} in expressions(spec),
        "not scraped twice": "annotations" not in one(made["default"], "Service")["metadata"],
        "mounts of the host": all(it["readOnly"] for it in container["volumeMounts"] if it["mountPath"].startswith("/host/")),
        "no port of the host": all("hostPort" not in it for it in container["ports"]),
    }
    wrong = [what for what, well in expected.items() if not well]
    if wrong:
        pytest.fail(f"not as it should be by default: {', '.join(wrong)}")


def test_remediation(made):
    """It is off by default; its role has only what its rules need."""
    if [it for it in made["default"] if it["metadata"]["name"].endswith("-remediate")]:
        pytest.fail("hostnorm remediate is there by default")
    own = {it["kind"]: it for it in made["remediate"] if it["metadata"]["name"].endswith("-remediate")}
    spec = own["Deployment"]["spec"]
    container = spec["template"]["spec"]["containers"][0]
    labels = one(made["remediate"], "DaemonSet")["spec"]["selector"]["matchLabels"]
    expected = {
        "one replica": spec["replicas"] == 1 and spec["strategy"] == {"type": "Recreate"},
        "not chosen by the DaemonSet": not labels.items() <= spec["template"]["metadata"]["labels"].items(),
        "role": [(it["resources"], it["verbs"]) for it in own["ClusterRole"]["rules"]] == [(["nodes"], ["patch"]), (["events"], ["create"])],
        "token of the account": spec["template"]["spec"]["automountServiceAccountToken"] is True,
        "flags": [it.split("=")[0] for it in container["args"]] == ["remediate", "--config.file", "--web.token-file", "--kubernetes.allow-cordon"],
        "read-only root": container["securityContext"]["readOnlyRootFilesystem"],
        "volume": own["PersistentVolumeClaim"]["spec"]["resources"]["requests"]["storage"] == "1Gi",
    }
    wrong = [what for what, well in expected.items() if not well]
    if wrong:
        pytest.fail(f"not as it should be: {', '.join(wrong)}")


def test_without_the_host(made):
    made = made["values-restricted"]
    spec, _ = pod(made)
    volumes = [it for it in spec["volumes"] if "hostPath" in it]
    text = yaml.safe_load(one(made, "ConfigMap")["data"]["hostnorm.yaml"])
    if volumes or text["collector"] != {"filesystem": False, "network": False, "tcp": False} or "path" in text:
        pytest.fail(f"restricted: {volumes} {text}")


def test_logs_of_the_node(made):
    """At the same path as on the node, because links lead there; nothing may be written."""
    spec, container = pod(made["logs"])
    volume = next(it["hostPath"]["path"] for it in spec["volumes"] if it["name"] == "logs")
    mount = next(it for it in container["volumeMounts"] if it["name"] == "logs")
    if volume != "/var/log" or mount != {"name": "logs", "mountPath": "/var/log", "readOnly": True}:
        pytest.fail(f"the logs of the node: {volume} at {mount}")
    if any(it["name"] == "logs" for it in pod(made["default"])[0]["volumes"]):
        pytest.fail("logs are mounted without being asked for")


def test_openshift(made):
    """No user or group is asked for, so that the one of the namespace is taken; no directory of the node."""
    spec, container = pod(made["values-openshift"])
    asked = {**spec["securityContext"], **container["securityContext"]}
    if {"runAsUser", "runAsGroup", "fsGroup"} & set(asked) or any("hostPath" in it for it in spec["volumes"]) or "initContainers" in spec:
        pytest.fail(f"restricted-v2 would refuse {asked} and {spec['volumes']}")


def test_node_exporter_values(tool, made):
    """Values that are copied from the chart of node_exporter are taken, or refused all at once with what to set instead."""
    monitor = one(made["node-exporter"], "PodMonitor")
    endpoint = monitor["spec"]["podMetricsEndpoints"][0]
    expected = {
        "apiVersion": monitor["apiVersion"] == "monitoring.coreos.com/v1",
        "defaults of what is empty": (endpoint["filterRunning"], endpoint["enableHttp2"], endpoint["followRedirects"]) == (True, False, False),
        "instance": endpoint["relabelings"] == [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance"}],
        "hostPID": pod(made["node-exporter"])[0]["hostPID"] is True,
    }
    wrong = [what for what, well in expected.items() if not well]
    if wrong:
        pytest.fail(f"values of node_exporter's chart do not have the effect they should: {', '.join(wrong)}")
    for each in yaml.safe_load((CHART / "files/node-exporter-values.yaml").read_text()):
        values, *parents = {}, *each["key"].split(".")
        place = values
        for key in parents[:-1]:
            place = place.setdefault(key, {})
        place[parents[-1]] = each["default"]
        for value, refused in ((each["default"], False), ("something", True)):
            place[parents[-1]] = value
            found, said = tool.render(values)
            if bool(said) != refused or (refused and f"{each['key']} is a value of prometheus-node-exporter; {each['instead']}" not in said):
                pytest.fail(f"{each['key']}={value!r} gives {len(found)} documents and says\n{said}")
    _, said = tool.render({"image": {"repository": "prometheus/node-exporter"}, "hostNetwork": True, "service": {"port": 9100}})
    if "image.repository prometheus/node-exporter is not" not in said or "service.port 9100 is that of node_exporter" not in said:
        pytest.fail(f"the image or the port of node_exporter is taken: {said}")


def test_flags_of_node_exporter(tool):
    """A flag that hostnorm does not have would crash each pod; it is refused with what to set instead."""
    taken = [
        "--collector.filesystem.mount-points-exclude=^/(dev|proc)($|/)",
        "--collector.diskstats.device-exclude=^ram",
        "--no-collector.sensors",
        "--collector.disable-defaults",
        "--collector.cpu",
        "--web.telemetry-path=/m",
    ]
    refused = {
        "--collector.diskstats.ignored-devices=^(ram|loop|fd|(h|s|v)d[a-z]|nvme\\d+n\\d+p)\\d+$": "set config.disk.device_exclude",
        "--collector.textfile.directory=/run/prometheus": "keep node_exporter for them",
        "--no-collector.wifi": "no such collector or option: remove it",
        "--collector.netdev.device-include=^eth": "network.device_exclude",
        "--no-collector.hwmon": "set config.collector.sensors",
        "--collector.cpu.info": "no such collector or option: remove it",
    }
    found, said = tool.render({"extraArgs": taken})
    if not found:
        pytest.fail(f"flags that hostnorm has are refused: {said}")
    _, said = tool.render({"extraArgs": [*taken, *refused]})
    for flag, instead in refused.items():
        name = flag.partition("=")[0]
        if not re.search(rf"extraArgs: {re.escape(name)} is a flag of node_exporter; .*{re.escape(instead)}", said):
            pytest.fail(f"{flag} is not refused with {instead!r}: {said}")
    if said.count("extraArgs:") != len(refused):
        pytest.fail(f"more is refused than {list(refused)}: {said}")


def test_job(tool):
    """The rules select the label `job` that the monitor gives, and it is not that of node_exporter, which has other series."""

    def job(**values):
        made, said = tool.render({"prometheusRule": {"enabled": True}, **values})
        return set(re.findall(r'job="([^"]*)"', yaml.safe_dump(one(made, "PrometheusRule")["spec"]))) if made else said

    for kind, labels, missing in (
        ("monitor", lambda of: {"service": {"labels": of}}, "release-name-hostnorm"),
        ("podMonitor", lambda of: {"podLabels": of}, f"{NAMESPACE}/release-name-hostnorm"),
    ):
        monitor = {"prometheus": {kind: {"enabled": True, "jobLabel": "jobLabel"}}}
        expected = {"hosts": {"hosts"}, "": {missing}}
        for label, jobs in expected.items():
            found = job(**monitor, **labels({"jobLabel": label} if label else {}))
            assert found == jobs, f"{kind} with the label {label!r}: {found}, not {jobs}"
        # As kube-prometheus-stack sets it for its node_exporter.
        said = job(**monitor, **labels({"jobLabel": "node-exporter"}))
        assert "the label job would be node-exporter, that of node_exporter: remove jobLabel" in said, said
    assert job(prometheus={"monitor": {"enabled": True}}) == {"hostnorm"}
    assert job(prometheus={"monitor": {"enabled": True}}, nameOverride="habits") == {"habits"}


def test_release_label(tool, made):
    """The Prometheus operator selects by the label of its own release, whatever the release of this chart is called."""
    labels = {it["kind"]: it["metadata"]["labels"].get("release") for it in made["monitoring"]}
    if {labels["ServiceMonitor"], labels["PrometheusRule"]} != {"kube-prometheus-stack"} or labels["DaemonSet"]:
        pytest.fail(f"labels release: {labels}")
    own, _ = tool.render({"releaseLabel": True, "prometheus": {"monitor": {"enabled": True}}})
    if one(own, "ServiceMonitor")["metadata"]["labels"]["release"] != "release-name":
        pytest.fail("releaseLabel=true is not this chart's own release")


def test_inhibitions(made):
    """The AlertmanagerConfig has the inhibitions of alertmanager.yml, with the cluster's label, for alerts of its namespace."""
    config = one(made["pod-monitor"], "AlertmanagerConfig")
    shipped = yaml.safe_load((ROOT / "prometheus/alertmanager.yml").read_text())["inhibit_rules"]

    def matchers(rule, side):
        return sorted(re.sub(r'^(\w+)(=~|!=|=)"(.*)"$', r"\1 \2 \3", it) for it in rule[f"{side}_matchers"])

    def made_matchers(rule, side):
        return sorted(f"{it['name']} {it['matchType']} {it['value']}" for it in rule[f"{side}Match"])

    for rule, expected in zip(config["spec"]["inhibitRules"], shipped, strict=True):
        same = all(made_matchers(rule, side) == matchers(expected, side) for side in ("source", "target"))
        if not same or rule["equal"] != ["zone" if it == "cluster" else it for it in expected["equal"]]:
            pytest.fail(f"the inhibition {rule} is not {expected}")
    spec = one(made["pod-monitor"], "PrometheusRule")["spec"]
    namespaces = {it["labels"].get("namespace") for group in spec["groups"] for it in group["rules"] if "alert" in it}
    if "route" in config["spec"] or namespaces != {config["metadata"]["namespace"]}:
        pytest.fail(f"inhibitions of {config['metadata']['namespace']} do not match alerts of {namespaces}")


def test_web_config(made):
    """HTTPS and passwords by hostnorm: its file, the mounts that it names, and probes that get through."""
    secret = yaml.safe_load(one(made["web-config"], "Secret")["stringData"]["web-config.yml"])
    spec, container = pod(made["web-config"])
    mounts = {it["name"]: it["mountPath"] for it in container["volumeMounts"]}
    volumes = {it["name"]: it.get("secret", {}).get("secretName") for it in spec["volumes"]}
    own = pod(made["web-config-secret"])[0]["volumes"]
    proxied = pod(made["kube-rbac-proxy"])[1]
    by_command = [pod(made[it])[1] for it in ("client-certificates", "health-password", "web-config-secret")]
    probes = [it[probe] for it in by_command for probe in ("livenessProbe", "readinessProbe")]
    expected = {
        "certificate": secret["tls_server_config"]["cert_file"] == f"{mounts['tls']}/tls.crt",
        "authority": secret["tls_server_config"]["client_ca_file"] == f"{mounts['tls']}/ca.crt",
        "users": list(secret["basic_auth_users"]) == ["prometheus"],
        "limit of requests": secret["rate_limit"] == {"interval": "100ms", "burst": 20},
        "mounts": mounts["web-config"] == "/etc/hostnorm-web" and volumes["tls"] == "release-name-tls",
        "probes": container["livenessProbe"]["httpGet"]["scheme"] == container["readinessProbe"]["httpGet"]["scheme"] == "HTTPS",
        "probes where a certificate or a password is asked for": all(
            it["exec"]["command"] == ["hostnorm", "health"] and "httpGet" not in it for it in probes
        ),
        "secret of one's own": "release-name-web" in [it.get("secret", {}).get("secretName") for it in own],
        "no second secret": not [it for it in made["web-config-secret"] if it["kind"] == "Secret"],
        "proxy": "tls" not in [it["name"] for it in proxied["volumeMounts"]],
    }
    wrong = [what for what, well in expected.items() if not well]
    if wrong:
        pytest.fail(f"the web configuration is not as it should be: {', '.join(wrong)}")


def test_rules(made, tools):
    """What promtool tested is what is rendered; and what is changed is still well."""
    tested = yaml.safe_load((ROOT / "prometheus/hostnorm-rules.yml").read_text())
    if one(made["monitoring"], "PrometheusRule")["spec"] != tested:
        pytest.fail("the PrometheusRule is not prometheus/hostnorm-rules.yml")
    if "grafana" in json.dumps(tested) or "localhost" in json.dumps(tested):
        pytest.fail("alerts lead to nobody's Grafana")
    changed = one(made["pod-monitor"], "PrometheusRule")["spec"]
    text = json.dumps(changed)
    alerts = {it["alert"]: it for group in changed["groups"] for it in group["rules"] if "alert" in it}
    known = {it["alert"] for group in tested["groups"] for it in group["rules"] if "alert" in it}
    host = alerts["HostAnomalous"]
    expected = {
        "job": 'job=\\"hostnorm\\"' not in text and 'job=\\"nodes\\"' in text,
        "grafanaURL": "grafana.invalid" not in text and text.count("https://grafana.example.com/d/hostnorm-") == len(alerts),
        "clusterLabel": not re.search(r"\bcluster\b", text.replace("var-cluster=", "")) and "by (zone, job)" in text and "zone=%q" in text,
        "runbookURL": host["annotations"]["runbook_url"] == "https://runbooks.example.com/hostnorm/HostAnomalous.md",
        "disabled": set(alerts) == known - {"HostAnomalyLong"},
        "severities": host["labels"] == {"severity": "info", "team": "nodes", "namespace": "monitoring"},
        "other severities": alerts["HostnormDown"]["labels"]["severity"] == "critical",
        "for": host["for"] == "5m",
        "interval": {it["name"]: it["interval"] for it in changed["groups"]}["hostnorm-anomalies"] == "1m",
        "alertAnnotations": all(it["annotations"]["contact"] == "#nodes" for it in alerts.values()),
    }
    wrong = [what for what, well in expected.items() if not well]
    if wrong:
        pytest.fail(f"prometheusRule does not do what it says: {', '.join(wrong)}\n{text[:3000]}")
    for name in ("monitoring", "pod-monitor"):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump(one(made[name], "PrometheusRule")["spec"], file)
            file.flush()
            done = subprocess.run([tools.promtool, "check", "rules", "--lint=all", "--lint-fatal", file.name], capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"{name}: {done.stdout}{done.stderr}")


def test_dashboards(made):
    made = made["monitoring"]
    found = {key: text for it in made if it["metadata"]["labels"].get("grafana_dashboard") for key, text in it["data"].items()}
    expected = {f"hostnorm-{it.name}": it.read_text() for it in (ROOT / "grafana/dashboards").glob("*.json")}
    if {key: json.loads(text) for key, text in found.items()} != {key: json.loads(text) for key, text in expected.items()}:
        pytest.fail(f"dashboards {sorted(found)} are not those of grafana/dashboards")


def test_dashboards_of_clusters(made):
    """Another label of clusters is that of all queries; the variable keeps its name."""
    found = [text for it in made["pod-monitor"] if it["metadata"]["labels"].get("grafana_dashboard") for text in it["data"].values()]
    text = "\n".join(found)
    # A chosen cluster lists its own hosts only.
    hosts = 'label_values(hostnorm_build_info{zone=~\\"$cluster\\", job=~\\"$job\\"}, instance)'
    left = re.findall(r".*[^$\w-]cluster\b(?!:queryparam).*", re.sub(r'"(?:name|label)": "[Cc]luster"', "", text))
    if len(found) < 4 or left or 'zone=~\\"$cluster\\"' not in text or "label_values(hostnorm_build_info, zone)" not in text or hosts not in text:
        pytest.fail(f"dashboards with another label of clusters: {left[:3]}")


def test_settings(made, tools):
    """hostnorm takes the settings that are made, and they are those that were asked for."""
    for name, of in made.items():
        text = next(it["data"]["hostnorm.yaml"] for it in of if "hostnorm.yaml" in it.get("data", {}))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([tools.hostnorm, "check", "--config.file", file.name, "--print"], capture_output=True, text=True)
        if done.returncode:
            pytest.fail(f"{name}: hostnorm does not take its settings:\n{text}\n{done.stdout}{done.stderr}")
        for line in {"full": ["seed: 12345678", "threshold: 6"], "store-none": ["path: off"]}.get(name, []):
            if line not in done.stdout:
                pytest.fail(f"{name}: hostnorm does not have {line!r}:\n{done.stdout}")


def test_schemas(made):
    """Each document that differs, by the schemas of each version of Kubernetes that is supported."""
    once = {json.dumps(it, sort_keys=True): (name, it) for name, of in made.items() for it in of}
    foreign = ("monitoring.coreos.com", "autoscaling.k8s.io")
    versions = [it for it in utils.all_versions() if tuple(map(int, it.split(".")[:2])) >= (1, 25)]
    for version in versions:
        registry = definitions(version)
        for name, document in once.values():
            if document["apiVersion"].startswith(foreign):
                continue
            for error in validator(version, document, registry).iter_errors(document):
                where = "/".join(map(str, error.absolute_path))
                pytest.fail(f"{name}: {document['kind']} in Kubernetes {version}: {where}: {error.message}")
    note(f"{len(made)} files of values, Kubernetes {versions[0]} to {versions[-1]}")


def definitions(version):
    contents = utils.schema_contents(f"kubernetes-json-schema/v{version}-local-strict/_definitions.json", version)
    return referencing.Resource.from_contents(contents) @ referencing.Registry()


@functools.cache
def schema_file(version, kind, api):
    return utils.schema_contents(f"kubernetes-json-schema/v{version}-local-strict/{kind.lower()}-{api}.json", version)


def validator(version, document, registry):
    api = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", document["apiVersion"])
    return jsonschema.Draft202012Validator(schema_file(version, document["kind"], api), registry=registry)


def test_package(tool):
    """A package renders what the folder does, and a release fits where Helm keeps it."""
    values = yaml.safe_load((CHART / "ci/monitoring-values.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        archive = tool.package(folder)
        if tool.render(values, archive) != tool.render(values):
            pytest.fail("a packaged chart renders something else")
        texts = {str(it.relative_to(CHART)): it.read_text() for it in CHART.rglob("*") if it.is_file()}
        release = json.dumps({"chart": texts, "manifest": yaml.safe_dump_all(tool.render(values)[0])})
        size = len(base64.b64encode(gzip.compress(release.encode())))
        if size > RELEASE_MAX // 2:
            pytest.fail(f"a release takes {size} bytes, more than half of what a secret can have")


@oldest
def test_pod_of_helm_test(made, tools):
    """What the pod of `helm test` runs, against hostnorm here, and against nothing."""
    container = one(made["default"], "Pod")["spec"]["containers"][0]
    script = container["args"][0]
    environment = {it["name"]: it["value"] for it in container["env"]}
    expected = f"http://release-name-hostnorm.{NAMESPACE}:19797"
    if environment["ADDRESS"] != expected:
        pytest.fail(f"helm test asks {environment['ADDRESS']}, not {expected}")

    def run(address, text=script):
        with tempfile.TemporaryDirectory() as folder:
            # As in the image: all there is are the commands of busybox.
            for name in ("sh", "seq", "timeout", "wget", "grep", "sleep", "echo"):
                pathlib.Path(folder, name).symlink_to(tools.busybox)
            env = {**environment, "ADDRESS": address, "PATH": folder}
            return subprocess.run([f"{folder}/sh", "-euc", text], env=env, capture_output=True, text=True, timeout=60)

    with hostnorm(tools.hostnorm) as running:
        done = run(running.url)
        if done.returncode or "anomaly_ready" not in done.stdout:
            pytest.fail(f"helm test fails: {done.stdout}{done.stderr}")
        status, _, page = fetch(f"{running.url}/metrics")
        if status != 200 or "hostnorm_build_info" not in page:
            pytest.fail("hostnorm has no metrics")
    nothing = run(f"http://127.0.0.1:{free_port()}", script.replace("seq 30", "seq 1").replace('= 30', "= 1"))
    if nothing.returncode == 0 or "does not answer" not in nothing.stdout:
        pytest.fail(f"helm test is well although nothing answers: {nothing.stdout}{nothing.stderr}")
