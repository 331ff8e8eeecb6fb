"""SIGHUP: good settings take effect, bad ones are refused and those in effect stay, what was learned is kept."""

import signal

from program import fetch, note, until, value

SUCCESSFUL = "hostnorm_config_last_reload_successful"
SUCCEEDED_AT = "hostnorm_config_last_reload_success_timestamp_seconds"


def page(url):
    """The metrics; nothing before the first reading after new settings."""
    status, _, text = fetch(f"{url}/metrics")
    return text if status == 200 else ""


def test_reload(start):
    settings = start.folder / "settings.yaml"
    settings.write_text("interval: 100ms\nwarmup: 10s\n")
    program = start.hostnorm(f"--config.file={settings}", f"--storage.path={start.place()}")
    hangup = lambda: program.process.send_signal(signal.SIGHUP)
    says = lambda name: value(page(program.url), name)
    until("the first score", 30, lambda: says("anomaly_score") is not None)
    began = says(SUCCEEDED_AT)

    settings.write_text("interval: 100ms\nwarmpu: 10s\n")
    hangup()
    until("bad settings are counted", 10, lambda: says(SUCCESSFUL) == 0)
    assert says(SUCCEEDED_AT) == began and says("anomaly_score") is not None
    assert "warmpu" in start.said()

    settings.write_text("interval: 200ms\nwarmup: 10s\nmetrics: {raw: false}\n")
    hangup()
    until("good settings take effect", 10, lambda: (text := page(program.url)) and "hostnorm_load1" not in text)
    seconds = until("the score is back", 5, lambda: says("anomaly_score") is not None)
    assert says(SUCCESSFUL) == 1 and says(SUCCEEDED_AT) > began
    note(f"score back {seconds:.1f} s after new settings took effect")
