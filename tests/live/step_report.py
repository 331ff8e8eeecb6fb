"""Reports each live test as one line with its outcome and time, and what the test noted below it."""

import re


def pytest_addoption(parser):
    parser.getgroup("hostnorm").addoption("--steps", metavar="FILE", help="append seconds, outcome and name of each test, for ./check")


def pytest_configure(config):
    # Workers of xdist report to the process that started them.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Steps(config), "steps-report")


def name(nodeid):
    """`test_store.py::test_disk_full[tmpfs]` is "store: disk full (tmpfs)"."""
    file, _, function = nodeid.partition("::")
    # xdist adds the group.
    function, _, case = re.sub(r"@\w+$", "", function).partition("[")
    module = re.sub(r".*test_|\.py$", "", file).replace("_", " ")
    words = function.removeprefix("test_").replace("_", " ")
    return (module if words == module else f"{module}: {words}") + (f" ({case.removesuffix(']')})" if case else "")


class Steps:
    def __init__(self, config):
        self.config, self.path, self.reports = config, config.getoption("steps"), {}

    def pytest_report_teststatus(self, report):
        """One line a test instead of a letter a phase."""
        if report.when == "call" or report.outcome != "passed":
            return report.outcome, "", ""
        return "", "", ""

    def pytest_runtest_logreport(self, report):
        reports = self.reports.setdefault(report.nodeid, [])
        reports.append(report)
        if report.when == "teardown":
            self.tell(name(report.nodeid), self.reports.pop(report.nodeid))

    def tell(self, step, reports):
        outcomes = {it.outcome for it in reports}
        outcome = "FAILED" if "failed" in outcomes else "skipped" if "skipped" in outcomes else "ok"
        seconds = sum(it.duration for it in reports)
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        terminal.write_line(f"{step[:45]:<46} {outcome:<7} {seconds:4.0f} s")
        for line in reports[-1].capstdout.splitlines():
            if line.startswith("NOTE: "):
                terminal.write_line(f"    {line.removeprefix('NOTE: ')}")
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(f"{seconds:.0f}\t{outcome}\t{step}\n")
