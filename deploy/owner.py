#!/usr/bin/env python3
"""Publishes under another owner or registry: writes them to .github/publish.env and to all files that name them.

    owner.py                     report files that name another owner or registry than .github/publish.env; exit status 1 if there is one
    owner.py OWNER [REGISTRY]    write them; then run helm/generate.py and prometheus/mixin/generate.sh
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PLACE = ROOT / ".github/publish.env"
# A reference to an image or a repository of hostnorm's: `github.com/OWNER/hostnorm`, `REGISTRY/OWNER/hostnorm` or its charts.
URL = r"github\.com/({owner})/hostnorm\b"
IMAGE = r"({registry})/({owner})/(?=hostnorm\b|charts\b)"


def settings():
    return dict(re.findall(r"^([A-Z]+)=(.+)$", PLACE.read_text(), re.M))


def files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        path = ROOT / name
        # Data of others, and what is generated.
        if name and path.is_file() and not name.startswith(("tests/it/", "tests/quality/", "tests/fixtures/", "fuzz/", "grafana/", "Cargo.lock", "deploy/owner.py")):
            try:
                yield name, path.read_text()
            except UnicodeDecodeError:
                continue


def main():
    if len(sys.argv) > 3 or any(it.startswith("-") for it in sys.argv[1:]):
        print(__doc__)
        sys.exit(64)
    now = settings()
    owner, registry = re.escape(now["OWNER"]), re.escape(now["REGISTRY"])
    if len(sys.argv) == 1:
        wrong = []
        for name, text in files():
            for found in re.finditer(URL.format(owner=r"[\w-]+"), text):
                if found[1] != now["OWNER"]:
                    wrong.append(f"{name}: {found[0]} is not of {now['OWNER']}")
        values = (ROOT / "helm/hostnorm/values.yaml").read_text()
        if f"registry: {now['REGISTRY']}\n" not in values or f"repository: {now['OWNER']}/{now['REPOSITORY']}\n" not in values:
            wrong.append("helm/hostnorm/values.yaml: image is not the one of .github/publish.env")
        for name in ("deploy/compose.yaml", "docs/install.md"):
            if f"{now['REGISTRY']}/{now['OWNER']}/{now['REPOSITORY']}:" not in (ROOT / name).read_text():
                wrong.append(f"{name}: does not name the image of .github/publish.env")
        print("\n".join(wrong), end="\n" if wrong else "")
        sys.exit(bool(wrong))
    new_owner, new_registry = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else now["REGISTRY"]
    for name, text in files():
        made = re.sub(URL.format(owner=owner), f"github.com/{new_owner}/hostnorm", text)
        made = re.sub(IMAGE.format(owner=owner, registry=registry), f"{new_registry}/{new_owner}/", made)
        if name == "helm/hostnorm/values.yaml":
            made = re.sub(rf"^(  registry: ){registry}$", rf"\g<1>{new_registry}", made, count=1, flags=re.M)
            made = made.replace(f"repository: {now['OWNER']}/{now['REPOSITORY']}\n", f"repository: {new_owner}/{now['REPOSITORY']}\n")
        if name == ".github/publish.env":
            made = re.sub(r"^OWNER=.*$", f"OWNER={new_owner}", made, flags=re.M)
            made = re.sub(r"^REGISTRY=.*$", f"REGISTRY={new_registry}", made, flags=re.M)
        if made != text:
            (ROOT / name).write_text(made)


if __name__ == "__main__":
    main()
