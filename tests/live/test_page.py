"""The page in a real Chromium: a fault appears without a reload, its explanation opens, and nothing is in the way of anybody.

With PICTURES=docs the pictures of the README are written into that directory.
"""

import os
import pathlib
import time

import pytest
from browser import axe, chromium, picture, said, scheme
from program import BURNER, LOOPBACK, faults, fetch, note, until, value

# What is tested is the page, not detection: a lower threshold makes an anomaly certain that is learned for seconds only.
FLAGS = ["--interval=100ms", "--warmup=20s", "--threshold=2.5", "--storage.commit-interval=1s"]
QUIET_SECONDS = 40
FOUND_SECONDS = 60
SCHEMES = ("light", "dark")
PICTURES = os.environ.get("PICTURES")


def checked(browser, what):
    """Neither the console nor axe-core has anything to say, in both color schemes."""
    for name in SCHEMES:
        scheme(browser, name)
        found = axe(browser)
        assert not found, f"{what}, {name}: " + "\n".join(found)
    assert said(browser) == [], what


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)


@pytest.mark.alone
@pytest.mark.slow
def test_page(start, tools, folder):
    program = start.hostnorm(*FLAGS, f"--storage.path={folder}")
    began = time.monotonic()
    anomalous = lambda: value(fetch(f"{program.url}/metrics")[2], "is_anomaly", kind="host")
    with chromium(tools.chromium, tools.chromedriver, height=1480) as browser:
        browser.get(program.url)
        browser.execute_script("window.isFirstLoad = true")
        assert text(browser, "#sentence").startswith("Learning"), text(browser, "#sentence")
        checked(browser, "learning")
        until("the first score", 60, lambda: text(browser, "#badge") == "normal")
        time.sleep(max(0, began + QUIET_SECONDS - time.monotonic()))
        until("a chart of the score", 30, lambda: text(browser, "#score-chart-title") == "Score, last 1 hour")
        checked(browser, "normal")
        with faults(*[BURNER] * os.cpu_count(), LOOPBACK):
            note(f"is_anomaly 1 after {until('is_anomaly 1', FOUND_SECONDS, lambda: anomalous() == 1):.1f} s")
            seconds = until("the page shows it", 10, lambda: text(browser, "#badge") == "anomaly")
            note(f"on the page after {seconds:.1f} s more")
            assert text(browser, "#sentence").startswith("Anomaly on host: "), text(browser, "#sentence")
            until("causes and their charts", 30, lambda: text(browser, "#causes") and text(browser, ".card .chart title"))
            until("the episode in the table", 30, lambda: text(browser, "#details a[href*='episodes/']"))
            checked(browser, "anomaly")
            if PICTURES:
                # The curve shows the way up.
                time.sleep(15)
                shown(browser, pathlib.Path(PICTURES))
            assert browser.execute_script("return window.isFirstLoad"), "the page was loaded again"
            browser.execute_script("document.querySelector(\"#details a[href*='episodes/']\").click()")
            until("its explanation", 10, lambda: text(browser, "h1").startswith("Episode 2"))
            assert text(browser, ".sentence").startswith("Anomaly on host: "), text(browser, ".sentence")
            assert text(browser, "#causes") == "Causes"
            checked(browser, "episode")
            printed = browser.execute_cdp_cmd("Page.printToPDF", {})["data"]
            note(f"printed: {len(printed) * 3 // 4} bytes")
        browser.get(f"{program.url}/?range=7d&show=anomalies")
        checked(browser, "a week, anomalies only")
        browser.get(f"{program.url}/episodes/2020-01-01T00%3A00%3A00Z")
        assert "no episode" in text(browser, ".sentence")
    without_script(program.url)


def without_script(url):
    """All is there without scripts, and the page reloads itself."""
    status, headers, page = fetch(url)
    assert status == 200 and "unsafe" not in headers["Content-Security-Policy"]
    for part in ("<noscript><meta http-equiv=\"refresh\"", "score-chart", "id=\"detectors\"", "Recent points", "Episodes"):
        assert part in page, part
    assert "style=" not in page


def shown(browser, folder):
    for name in SCHEMES:
        scheme(browser, name)
        picture(browser, folder / f"page-{name}.png")
