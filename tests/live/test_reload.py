"""SIGHUP: good settings take effect, bad ones are refused and those in effect stay, what was learned is kept."""

import pathlib
import signal
import sys
import tempfile

from program import fetch, hostnorm, note, until, value

SUCCESSFUL = "hostnorm_config_last_reload_successful"
SUCCEEDED_AT = "hostnorm_config_last_reload_success_timestamp_seconds"


def page(url):
    """The metrics; nothing before the first reading after new settings."""
    status, _, text = fetch(f"{url}/metrics")
    return text if status == 200 else ""


def test_reload(options):
    binary = options.hostnorm
    with tempfile.TemporaryDirectory() as folder:
        settings = pathlib.Path(folder, "settings.yaml")
        settings.write_text("interval: 100ms\nwarmup: 10s\n")
        options = [f"--config.file={settings}", f"--storage.path={folder}/store"]
        with open(f"{folder}/log", "w+") as log, hostnorm(binary, *options, log=log) as program:
            hangup = lambda: program.process.send_signal(signal.SIGHUP)
            says = lambda name: value(page(program.url), name)
            known = lambda text: text in pathlib.Path(log.name).read_text()
            until("the first score", 30, lambda: says("anomaly_score") is not None)
            began = says(SUCCEEDED_AT)

            settings.write_text("interval: 100ms\nwarmpu: 10s\n")
            hangup()
            until("bad settings are counted", 10, lambda: says(SUCCESSFUL) == 0)
            if says(SUCCEEDED_AT) != began or not known("warmpu") or says("anomaly_score") is None:
                sys.exit(f"bad settings were not refused as they should be:\n{pathlib.Path(log.name).read_text()}")

            settings.write_text("interval: 200ms\nwarmup: 10s\nmetrics: {raw: false}\n")
            hangup()
            until("good settings take effect", 10, lambda: (text := page(program.url)) and "hostnorm_load1" not in text)
            seconds = until("the score is back", 5, lambda: says("anomaly_score") is not None)
            if says(SUCCESSFUL) != 1 or says(SUCCEEDED_AT) <= began:
                sys.exit("good settings are not counted")
            note(f"score back {seconds:.1f} s after new settings took effect")
