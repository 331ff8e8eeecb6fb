"""Options, tools and the report of the live tests.

A live test starts the built program, and beside it the servers it works with. To add one, write a file `test_NAME.py` with
functions `test_…`. The fixture `start` starts hostnorm and servers, `tools` has the paths of other programs; markers say how
a test is run (pytest.ini).
"""

import os
import pathlib
import shutil

import pytest
from programs import Start

pytest_plugins = ["step_report"]

ROOT = pathlib.Path(__file__).parents[2]

# Programs that have another name in Debian's packages (the oldest supported versions) or among the newest ones.
OLDEST_NAMES = {"alertmanager": "prometheus-alertmanager", "helm": None, "collector": None, "jsonnet_lint": None}
NEWEST_NAMES = {"collector": "otelcol-test"}
# These exist once: the newest version is not built, or is no different.
ONE_VERSION = {"busybox", "influxd", "vmagent"}


def pytest_addoption(parser):
    group = parser.getgroup("hostnorm")
    group.addoption("--hostnorm", type=pathlib.Path, help="the program to test; default: the newest build in target/")
    group.addoption("--newest", action="store_true", help="run the tests marked `newest`, with the newest tools instead of Debian's")
    group.addoption("--reproducible", action="store_true", help="run the test that builds the release a second time elsewhere")
    group.addoption("--load", action="store_true", help="run the tests under load, which take five minutes and a quiet machine")
    group.addoption("--tools", type=pathlib.Path, help="directory of the newest tools; default: $TOOLS_DIR or ~/.cache/test-tools/bin")
    group.addoption("--quality-data", type=pathlib.Path, help="directory of the whole labeled data sets")
    group.addoption("--shipped", action="store_true", help="run the end-to-end test with the intervals as shipped (15 minutes)")
    group.addoption("--schema-seconds", type=int, default=40, help="duration of the test of the API by schemathesis (default: 40)")
    group.addoption("--ticks", type=int, default=200, help="readings beside each hostile collector of traces (default: 200)")


def pytest_collection_modifyitems(config, items):
    newest = config.getoption("newest")

    def selected(item):
        if item.get_closest_marker("reproducible"):
            return config.getoption("reproducible")
        if item.get_closest_marker("load"):
            return config.getoption("load")
        marker = item.get_closest_marker("newest")
        given = marker.kwargs if marker else {"never": True}
        return not given.get("never") if newest else not given.get("only")

    kept = [it for it in items if selected(it)]
    config.hook.pytest_deselected(items=[it for it in items if not selected(it)])
    # The longest first, so that none of them is left for the end.
    items[:] = sorted(kept, key=lambda it: it.get_closest_marker("slow") is None)


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and os.geteuid():
        missing("root: run as root, or `./check`")


def missing(what):
    """Ends the test: a failure in CI, where everything must be installed; elsewhere the test is skipped."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"missing {what}", pytrace=False)
    pytest.skip(f"missing {what}")


class Tools:
    """The path of each outside program by name, such as `tools.prometheus`."""

    def __init__(self, config):
        self.newest = config.getoption("newest")
        self.quality_data = config.getoption("quality_data")
        self.shipped = config.getoption("shipped")
        self.ticks = config.getoption("ticks")
        self.schema_seconds = config.getoption("schema_seconds")
        default = os.environ.get("TOOLS_DIR") or pathlib.Path.home() / ".cache/test-tools/bin"
        self.folder = pathlib.Path(config.getoption("tools") or default)
        self.given = config.getoption("hostnorm")
        # Cargo finds its subcommands here, such as `cargo deb`.
        os.environ["PATH"] += f":{self.folder.parent / 'cargo/bin'}"

    @property
    def hostnorm(self):
        return built(self.given)

    @property
    def dynamic(self):
        """A build that takes LD_PRELOAD, which the static one does not."""
        return existing(target() / "debug/hostnorm", "target/debug/hostnorm: run `cargo build`")

    def has(self, name):
        """Whether this set of tools includes it at all."""
        return name in ONE_VERSION or (NEWEST_NAMES if self.newest else OLDEST_NAMES).get(name, name) is not None

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        if self.newest and name not in ONE_VERSION:
            program = NEWEST_NAMES.get(name, name).replace("_", "-")
            return existing(self.folder / program, f"{program} in {self.folder}: run tools/tools.sh")
        program = OLDEST_NAMES.get(name, name)
        path = program and shutil.which(program.replace("_", "-"))
        return path or missing(f"{program or name}: run `./check`, which installs it")


def existing(path, what):
    return str(path) if path.exists() else missing(what)


def target():
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def built(given):
    if given:
        return existing(given.resolve(), f"{given}")
    found = [*target().glob("*/dist/hostnorm"), *(target() / it / "hostnorm" for it in ("dist", "release", "debug"))]
    found = [it for it in found if it.exists()]
    if not found:
        missing("the program: run `cargo build --release`")
    return str(max(found, key=lambda it: it.stat().st_mtime).resolve())


@pytest.fixture(scope="session")
def tools(pytestconfig):
    return Tools(pytestconfig)


@pytest.fixture
def start(tools):
    """Starts programs that end with the test; their log is shown if it fails."""
    with Start(tools) as it:
        yield it
        print(it.said())


@pytest.fixture
def folder(start):
    """A directory, removed after the test."""
    return str(start.place())
