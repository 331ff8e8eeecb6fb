"""Drives a real Chromium, and looks for what axe-core finds."""

import contextlib
import os
import pathlib
import tempfile

from conftest import missing

# Where `./check` puts it: npm's package, of the version in `check`.
AXE = pathlib.Path(os.environ.get("TOOLS_DIR") or pathlib.Path.home() / ".cache/test-tools/bin").parent / "npm/node_modules/axe-core/axe.min.js"


@contextlib.contextmanager
def chromium(browser, driver, width=1280, height=1000, host=None, scripts=True):
    """A browser without a window; its console is in `said(browser)`. It finds `host`, if given, on loopback."""
    try:
        from selenium import webdriver
    except ImportError:
        missing("selenium: run `./check`, which installs it")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    with tempfile.TemporaryDirectory(prefix="hostnorm-browser.") as profile:
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        for it in [*arguments, f"--window-size={width},{height}", f"--user-data-dir={profile}"]:
            options.add_argument(it)
        if host:
            options.add_argument(f"--host-resolver-rules=MAP {host} 127.0.0.1")
        if not scripts:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # Nothing is downloaded: both programs are given.
        it = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
        it.set_script_timeout(180)
        try:
            yield it
        finally:
            it.quit()


def said(browser):
    """What the console shows since the last call: errors and warnings, also those of the Content-Security-Policy."""
    return [it["message"] for it in browser.get_log("browser") if it["level"] in ("SEVERE", "WARNING")]


def press(browser, *keys):
    """Presses keys, one after the other."""
    from selenium.webdriver import ActionChains

    for it in keys:
        ActionChains(browser).send_keys(it).perform()


def scheme(browser, name):
    """Shows pages as for a reader who prefers `light` or `dark`."""
    feature = {"name": "prefers-color-scheme", "value": name}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})


def axe(browser):
    """What axe-core finds of impact serious or critical, as lines."""
    if not AXE.exists():
        missing(f"axe-core in {AXE}: run `./check`, which installs it")
    browser.execute_script(AXE.read_text())
    found = browser.execute_async_script("axe.run(document).then(arguments[0])")
    return [
        f"{it['id']}: {it['help']}: {node['html'][:200]}"
        for it in found["violations"]
        if it["impact"] in ("serious", "critical")
        for node in it["nodes"]
    ]


def picture(browser, path):
    """Writes what is in the window."""
    path.write_bytes(browser.get_screenshot_as_png())
