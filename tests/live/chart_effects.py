"""Whether each value of the chart does something: changed, it changes what is rendered, or is refused for a reason."""

import copy
import json
import sys

import pytest
import chart
import yaml

sys.path.insert(0, str(chart.CHART.parent))
import generate  # noqa: E402  # beside the chart

# Values of another kind than their default, where the schema does not say which.
SAMPLES = {
    "basicAuth.users": {"other": "$2b$12$GRLE4IZMtIy0T5AapmgaV.bZqs6bwmjBBKwLDCJrk1d5sI9hdEUOm"},
    "global.imageRegistry": "elsewhere.example.com",
    "image.digest": f"sha256:{'f' * 64}",
    "store.hostPath.chown.image.digest": f"sha256:{'f' * 64}",
    "kubeRBACProxy.image.digest": f"sha256:{'f' * 64}",
    "testPod.image.digest": f"sha256:{'f' * 64}",
    "store.hostPath.path": "/elsewhere",
    "otlp.endpoint": "http://elsewhere:4318",
    "prometheusRule.interval": "2m",
    "rateLimit.interval": "2s",
    "prometheusRule.disabled": ["HostnormDown"],
    "prometheusRule.severities": {"HostnormDown": "info"},
    "prometheusRule.for": {"HostnormDown": "1h"},
    "config": {"threshold": 9},
    "image.architectures": ["arm64"],
    "releaseLabel": "other",
    "prometheusRule.clusterLabel": "other",
    "prometheusRule.grafanaURL": "https://other.example.com",
    "prometheus.podMonitor.filterRunning": False,
    "prometheus.podMonitor.enableHttp2": True,
    "prometheus.podMonitor.followRedirects": True,
    "service.nodePort": 30123,
    "service.servicePort": 81,
    "hostUsers": True,
    "terminationGracePeriodSeconds": 7,
    "restartPolicy": "Always",
    "prometheus.monitor.bearerTokenFile": "/token",
    "livenessProbe.successThreshold": None,
    "readinessProbe.successThreshold": None,
    "remediate.secrets": [{"name": "other", "mountPath": "/other"}],
}


def another(it):
    """Another value than the default that the schema allows; None where there is none."""
    schema = it.schema()
    if it.path in SAMPLES:
        return SAMPLES[it.path]
    if "enum" in schema:
        return next(each for each in schema["enum"] if each not in (it.default, "", it.default and str(it.default).upper()))
    match it.default:
        case bool():
            return not it.default
        case int():
            return it.default + 1
        case str():
            return "other"
        case list():
            of = schema.get("items", {}).get("type", "object")
            if it.path in ("configmaps", "secrets", "extraHostVolumeMounts"):
                more = {"hostPath": "/other"} if it.path == "extraHostVolumeMounts" else {}
                return [{"name": "other", "mountPath": "/other", **more}]
            return ["IPv4"] if "Families" in it.path else [{"name": "other"}] if "object" in of else ["other"]
        case dict():
            return {"other": "other"}


def changed(values, path, value):
    made = copy.deepcopy(values)
    place = made
    *parents, key = path.split(".")
    for each in parents:
        place = place.setdefault(each, {})
    if place.get(key) == value:
        # This file of values has it already.
        place.pop(key)
    else:
        place[key] = value
    return made


def effects(tool):
    """The number of values, each of which has an effect with one of the files of values."""
    bases = {name: yaml.safe_load(path.read_text()) or {} for name, path in chart.ci().items()}
    with tool.helm.Chart.load(str(chart.CHART)) as it:
        before = {name: tool.text(values, it) for name, values in bases.items()}

        def differs(name, path, value):
            made, said = tool.text(changed(bases[name], path, value), it)
            # A sentence of the chart's own is an effect; one of the schema is of a sample that is not allowed.
            return (made, said) != before[name] and "\n- at '" not in said

        tried, idle = 0, []
        for each in generate.values((chart.CHART / "values.yaml").read_text()):
            # Helm 4's library cannot be told that the cluster knows autoscalers; the API server sees those.
            if not each.about or each.path.startswith("verticalPodAutoscaler.") or (value := another(each)) is None:
                continue
            tried += 1
            section = each.path.split(".")[0]
            # Those that speak of it are likely to show it.
            likely = sorted(bases, key=lambda name: (section not in bases[name], name in ("monitoring", "pod-monitor")))
            if not any(differs(name, each.path, value) for name in likely):
                idle.append(f"{each.path}={json.dumps(value)}")
    if idle:
        pytest.fail(f"these values change nothing that is rendered: {', '.join(idle)}")
    return tried
