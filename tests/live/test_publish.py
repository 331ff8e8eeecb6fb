"""What the workflows of a release run, without publishing anything: the plan, notes, owner, licenses, and dashboards for grafana.com."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from chart import ROOT

VERSION = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def run(*command, cwd=ROOT, expect=0):
    done = subprocess.run([str(it) for it in command], cwd=cwd, capture_output=True, text=True, timeout=120)
    if done.returncode != expect:
        pytest.fail(f"{command}: exit {done.returncode}, expected {expect}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


@pytest.fixture
def copy(tmp_path):
    """A repository with the files as they are now."""
    tree = tmp_path / "tree"
    tree.mkdir()
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    packed = subprocess.run(["tar", "--create", "--null", "--files-from=-"], cwd=ROOT, input=names, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract"], cwd=tree, input=packed, check=True)
    run("git", "init", "--quiet", cwd=tree)
    run("git", "add", "--all", cwd=tree)
    return tree


def test_plan(copy):
    """A tag is released only if program, chart and changelog have its version; then owner and registry are those of publish.env."""
    if "Cargo.toml has version" not in run(copy / "deploy/plan.sh", "v99.0.0", expect=1):
        pytest.fail("a tag that is not the version is released")
    changelog = copy / "CHANGELOG.md"
    if "/ unreleased" in changelog.read_text():
        if "no entry" not in run(copy / "deploy/plan.sh", f"v{VERSION}", expect=1):
            pytest.fail("a version without a date is released")
        changelog.write_text(changelog.read_text().replace("/ unreleased", "/ 2026-12-01"))
    said = run(copy / "deploy/plan.sh", f"v{VERSION}").split()
    of = dict(re.findall(r"^([A-Z]+)=(.+)$", (ROOT / ".github/publish.env").read_text(), re.M))
    place = f"{of['REGISTRY']}/{of['OWNER']}"
    expected = [f"version={VERSION}", f"registry={of['REGISTRY']}", f"image={place}/{of['REPOSITORY']}", f"charts={place}/charts"]
    if said != expected:
        pytest.fail(f"the plan is {said}")
    chart = copy / "helm/hostnorm/Chart.yaml"
    chart.write_text(chart.read_text().replace(f"appVersion: {VERSION}", "appVersion: 9.9.9"))
    if "has appVersion 9.9.9" not in run(copy / "deploy/plan.sh", f"v{VERSION}", expect=1):
        pytest.fail("a chart of another version is released")


def test_notes(copy):
    """The notes are the entry of the changelog, by the command of the workflow."""
    steps = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())["jobs"]["publish"]["steps"]
    command = next(line for it in steps for line in it.get("run", "").splitlines() if "CHANGELOG.md" in line)
    notes = copy / "notes.md"
    script = f"VERSION={VERSION} RUNNER_TEMP={copy}; {command}"
    run("bash", "-euc", script, cwd=copy)
    if len(notes.read_text().splitlines()) < 10 or notes.read_text().count("\n## "):
        pytest.fail(f"notes of the release: {notes.read_text()[:500]}")


def check_go(where, steps):
    """A job that builds tools has set up a Go before that is new enough; one of the runner may be older."""
    at = next((idx for idx, it in enumerate(steps) if re.search(r"tools/tools\.sh|check --publish", it.get("run", ""))), None)
    if at is None:
        return 0
    options = [it["with"] for it in steps[:at] if it.get("uses", "").startswith("actions/setup-go@")]
    numbers = lambda version: [int(it) for it in version.split(".")]
    least = re.search(r"`go` \(([0-9.]+) or newer\)", (ROOT / "tools/tools.sh").read_text())[1]
    assert len(options) == 1 and numbers(options[0]["go-version"]) >= numbers(least), f"{where}: {options}, expected Go {least}"
    # What others put into a cache must not be in a release.
    assert options[0]["cache"] is False, where
    return 1


def test_workflows():
    """Every action is pinned by commit, every job has its rights and an end, and a release is of both architectures and signed."""
    with_go = 0
    text = ""
    for path in sorted((ROOT / ".github/workflows").glob("*.yml")):
        text += path.read_text()
        flow = yaml.safe_load(path.read_text())
        assert flow["permissions"] == {}, f"{path.name} grants rights to all jobs"
        for name, job in flow["jobs"].items():
            assert "permissions" in job and "timeout-minutes" in job, f"{path.name}: {name} has no permissions or no timeout"
            for step in job["steps"]:
                if "uses" in step:
                    assert re.search(r"@[0-9a-f]{40}$", step["uses"]), f"{path.name}: {step['uses']} is not pinned by commit"
            with_go += check_go(f"{path.name}: {name}", job["steps"])
    assert with_go == 4, with_go
    for part in (
        "ubuntu-24.04-arm",
        "cosign sign --yes",
        "cosign sign-blob",
        "attest-build-provenance",
        "helm push",
        "sha256sums.txt",
        'deploy/release.sh "$RUNNER_TEMP/out"',
        "hostnorm-$VERSION.linux-$ARCHITECTURE.cdx.json",
        "hostnorm-$VERSION.grafana.tar.gz",
    ):
        assert part in text, f"no workflow has {part}"
    made = (ROOT / "deploy/release.sh").read_text()
    for part in ("cargo deb", "cargo generate-rpm", "cargo cyclonedx", ".tar.gz"):
        assert part in made, f"deploy/release.sh has no {part}"


def test_owner(copy):
    """Another owner is written in one step, and nothing of the old one is left."""
    run(copy / "deploy/owner.py", cwd=copy)
    run(copy / "deploy/owner.py", "acme", "registry.example.com", cwd=copy)
    run(copy / "deploy/owner.py", cwd=copy)
    values = yaml.safe_load((copy / "helm/hostnorm/values.yaml").read_text())
    if (values["image"]["registry"], values["image"]["repository"]) != ("registry.example.com", "acme/hostnorm"):
        pytest.fail(f"the chart's image is {values['image']}")
    left = subprocess.run(
        ["grep", "-rnE", r"github\.com/hostnorm/|ghcr\.io/hostnorm", *"Cargo.toml deploy docs helm prometheus README.md tests/live".split()],
        cwd=copy, capture_output=True, text=True,
    ).stdout  # fmt: skip
    # The script itself has examples, and this test has the pattern.
    left = [it for it in left.splitlines() if not it.startswith(("deploy/owner.py", "tests/live/test_publish.py"))]
    if left:
        pytest.fail("still of the old owner:\n" + "\n".join(left[:10]))


def test_notice(copy):
    """NOTICE follows Cargo.lock, and has the text of each license that is not Apache-2.0."""
    text = (ROOT / "NOTICE").read_text()
    for part in ("rusqlite", "SQLite, in the public domain", "Permission is hereby granted, free of charge", "Permission to use, copy, modify"):
        if part not in text:
            pytest.fail(f"NOTICE has no {part!r}")
    run("deploy/notice.py", "--check")
    (copy / "NOTICE").write_text(text.replace("rusqlite ", "rusqlit "))
    if "run deploy/notice.py" not in run(copy / "deploy/notice.py", "--check", cwd=copy, expect=1):
        pytest.fail("an outdated NOTICE is not reported")


def test_dashboards_of_grafana_com(tmp_path):
    """grafana.com needs inputs, requirements and a description; queries and links are those of the files."""
    run("deploy/dashboards.py", tmp_path / "out")
    for path in sorted((ROOT / "grafana/dashboards").glob("*.json")):
        board, source = (json.loads(it.read_text()) for it in (tmp_path / f"out/hostnorm-{path.name}", path))
        inputs = {it["name"] for it in board["__inputs"]}
        used = set(re.findall(r"\$\{(DS_\w+)\}", json.dumps({key: it for key, it in board.items() if key != "__inputs"})))
        required = {it["id"] for it in board["__requires"]}
        if inputs != used or not board["description"] or board["id"] is not None or not {"grafana", "prometheus"} < required:
            pytest.fail(f"{path.name}: inputs {inputs}, used {used}, requires {required}")
        shown = {it["type"] for panel in board["panels"] for it in [panel, *panel.get("panels", [])]} - {"row"}
        if required - {"grafana", "prometheus"} != shown:
            pytest.fail(f"{path.name}: shows {shown}, requires {required}")
        if board["panels"] != source["panels"]:
            pytest.fail(f"{path.name}: panels differ")


def test_artifact_hub():
    """What artifacthub.io shows of the chart, by its documentation of annotations."""
    chart = yaml.safe_load((ROOT / "helm/hostnorm/Chart.yaml").read_text())
    annotations = chart["annotations"]
    images = {it["name"]: it["image"] for it in yaml.safe_load(annotations["artifacthub.io/images"])}
    values = yaml.safe_load((ROOT / "helm/hostnorm/values.yaml").read_text())
    image = values["image"]
    expected = f"{image['registry']}/{image['repository']}:v{chart['appVersion']}"
    if images["hostnorm"] != expected or not chart.get("icon", "https://").startswith("https://"):
        pytest.fail(f"images of the chart: {images}, expected {expected}")
    for name in ("busybox", "kube-rbac-proxy"):
        of = values["testPod"]["image"] if name == "busybox" else values["kubeRBACProxy"]["image"]
        if images[name] != f"{of['registry']}/{of['repository']}:{of['tag']}":
            pytest.fail(f"the image {name} is {images[name]}, and the chart has {of}")
    for key in ("category", "license", "links", "changes", "prerelease", "recommendations"):
        if f"artifacthub.io/{key}" not in annotations:
            pytest.fail(f"no annotation artifacthub.io/{key}")
    for key in ("links", "changes", "recommendations"):
        if not isinstance(yaml.safe_load(annotations[f"artifacthub.io/{key}"]), list):
            pytest.fail(f"artifacthub.io/{key} is not a list")
    repository = yaml.safe_load((ROOT / "helm/artifacthub-repo.yml").read_text())
    if not repository["owners"]:
        pytest.fail("helm/artifacthub-repo.yml has no owner")
