"""A container as the chart describes it, without a container engine: its mounts, its user, its namespaces.

Needs root. It is what a runtime does: namespaces of its own for mounts, network, processes, host name and IPC; the root file
system read-only; all capabilities dropped; hostnorm as process 1.
"""

import argparse
import ctypes
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import chart
import yaml

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 24, 38
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Container:
    """The container of hostnorm in a rendered chart, running; asked from within its network."""

    def __init__(self, made, binary, *flags, store=None):
        self.spec, self.container = chart.pod(made)
        self.settings = next(it["data"] for it in made if it["kind"] == "ConfigMap" and "hostnorm.yaml" in it.get("data", {}))
        self.port = yaml.safe_load(self.settings["hostnorm.yaml"])["web"]["listen_address"][0].removeprefix(":")
        self.folder = tempfile.TemporaryDirectory(prefix="hostnorm-container.")
        self.root = pathlib.Path(self.folder.name, "root")
        self.store = store or pathlib.Path(self.folder.name, "store")
        self.log = pathlib.Path(self.folder.name, "log")
        self.flags, self.binary = flags, pathlib.Path(binary).resolve()

    def __enter__(self):
        # Whoever is not root has to get through to what is mounted here.
        os.chmod(self.folder.name, 0o755)
        self.image()
        plan = {
            "root": str(self.root),
            "mounts": [self.mount(it) for it in self.container["volumeMounts"]],
            "user": self.spec["securityContext"]["runAsUser"],
            "group": self.spec["securityContext"]["runAsGroup"],
            "command": ["/bin/hostnorm", *self.container.get("args", []), *self.flags],
            "env": {it["name"]: it["value"] for it in self.container["env"]},
            "url": f"http://127.0.0.1:{self.port}",
        }
        command = ["unshare", "--mount", "--net", "--uts", "--ipc", "--propagation", "slave"]
        self.process = subprocess.Popen(
            [*command, sys.executable, __file__, "--namespaces", json.dumps(plan)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.folder.cleanup()

    def image(self):
        """The image: the program, and where it is not static, what it is linked with."""
        for folder in ("bin", "proc", "etc/hostnorm", "var/lib/hostnorm"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(self.binary, self.root / "bin/hostnorm")
        linked = subprocess.run(["ldd", self.binary], capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", linked):
            target = self.root / library.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)

    def mount(self, mount):
        """From where to where, read-only or not, and how it is propagated."""
        volume = next(it for it in self.spec["volumes"] if it["name"] == mount["name"])
        if "configMap" in volume:
            source = pathlib.Path(self.folder.name, "config")
            source.mkdir()
            for name, text in self.settings.items():
                (source / name).write_text(text)
        elif mount["mountPath"] == "/var/lib/hostnorm":
            source = self.store
            if "hostPath" in volume and not source.exists():
                # As the kubelet and the init container leave it.
                source.mkdir(mode=0o755)
                os.chown(source, self.spec["securityContext"]["runAsUser"], self.spec["securityContext"]["runAsGroup"])
            if "emptyDir" in volume:
                source.mkdir()
                os.chown(source, 0, self.spec["securityContext"]["fsGroup"])
                os.chmod(source, 0o2777)
        else:
            source = pathlib.Path(volume["hostPath"]["path"])
        target = self.root / mount["mountPath"].lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        propagation = {"HostToContainer": "rslave"}.get(mount.get("mountPropagation"), "rprivate")
        return str(source), str(target), mount.get("readOnly", False), propagation

    def page(self, seconds=20):
        """What hostnorm says on /metrics, asked within the container's network."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page = self.ask("scrape")
            if page is None:
                break
            if "hostnorm_host_uptime_seconds" in page or "hostnorm_cpus_online" in page:
                return page
            time.sleep(0.1)
        sys.exit(f"hostnorm in a container has no metrics:\n{self.said()}")

    def execute(self, *words):
        """What a command says that is run in the container, as by `kubectl exec`."""
        return self.ask(json.dumps(words))

    def ask(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        return json.loads(answer) if answer else None

    def said(self):
        return self.log.read_text()


def namespaces(plan):
    """Within the namespaces: makes the mounts, starts hostnorm, scrapes it or runs a command whenever it is told to."""
    mount("--rbind", plan["root"], plan["root"])
    for source, target, readonly, propagation in plan["mounts"]:
        mount("--rbind", source, target)
        mount(f"--make-{propagation}", target)
        if readonly:
            mount("-o", "remount,bind,ro", target)
    loopback()
    command = ["unshare", "--pid", "--mount", "--fork", "--kill-child", sys.executable, __file__, "--first", json.dumps(plan)]
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    for line in sys.stdin:
        if line != "scrape\n":
            user = f"--userspec={plan['user']}:{plan['group']}"
            enter = [shutil.which("chroot"), user, plan["root"], *json.loads(line)]
            done = subprocess.run(enter, env={"PATH": "/bin", **plan["env"]}, capture_output=True, text=True, check=False)
            print(json.dumps(done.stdout + done.stderr), flush=True)
            continue
        try:
            with urllib.request.urlopen(f"{plan['url']}/metrics", timeout=5) as answer:
                page = answer.read().decode()
        except OSError:
            page = ""
        print(json.dumps(page), flush=True)
    running.kill()
    running.wait()


def first(plan):
    """Process 1 of the container: takes away from itself what the chart takes away, and becomes hostnorm."""
    mount("-t", "proc", "proc", f"{plan['root']}/proc")
    mount("-o", "remount,bind,ro", plan["root"])
    os.chroot(plan["root"])
    os.chdir("/")
    for capability in range(64):
        LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.setgroups([plan["group"]])
    os.setgid(plan["group"])
    os.setuid(plan["user"])
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        sys.exit("cannot give up new privileges")
    # Another user is asked anew whether it ends with its parent.
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execve(plan["command"][0], plan["command"], plan["env"])


def mount(*options):
    subprocess.run(["mount", *options], check=True)


def loopback():
    """A new network has a loopback that is down."""
    with socket.socket() as it:
        asked = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(it, SIOCGIFFLAGS, asked))[1]
        fcntl.ioctl(it, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--namespaces", type=json.loads)
    parser.add_argument("--first", type=json.loads)
    given = parser.parse_args()
    if given.namespaces:
        namespaces(given.namespaces)
    else:
        first(given.first)
