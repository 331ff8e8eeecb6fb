"""The page in a real Chromium: a fault appears without a reload, its explanation opens, and nothing is in the way of anybody.

The browser reaches the host by a name and over plain HTTP, as in a network: it trusts loopback with more.

With PICTURES=docs the pictures of the README are written into that directory.
"""

import base64
import contextlib
import io
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unicodedata

import pytest
from browser import axe, chromium, picture, press, said, scheme
from conftest import missing
from program import BURNER, LOOPBACK, faults, fetch, note, until, value

# What is tested is the page, not detection: a lower threshold makes an anomaly certain that is learned for seconds only.
FLAGS = ["--interval=100ms", "--warmup=20s", "--threshold=2.5", "--storage.commit-interval=1s"]
QUIET_SECONDS = 40
FOUND_SECONDS = 60
SCHEMES = ("light", "dark")
PICTURES = os.environ.get("PICTURES")

HOST = "db-1"
LOGIN = "alice:pAsSwOrD-7702"
BASIC = {"Authorization": "Basic " + base64.b64encode(LOGIN.encode()).decode()}
# A page without scripts reloads itself after 30 s.
RELOAD_SECONDS = 40
# Most streams of events for clients on this host.
LOCAL_EVENT_STREAMS_MAX = 12


def with_login(tools, folder):
    """The options for commands over TCP by a user."""
    user, password = LOGIN.split(":")
    done = subprocess.run([tools.hostnorm, "hash-password"], input=password + "\n", capture_output=True, text=True, check=True)
    users = pathlib.Path(folder, "users.yml")
    users.write_text(f"basic_auth_users:\n  {user}: {done.stdout}")
    return [f"--web.config.file={users}", "--web.enable-admin-api"]


def by_name(program, login=""):
    """The address of the page, by the name of the host."""
    return program.url.replace("127.0.0.1", HOST).replace("//", f"//{login}@" if login else "//")


def checked(browser, what):
    """Neither the console nor axe-core has anything to say, in both color schemes, which differ."""
    backgrounds = set()
    for name in SCHEMES:
        scheme(browser, name)
        found = axe(browser)
        assert not found, f"{what}, {name}: " + "\n".join(found)
        backgrounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(backgrounds) == len(SCHEMES), f"{what}: {backgrounds}"
    assert said(browser) == [], what


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0])?.textContent ?? ''", selector)


def visible(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0])?.checkVisibility() ?? false", selector)


def click(browser, name):
    """Clicks the button of this name, as a reader does."""
    from selenium.webdriver.common.by import By

    # Charts that arrive move what is below them while the pointer is on its way.
    browser.execute_script("arguments[0].click()", browser.find_element(By.XPATH, f"//button[.='{name}']"))


def is_first_load(browser):
    return browser.execute_script("return window.isFirstLoad === true")


@pytest.mark.alone
@pytest.mark.slow
def test_page(start, tools, folder):
    with chromium(tools.chromium, tools.chromedriver, height=1480, host=HOST) as browser:
        # After the browser, which takes its time to start: the page is seen while hostnorm learns.
        program = start.hostnorm(*FLAGS, *with_login(tools, folder), f"--storage.path={folder}/store")
        began = time.monotonic()
        anomalous = lambda: value(fetch(f"{program.url}/metrics", headers=BASIC)[2], "is_anomaly", kind="host")
        browser.get(by_name(program, LOGIN))
        browser.execute_script("window.isFirstLoad = true")
        assert text(browser, "#sentence").startswith("Learning"), text(browser, "#sentence")
        assert not visible(browser, "#accept button") and not visible(browser, "#confidence")
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
            assert visible(browser, "#accept button"), "no button Accept"
            until("the confidence", 10, lambda: visible(browser, "#confidence") and text(browser, "#confidence").endswith(" %"))
            until("the link to the episode", 30, lambda: visible(browser, "#open a"))
            until("causes and their charts", 30, lambda: text(browser, "#causes") and text(browser, ".card .chart title"))
            until("the episode in the table", 30, lambda: text(browser, "#details a[href*='episodes/']"))
            checked(browser, "anomaly")
            if PICTURES:
                # The curve shows the way up.
                time.sleep(15)
                shown(browser, pathlib.Path(PICTURES))
            accepted_elsewhere(browser, by_name(program))
            assert is_first_load(browser), "the page was loaded again"
            browser.execute_script("document.querySelector(\"#details a[href*='episodes/']\").click()")
            until("its explanation", 10, lambda: text(browser, "h1").startswith("Episode 2"))
            assert text(browser, ".sentence").startswith("Anomaly on host: "), text(browser, ".sentence")
            assert text(browser, "#causes") == "Causes"
            checked(browser, "episode")
            printed(browser)
            judged(browser)
        browser.get(f"{by_name(program)}/?range=7d&show=anomalies")
        checked(browser, "a week, anomalies only")
        browser.get(f"{by_name(program)}/episodes/2020-01-01T00%3A00%3A00Z")
        assert "no episode" in text(browser, ".sentence")


def printed(browser):
    """On paper there is the explanation with the command that repeats it, and nothing that needs a click."""
    try:
        import pypdf
    except ImportError:
        missing("pypdf: run `./check`, which installs it")
    file = io.BytesIO(base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"]))
    pages = pypdf.PdfReader(file).pages
    # Lines break elsewhere on paper, and some letters are joined.
    letters = lambda it: "".join(unicodedata.normalize("NFKC", it).split())
    words = letters("".join(it.extract_text() for it in pages))
    episode = text(browser, "h1").removeprefix("Episode ")
    lost = [it for it in (text(browser, ".sentence"), "Causes", f"hostnorm explain {episode}") if letters(it) not in words]
    useless = [it for it in ("Skip to content", "Reject", "Confirm") if letters(it) in words]
    assert not lost and not useless, f"not printed: {lost}; printed: {useless}: {words}"
    note(f"an episode is printed on {len(pages)} pages of {len(file.getvalue())} bytes")


def judged(browser):
    """The buttons of the page of an episode do what they say; the last verdict counts."""
    address = browser.current_url
    buttons = (
        ("Confirm", "is confirmed", "confirmed"),
        ("Reject", "is rejected", "rejected"),
        ("Forget", "forgotten", "rejected"),
    )
    for name, effect, verdict in buttons:
        click(browser, name)
        until("the answer", 10, lambda: text(browser, "h1") in ("Done", "Refused"))
        assert text(browser, "h1") == "Done" and effect in text(browser, ".sentence"), text(browser, "body")
        checked(browser, name)
        browser.get(address)
        until("the verdict", 10, lambda: verdict in shown_verdict(browser))


def shown_verdict(browser):
    browser.refresh()
    return browser.execute_script("return [...document.querySelectorAll('dt')].find(it => it.textContent === 'Verdict')?.nextSibling.textContent ?? ''")


def accepted_elsewhere(browser, url):
    """Accept, clicked in another tab, ends the anomaly, and the button goes away on the page that shows it."""
    first = browser.current_window_handle
    browser.switch_to.new_window("tab")
    browser.get(url)
    click(browser, "Accept")
    until("the answer", 10, lambda: text(browser, "h1") in ("Done", "Refused"))
    assert text(browser, "h1") == "Done", text(browser, "body")
    browser.close()
    browser.switch_to.window(first)
    until("the anomaly is over on the page", 10, lambda: text(browser, "#badge") == "normal")
    assert not visible(browser, "#accept button") and not visible(browser, "#open")


@pytest.mark.slow
def test_page_with_history(start, tools, folder):
    """A host with a past and a log as another subject; the page of the log is opened before its first reading."""
    log, settings = (pathlib.Path(folder, it) for it in ("app.log", "hostnorm.yaml"))
    log.write_text("started\n")
    # An anomaly would come and go below the reader's fingers.
    without_log = "detectors: {absence: off}\n"
    with_log = f"{without_log}logs:\n- {{name: app, file: {{paths: [{log}], from: start}}}}\n"
    settings.write_text(with_log)
    program = start.hostnorm(
        f"--config.file={settings}", *with_login(tools, folder), "--window=5", "--warmup=10s", "--threshold=1000",
        "--storage.commit-interval=1s", f"--storage.path={folder}/store",
    )
    api = lambda path: fetch(f"{program.url}{path}", headers=BASIC)
    until("the log is stored", 60, lambda: re.search("Last 1 hour: [1-9]", api("/?kind=log&subject=app")[2]))
    browsers = contextlib.ExitStack()
    with browsers:
        browser = browsers.enter_context(chromium(tools.chromium, tools.chromedriver, height=1480, host=HOST))
        plain = browsers.enter_context(chromium(tools.chromium, tools.chromedriver, host=HOST, scripts=False))
        while_a_subject_is_gone(browser, plain, program, log, lambda it: settings.write_text(with_log if it else without_log))
        browser.get(by_name(program))
        until("history and subjects", 60, lambda: text(browser, "#score-chart-title") and text(browser, "#subjects"))
        assert visible(browser, "#actions > form button")
        checked(browser, "history, subjects and buttons")
        by_keyboard(browser, by_name(program))
        of_another_site(browser, by_name(program))
        without_stream(browser, program)
        without_scripts(plain, by_name(program))


def while_a_subject_is_gone(browser, plain, program, log, log_is_read):
    """A page of a subject that is gone shows its past, and its present by itself when it is back, after a restart, too."""
    path = "/?kind=log&subject=app"
    gone = "log app has no current readings; this page shows its past"

    def restart(is_read):
        log_is_read(is_read)
        program.process.send_signal(signal.SIGHUP)

    restart(False)
    until("the log is gone", 30, lambda: gone in fetch(f"{program.url}{path}", headers=BASIC)[2])
    for it in (browser, plain):
        it.get(by_name(program, LOGIN) + path)
        assert text(it, "#sentence") == gone
    browser.execute_script("window.isFirstLoad = true")
    checked(browser, "without current readings")
    restart(True)
    with log.open("a") as file:
        file.write("a log without a new line has no reading\n")
    until("the page shows a reading", 30, lambda: text(browser, "#at").startswith("20") and text(browser, "#values"))
    until("the connection is back", 30, lambda: not visible(browser, "#connection"))
    assert text(browser, "#sentence") != gone and is_first_load(browser)
    # The server was away for a moment.
    said(browser)


FOCUSABLE = "a[href], button, summary, [tabindex='0']"
NAMES = f"""
const name = (it) => `${{it.tagName}} ${{it.getAttribute("aria-label") ?? it.textContent}}`;
const all = [...document.querySelectorAll("{FOCUSABLE}")].filter((it) => it.checkVisibility());
const active = document.activeElement;
const style = getComputedStyle(active);
return [all.map(name), name(active), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
"""


def tab_to(browser, name):
    """Presses Tab until the focus is on what is named so; gives the names on the way."""
    from selenium.webdriver import Keys

    passed = []
    while not passed or passed[-1] != name:
        press(browser, Keys.TAB)
        names, focused, is_marked = browser.execute_script(NAMES)
        assert is_marked, f"nothing shows that the focus is on {focused}"
        passed.append(focused)
        assert len(passed) <= len(names), f"Tab never gets to {name}: {passed}"
    return passed


def by_keyboard(browser, url):
    """All that can be clicked is reached by Tab, and Enter takes it; the page is fetched anew below the reader's fingers."""
    from selenium.webdriver import Keys

    browser.get(url)
    before = browser.execute_script(NAMES)[0]
    passed = tab_to(browser, before[-1])
    # What came or went meanwhile need not be among them.
    missed = set(before) & set(browser.execute_script(NAMES)[0]) - set(passed)
    assert not missed, f"not reached by Tab: {missed}"
    assert passed[0] == "A Skip to content", passed
    note(f"{len(passed)} stops of Tab")

    browser.get(url)
    tab_to(browser, "A Skip to content")
    press(browser, Keys.ENTER)
    until("the focus on the content", 10, lambda: browser.execute_script("return document.activeElement.id") == "content")
    tab_to(browser, "A All")
    browser.execute_script("window.focused = document.activeElement")
    until("the page is fetched anew", 20, lambda: browser.execute_script("return !window.focused.isConnected"))
    assert browser.execute_script(NAMES)[1] == "A All"
    tab_to(browser, "SUMMARY Baselines")
    press(browser, Keys.ENTER)
    until("the table", 10, lambda: visible(browser, "#baselines table"))
    browser.execute_script("window.focused = document.activeElement")
    until("the page is fetched anew", 20, lambda: browser.execute_script("return !window.focused.isConnected"))
    assert visible(browser, "#baselines table") and browser.execute_script(NAMES)[1] == "SUMMARY Baselines"

    browser.get(url)
    tab_to(browser, "A 6 hours")
    press(browser, Keys.ENTER)
    until("the other range", 10, lambda: browser.current_url.endswith("?range=6h"))
    tab_to(browser, "BUTTON Train")
    press(browser, Keys.ENTER)
    until("the answer", 10, lambda: text(browser, "h1") in ("Done", "Refused"))
    assert text(browser, "h1") == "Done", text(browser, "main")
    assert said(browser) == []


def of_another_site(browser, url):
    """A form of another site is refused, although the browser adds the password, and the refusal is a page."""
    browser.get(f"data:text/html,<form method=post action={url}/actions/train><button>Train</button></form>")
    click(browser, "Train")
    until("the answer", 10, lambda: text(browser, "h1"))
    assert text(browser, "h1") == "Forbidden" and "of another site" in text(browser, ".sentence"), text(browser, "body")
    said(browser)
    checked(browser, "refused")


def without_stream(browser, program):
    """While others have all places for streams, the page is kept current, says so, and takes the first free place."""
    address = program.url.removeprefix("http://")
    request = f"GET /events HTTP/1.1\r\nHost: {address}\r\nAuthorization: {BASIC['Authorization']}\r\n\r\n".encode()
    host, port = address.split(":")
    with contextlib.ExitStack() as places:

        def takes_place():
            stream = places.enter_context(socket.create_connection((host, int(port)), timeout=10))
            stream.sendall(request)
            return stream.recv(12).endswith(b" 200")

        browser.get("about:blank")
        for _ in range(LOCAL_EVENT_STREAMS_MAX):
            # A page that was left has its place until the next event.
            until("a place is free", 20, takes_place)
        browser.get(by_name(program))
        browser.execute_script("window.isFirstLoad = true")
        until("the page says so", 10, lambda: text(browser, "#connection") == "no stream of events; fetched every 5 s")
        assert visible(browser, "#connection")
        shown = text(browser, "#at")
        until("a newer reading", 20, lambda: text(browser, "#at") > shown)
        assert visible(browser, "#connection") and is_first_load(browser)
        errors = said(browser)
        assert errors and all("/events" in it and "503" in it for it in errors), errors
    until("the stream is back", 30, lambda: not visible(browser, "#connection"))
    said(browser)


def without_scripts(plain, url):
    """A browser that runs no scripts has all of the page, which reloads itself, and its buttons."""
    until("it reloads itself", RELOAD_SECONDS, lambda: text(plain, "#at").startswith("20"))
    plain.get(url)
    for part in ("#score-chart-title", "#subjects", "#detectors", "#values", "noscript meta[http-equiv=refresh]"):
        assert plain.execute_script("return document.querySelector(arguments[0]) !== null", part), part
    assert said(plain) == []
    click(plain, "Train")
    until("the answer", 10, lambda: text(plain, "h1") in ("Done", "Refused"))


def shown(browser, folder):
    for name in SCHEMES:
        scheme(browser, name)
        picture(browser, folder / f"page-{name}.png")
