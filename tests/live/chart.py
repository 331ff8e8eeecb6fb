"""The Helm chart, rendered by the two supported versions of Helm; what the live checks of it share."""

import pathlib
import subprocess
import tempfile

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm/hostnorm"
RELEASE, NAMESPACE = "release-name", "chart-test"
RESTRICTED = CHART / "values-restricted.yaml"
OPENSHIFT = CHART / "values-openshift.yaml"
# A Helm that is built by `go install` knows no version of Kubernetes, and takes an old one.
KUBERNETES = "1.35.4"


def ci():
    """Each file with values that the chart is tried with: its name without the ending, and its path."""
    found = [*sorted(CHART.glob("ci/*-values.yaml")), RESTRICTED, OPENSHIFT]
    return {it.name.removesuffix("-values.yaml").removesuffix(".yaml"): it for it in found}


class Helm4:
    """Helm 4, which comes as a library of Python."""

    def __init__(self):
        # Not at the top: the newest tier has the program in its place.
        import helm_python

        self.helm = helm_python
        self.version = helm_python.helm_sdk_version()

    def text(self, values, chart):
        """What an open chart makes, as text, and the sentence with which it refuses."""
        try:
            made = chart.render(values, name=RELEASE, namespace=NAMESPACE)
        except self.helm.HelmError as error:
            return "", str(error)
        return "\n---\n".join(text for path, text in sorted(made.items()) if path.endswith(".yaml")), ""

    def notes(self, values):
        """What is said after an installation."""
        with self.helm.Chart.load(str(CHART)) as chart:
            made = chart.render(values, name=RELEASE, namespace=NAMESPACE)
        return next(text for path, text in made.items() if path.endswith("NOTES.txt"))

    def render(self, values, chart=CHART):
        """The documents that the chart makes, and the sentence with which it refuses."""
        with self.helm.Chart.load(str(chart)) as it:
            text, said = self.text(values, it)
        return documents(text), said

    def lint(self, values):
        report = self.helm.lint(str(CHART), values, strict=True)
        return "\n".join(it["error"] for it in report["messages"] if it["severity"] > 1)

    def package(self, folder):
        return pathlib.Path(self.helm.package(str(CHART), destination=str(folder)))


class Helm3:
    """The program `helm`."""

    def __init__(self, binary):
        self.binary = binary
        self.version = self.run("version", "--short").stdout.strip()

    def run(self, *options, values=None, **more):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            if values is not None:
                yaml.safe_dump(values, file)
                file.flush()
                options = [*options, "--values", file.name]
            return subprocess.run([self.binary, *map(str, options)], capture_output=True, text=True, **more)

    def render(self, values, chart=CHART):
        options = ["--namespace", NAMESPACE, "--kube-version", KUBERNETES, "--api-versions", "autoscaling.k8s.io/v1"]
        done = self.run("template", RELEASE, chart, *options, values=values)
        return (documents(done.stdout), "") if done.returncode == 0 else ([], done.stderr)

    def lint(self, values):
        done = self.run("lint", CHART, "--strict", "--quiet", "--kube-version", KUBERNETES, values=values)
        return done.stdout + done.stderr if done.returncode else ""

    def package(self, folder):
        done = self.run("package", CHART, "--destination", folder, check=True)
        return pathlib.Path(done.stdout.split()[-1])


def helm(binary=None):
    return Helm3(binary) if binary else Helm4()


def documents(text):
    return [it for it in yaml.safe_load_all(text) if it]


def one(made, kind):
    """The one document of a kind."""
    found = [it for it in made if it["kind"] == kind]
    if len(found) != 1:
        pytest.fail(f"{len(found)} documents of kind {kind}, expected one")
    return found[0]


def pod(made):
    """What the DaemonSet says of its pods, and the container of hostnorm among theirs."""
    spec = one(made, "DaemonSet")["spec"]["template"]["spec"]
    return spec, next(it for it in spec["containers"] if it["name"] == "hostnorm")
