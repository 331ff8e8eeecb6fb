"""The web configuration that the chart makes is one that hostnorm and exporter-toolkit load."""

import pathlib
import subprocess

import pytest
import yaml
from certificates import authority, signed
from chart import ci, helm, one

pytestmark = pytest.mark.newest(reason="exporter-toolkit reads the file by newer code, and Helm 3 and 4 render it by different code")


@pytest.mark.parametrize("name", ["web-config", "client-certificates", "health-password"])
def test_made_file_is_taken(tools, folder, name):
    made, said = helm(tools.helm if tools.newest else None).render(yaml.safe_load(ci()[name].read_text()))
    assert made, said
    folder = pathlib.Path(folder)
    # As in the Secret that the chart mounts at /etc/tls.
    authority(folder, "ca")
    signed(folder, "ca", "tls")
    made_file = one(made, "Secret")["stringData"]["web-config.yml"].replace("/etc/tls/", f"{folder}/")
    settings, file = folder / "hostnorm.yaml", folder / "web-config.yml"
    settings.write_text(one(made, "ConfigMap")["data"]["hostnorm.yaml"])
    commands = ([tools.hostnorm, "check", f"--config.file={settings}", f"--web.config.file={file}"], [tools.promtool, "check", "web-config", file])
    for more, is_valid in (("", True), ("unknown_key: 1\n", False)):
        content = yaml.safe_load(made_file + more)
        if not tools.newest:
            # Debian's promtool is older than this key.
            content.pop("rate_limit", None)
        for command, text in zip(commands, (made_file + more, yaml.safe_dump(content)), strict=True):
            file.write_text(text)
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            assert (done.returncode == 0) == is_valid, f"{command}: {done.stdout}{done.stderr}\n{text}"
