"""A release is the same bytes wherever it is made: the tree is built a second time elsewhere, and both are packed.

Takes minutes: a whole build of the program. The first one is that which the other checks run.
"""

import os
import pathlib
import subprocess
import tempfile
import time

import pytest
from program import note

ROOT = pathlib.Path(__file__).parents[2]


def run(*command, **more):
    done = subprocess.run([str(it) for it in command], capture_output=True, text=True, timeout=1500, **more)
    if done.returncode:
        pytest.fail(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


@pytest.mark.reproducible
def test_release(tools):
    program = tools.hostnorm
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        # Elsewhere, and deeper; without the repository, as from an archive of the sources.
        elsewhere = folder / "some/where/else"
        elsewhere.mkdir(parents=True)
        # As the files are now, committed or not.
        run("sh", "-c", f"git ls-files -z | tar --create --null --files-from=- | tar --extract --directory={elsewhere}", cwd=ROOT)
        git = lambda *words: run("git", "-C", ROOT, *words)
        env = {name: value for name, value in os.environ.items() if name not in ("RUSTFLAGS", "CFLAGS")}
        env |= {"BUILD_REVISION": git("rev-parse", "--short=12", "HEAD"), "SOURCE_DATE_EPOCH": git("log", "-1", "--format=%ct")}
        there = {**env, "CARGO_TARGET_DIR": str(folder / "target")}
        second = run(elsewhere / "deploy/build.sh", env=there)
        built = time.monotonic() - began
        if pathlib.Path(program).read_bytes() != pathlib.Path(second).read_bytes():
            pytest.fail("two builds of the same sources differ; see docs/adr/033")
        text = pathlib.Path(program).read_bytes()
        told = [it for it in (str(ROOT), os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo"))) if it.encode() in text]
        if told:
            pytest.fail(f"the program tells where it was built: {told}")
        sums = []
        for tree, built_program, more in ((ROOT, program, env), (elsewhere, second, there)):
            out = folder / f"out{len(sums)}"
            run(tree / "deploy/release.sh", out, "--draft", "--program", built_program, env=more, cwd=tree)
            sums.append((out / "sha256sums.txt").read_text())
        if sums[0] != sums[1]:
            pytest.fail(f"packages differ:\n{sums[0]}\n{sums[1]}")
    note(f"program, tarball, deb, rpm and SBOM are equal; the second build took {built:.0f} s")
