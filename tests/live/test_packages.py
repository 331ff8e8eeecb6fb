"""The release as a new user takes it: tarball, deb and rpm, each to the first reading that was scraped.

The deb is installed on this machine, configured, run, upgraded, removed and purged. No systemd runs here, so the program is
started by the unit's own ExecStart=, as its user, with its environment file and its directory; systemd's part is in
test_systemd.py and test_confinement.py.
"""

import os
import pathlib
import re
import shlex
import subprocess
import time

import pytest
from program import Running, fetch, free_port, note, runbook_commands, until, value

pytestmark = pytest.mark.xdist_group("packages")

ROOT = pathlib.Path(__file__).parents[2]
SETTINGS = pathlib.Path("/etc/hostnorm/hostnorm.yaml")
# What lintian may say of a package that is not made for Debian's archive.
LINTIAN_ERRORS_MAX, LINTIAN_WARNINGS_MAX = 0, 0


def run(*command, expect=0, **more):
    done = subprocess.run([str(it) for it in command], capture_output=True, text=True, timeout=300, **more)
    if done.returncode != expect:
        pytest.fail(f"{command}: exit {done.returncode}, expected {expect}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def scraped(url, seconds=30):
    def one():
        status, _, text = fetch(f"{url}/metrics")
        return status == 200 and value(text, "hostnorm_memory_size_bytes")

    return until(f"a reading at {url}", seconds, one)


@pytest.fixture(scope="module")
def release(tools, tmp_path_factory):
    """What deploy/release.sh makes of the program; refused while the version is not dated."""
    for name in ("cargo_deb", "cargo_generate_rpm", "cargo_cyclonedx", "lintian", "rpm", "rpm2cpio"):
        getattr(tools, name)
    script, program, folder = ROOT / "deploy/release.sh", tools.hostnorm, tmp_path_factory.mktemp("release")
    changelog = (ROOT / "CHANGELOG.md").read_text()
    if re.search(r"^## \S+ / unreleased", changelog, re.M):
        said = run(script, folder / "none", "--program", program, expect=1)
        if "CHANGELOG.md says 'unreleased'" not in said:
            pytest.fail(f"an unreleased version is released: {said}")
    run(script, folder / "out", "--draft", "--program", program)
    out = folder / "out"
    names = sorted(it.name for it in out.iterdir())
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    wanted = [
        f"hostnorm-{version}-1.x86_64.rpm", f"hostnorm-{version}.cdx.json", f"hostnorm-{version}.linux-amd64.tar.gz",
        f"hostnorm_{version}-1_amd64.deb", "sha256sums.txt",
    ]  # fmt: skip
    if names != sorted(wanted):
        pytest.fail(f"a release consists of {names}")
    run("sha256sum", "--check", "--strict", "sha256sums.txt", cwd=out)
    return out, version


def test_tarball(release, start):
    (out, version), folder = release, start.folder
    began = time.monotonic()
    run("tar", "-xzf", out / f"hostnorm-{version}.linux-amd64.tar.gz", "-C", folder)
    home, port = folder / f"hostnorm-{version}.linux-amd64", free_port()
    run("man", "--warnings", "-l", home / "man/hostnorm.1.gz", env={**os.environ, "MANPAGER": "cat"})
    run("bash", "-n", home / "completions/hostnorm")
    assert all((home / it).is_file() for it in ("LICENSE", "NOTICE"))
    # Without a home and with nothing set, as a user may start it.
    command = ["env", "-i", home / "hostnorm", f"--config.file={home}/hostnorm.yaml", f"--web.listen-address=127.0.0.1:{port}"]
    with Running(command, port) as program:
        scraped(program.url)
    note(f"tarball: {time.monotonic() - began:.1f} s to the first reading")


def unit():
    """What the unit says, as (settings, command with its flags)."""
    text = pathlib.Path("/usr/lib/systemd/system/hostnorm.service").read_text()
    settings = dict(re.findall(r"^([A-Za-z]+)=(.*)$", text, re.M))
    variables = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', pathlib.Path("/etc/default/hostnorm").read_text(), re.M))
    flags = shlex.split(variables.pop("ARGS", ""))
    command = [it for it in settings["ExecStart"].split() if it != "$ARGS"] + flags
    return settings, command, variables


def as_service(port):
    """The program as the unit starts it: command, user, environment and directory are those of the files."""
    settings, command, variables = unit()
    state = pathlib.Path("/var/lib", settings["StateDirectory"])
    state.mkdir(mode=0o750, exist_ok=True)
    run("chown", f"{settings['User']}:{settings['Group']}", state)
    environment = [f"{name}={word}" for name, word in {"STATE_DIRECTORY": state, **variables}.items()]
    drop = ["setpriv", f"--reuid={settings['User']}", f"--regid={settings['Group']}", "--clear-groups"]
    drop += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    return Running([*drop, "env", "-i", *environment, *command], port), state


def root_shell(*command):
    """What a command says in a shell of root, who has a home of his own."""
    done = subprocess.run(["env", "-i", "HOME=/root", "PATH=/usr/bin", *command], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


# Commands of other tests would find its settings in /etc.
@pytest.mark.alone
@pytest.mark.root
def test_deb(release):
    out, version = release
    package = out / f"hostnorm_{version}-1_amd64.deb"
    if subprocess.run(["dpkg", "-s", "hostnorm"], capture_output=True).returncode == 0:
        pytest.fail("a package hostnorm is installed on this machine; it is not touched: remove it first")
    began, port = time.monotonic(), free_port()
    run("dpkg", "--install", package)
    try:
        run("id", "hostnorm")
        if "ring 0." not in pathlib.Path("/usr/share/doc/hostnorm/NOTICE").read_text():
            pytest.fail("the package has no licenses of linked crates")
        if run("systemctl", "--root=/", "is-enabled", "hostnorm.service").strip() != "enabled":
            pytest.fail("it would not be started with the next boot")
        if subprocess.run(["systemctl", "--root=/", "is-enabled", "hostnorm-remediate.service"], capture_output=True, text=True).stdout.strip() != "disabled":
            pytest.fail("it would act on alerts without being asked to")
        run("hostnorm", "remediate", "--config.file=/etc/hostnorm/remediate.yaml", "--check")
        # Its example configuration is valid and changes nothing; then it is changed, as an operator does.
        run("hostnorm", "check", f"--config.file={SETTINGS}")
        SETTINGS.write_text(SETTINGS.read_text() + f"web: {{listen_address: ['127.0.0.1:{port}']}}\ninterval: 200ms\n")
        running, state = as_service(port)
        with running as program:
            scraped(program.url)
            seconds = time.monotonic() - began
            run("hostnorm", "health", f"--config.file={SETTINGS}")
            until("the store", 20, lambda: (state / "hostnorm.db").exists() or any(state.iterdir()))
            runbook_commands(root_shell)
        # The same again, and one that is newer: what was changed stays, what was learned too.
        run("dpkg", "--install", package)
        run("dpkg", "--install", newer(package, out))
        if "interval: 200ms" not in SETTINGS.read_text():
            pytest.fail("an upgrade took the changed settings away")
        running, _ = as_service(port)
        with running as program:
            scraped(program.url)
        run("dpkg", "--remove", "hostnorm")
        if not SETTINGS.exists() or not any(state.iterdir()) or pathlib.Path("/usr/bin/hostnorm").exists():
            pytest.fail("remove takes settings or what was learned, or leaves the program")
    finally:
        run("dpkg", "--purge", "hostnorm")
    links = "/etc/systemd/system/multi-user.target.wants/hostnorm.service"
    left = [it for it in (links, "/etc/hostnorm", "/etc/default/hostnorm", "/var/lib/hostnorm", "/usr/share/doc/hostnorm") if os.path.lexists(it)]
    if left:
        pytest.fail(f"purge leaves {left}")
    note(f"deb: {seconds:.1f} s to the first reading; changed settings outlive an upgrade, purge leaves nothing")
    done = subprocess.run(["lintian", "--no-cfg", "--allow-root", package], capture_output=True, text=True, timeout=120)
    said = re.findall(r"^[EW]: .*$", done.stdout, re.M)
    errors = sum(it.startswith("E") for it in said)
    if errors > LINTIAN_ERRORS_MAX or len(said) - errors > LINTIAN_WARNINGS_MAX:
        pytest.fail("lintian: " + "\n".join(said))
    note(f"lintian: {errors} errors, {len(said) - errors} warnings")


def newer(package, out):
    """The same package as of a version that is higher."""
    tree = out / "newer"
    run("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", "Version: 99.0.0-1", control.read_text(), flags=re.M))
    run("dpkg-deb", "-Znone", "--root-owner-group", "--build", tree, out / "newer.deb")
    return out / "newer.deb"


def test_rpm(release, start):
    """What the rpm has, unpacked and run; there is no system of rpm here to install it on."""
    (out, version), folder = release, start.folder
    package = out / f"hostnorm-{version}-1.x86_64.rpm"
    query = lambda form: run("rpm", "-qp", "--nosignature", "--queryformat", form, package)
    if query("%{NAME} %{VERSION} %{LICENSE}") != f"hostnorm {version} Apache-2.0":
        pytest.fail(f"the rpm says it is {query('%{NAME} %{VERSION} %{LICENSE}')}")
    files = run("rpm", "-qpl", "--nosignature", package).split()
    configuration = set(run("rpm", "-qpc", "--nosignature", package).split())
    for it in ("/usr/bin/hostnorm", "/usr/lib/systemd/system/hostnorm.service",
               "/usr/lib/systemd/system/hostnorm-remediate.service", "/usr/lib/sysusers.d/hostnorm.conf",
               "/usr/share/man/man1/hostnorm.1.gz", "/usr/share/zsh/site-functions/_hostnorm",
               "/usr/share/licenses/hostnorm/LICENSE", "/usr/share/licenses/hostnorm/NOTICE"):  # fmt: skip
        if it not in files:
            pytest.fail(f"the rpm has no {it}: {files}")
    if configuration != {"/etc/hostnorm/hostnorm.yaml", "/etc/hostnorm/remediate.yaml", "/etc/default/hostnorm"}:
        pytest.fail(f"configuration of the rpm: {configuration}")
    began, port, root = time.monotonic(), free_port(), folder / "rpm"
    root.mkdir()
    run("sh", "-c", f"rpm2cpio {package} | cpio --extract --make-directories --quiet", cwd=root)
    run("rpm", "--root", folder / "rpmdb", "--initdb")
    run("rpm", "--root", folder / "rpmdb", "--install", "--test", "--nodeps", "--nosignature", package)
    command = [root / "usr/bin/hostnorm", f"--config.file={root}/etc/hostnorm/hostnorm.yaml"]
    with Running([*command, "--storage.path=off", f"--web.listen-address=127.0.0.1:{port}"], port) as program:
        scraped(program.url)
    note(f"rpm: {len(files)} files, {time.monotonic() - began:.1f} s from unpacking to the first reading")


def test_sbom(release):
    """The SBOM names what Cargo.lock locks, and no place of this machine."""
    out, version = release
    text = (out / f"hostnorm-{version}.cdx.json").read_text()
    names = set(re.findall(r'"purl": "pkg:cargo/([^@"]+)@', text))
    for it in ("hyper", "rusqlite", "ring"):
        if it not in names:
            pytest.fail(f"the SBOM does not name {it}")
    # The crate itself may be named by where it lies.
    if str(ROOT) in text:
        pytest.fail("the SBOM tells where it was made")
    note(f"SBOM: {len(names)} crates")
