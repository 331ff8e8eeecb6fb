"""Starts programs for a test, each ready when it is returned and ended with the test."""

import contextlib
import json
import pathlib
import tempfile

import shipped_stack
import program
from receivers import Receivers


class Start(contextlib.ExitStack):
    """What a test runs beside itself. All programs write into one log; `said()` is its end."""

    def __init__(self, tools):
        super().__init__()
        self.tools = tools
        self.folder = pathlib.Path(self.enter_context(tempfile.TemporaryDirectory(prefix="hostnorm-test.")))
        # Programs without rights pass through it.
        self.folder.chmod(0o755)
        self.log = self.enter_context(open(self.folder / "log", "w+"))

    def said(self, size=4000):
        return (self.folder / "log").read_text(errors="replace")[-size:]

    def place(self):
        """A new directory."""
        return pathlib.Path(tempfile.mkdtemp(dir=self.folder))

    def running(self, it, seconds=60):
        self.enter_context(it)
        it.ready(seconds)
        return it

    def hostnorm(self, *options, **variables):
        return self.running(program.hostnorm(self.tools.hostnorm, *options, log=self.log, **variables))

    def receivers(self):
        """Loopback servers in the place of Slack, Discord, PagerDuty, a webhook and a mail server."""
        return self.enter_context(Receivers())

    def alertmanager(self, config):
        """An Alertmanager with a configuration that `shipped_stack.alertmanager_config` made."""
        return self.running(shipped_stack.alertmanager(self.tools.alertmanager, self.place(), config, self.log))

    def prometheus(self, scrape, rules=(), alertmanager=None, interval="1s", options=()):
        """A Prometheus; `scrape` is its scrape_configs, or the hostnorms that it scrapes."""
        if scrape and isinstance(scrape[0], program.Running):
            targets = [it.url.removeprefix("http://") for it in scrape]
            scrape = [{"job_name": "hostnorm", "static_configs": [{"targets": targets}]}]
        server = shipped_stack.prometheus(
            self.tools.prometheus, self.place(), rules, json.dumps(scrape), alertmanager, interval, self.log, options
        )
        return self.running(server)
