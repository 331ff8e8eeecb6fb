#!/usr/bin/env python3
"""Writes NOTICE: the crates in the released program, with their licenses.

    notice.py            write NOTICE
    notice.py --check    exit with status 1 if NOTICE differs, such as after a change of Cargo.lock

Where a crate may be used under Apache-2.0, that license is taken, whose text is in LICENSE; the texts of all others are
printed. Build and test dependencies are not part of the program. Needs cargo, and the sources of the crates, which `cargo fetch`
brings.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTICE = ROOT / "NOTICE"
TARGETS = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"]
# The first that a crate offers is taken.
PREFERRED = ["Apache-2.0", "MIT", "ISC", "BSD-3-Clause", "Unicode-3.0", "Zlib", "CDLA-Permissive-2.0"]
# C libraries that a crate has in itself, under another license than its own.
BUNDLED = {
    "libsqlite3-sys": "SQLite, in the public domain (https://sqlite.org/copyright.html)",
    "zstd-sys": "Zstandard, BSD-3-Clause, Copyright (c) Meta Platforms, Inc. and affiliates",
}


def linked(target):
    """The packages that the program is linked with on this target: normal dependencies, without those of procedural macros."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"notice: {' '.join(command)}: {done.stderr}")
    metadata = json.loads(done.stdout)
    packages = {it["id"]: it for it in metadata["packages"]}
    nodes = {it["id"]: it for it in metadata["resolve"]["nodes"]}
    found, queue = set(), [metadata["resolve"]["root"]]
    while queue:
        for dependency in nodes[queue.pop()]["deps"]:
            of = packages[dependency["pkg"]]
            macro = any("proc-macro" in it["kind"] for it in of["targets"])
            normal = any(it["kind"] is None for it in dependency["dep_kinds"])
            if normal and not macro and of["id"] not in found:
                found.add(of["id"])
                queue.append(of["id"])
    return [packages[it] for it in found]


def taken(package):
    """The licenses that are taken of an expression such as `MIT OR Apache-2.0` or `(MIT OR Apache-2.0) AND Unicode-3.0`."""
    expression = (package["license"] or "").replace("/", " OR ")
    found = []
    for part in re.split(r"\s+AND\s+", expression):
        offered = re.findall(r"[A-Za-z0-9.+-]+(?: WITH [A-Za-z0-9.-]+)?", part.replace(" OR ", " , "))
        best = next((it for it in PREFERRED if it in offered), None)
        if best is None:
            sys.exit(f"notice: {package['name']} has the license {expression!r}; add it to {__file__} and deny.toml")
        found.append(best)
    return found


def texts(package, licenses):
    """The license files of a crate that are needed, and its NOTICE."""
    folder = pathlib.Path(package["manifest_path"]).parent
    names = sorted(it for it in folder.iterdir() if re.match(r"(LICEN[CS]E|COPYING|COPYRIGHT|UNLICENSE|NOTICE)", it.name, re.I))
    files = [it for it in names if it.is_file() and it.suffix not in (".rs", ".toml")]
    if licenses == ["Apache-2.0"]:
        return [it for it in files if it.name.upper().startswith("NOTICE")]
    # `LICENSE-MIT` and the like; a single file is for all.
    of = lambda it, license: license.split("-")[0].lower() in it.name.lower()
    needed = [it for it in files if any(of(it, license) for license in licenses)]
    plain = [it for it in files if not re.search(r"apache|mit|isc|bsd|unicode|zlib|unlicense", it.name, re.I)]
    return needed or plain or files


def made():
    packages = {(it["name"], it["version"]): it for target in TARGETS for it in linked(target)}
    lines = [
        "hostnorm", "Copyright 2026 The hostnorm authors", "",
        "The program contains these crates. Those under Apache-2.0 are under the license in the file LICENSE;",
        "the texts of the other licenses follow. Written by deploy/notice.py; do not edit.", "",
    ]  # fmt: skip
    printed = {}
    for (name, version), package in sorted(packages.items()):
        licenses = taken(package)
        lines.append(f"{name} {version}: {' AND '.join(licenses)}")
        for file in texts(package, licenses):
            text = "\n".join(it.rstrip() for it in file.read_text(errors="replace").strip().splitlines())
            printed.setdefault(text, []).append(f"{name} {version}")
        if name in BUNDLED:
            lines.append(f"  with {BUNDLED[name]}")
        if not texts(package, licenses) and licenses != ["Apache-2.0"]:
            # The crate has no file of its license; its authors are all it says.
            printed.setdefault(f"{' AND '.join(licenses)}, {', '.join(package['authors']) or package['repository']}", []).append(f"{name} {version}")
    for text, users in printed.items():
        lines += ["", "-" * 80, ", ".join(users), "", text]
    return "\n".join(lines) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        sys.exit(64)
    text = made()
    if not sys.argv[1:]:
        NOTICE.write_text(text)
    elif not NOTICE.exists() or NOTICE.read_text() != text:
        sys.exit("NOTICE is not that of Cargo.lock; run deploy/notice.py")


if __name__ == "__main__":
    main()
