// Keeps the page current: the state by events, the rest by fetching the page again. Without events, because all places for
// streams are taken, it fetches everything. Without this script, the page reloads itself.
"use strict";

(() => {
  const RETRY_MIN_MS = 5_000;
  const RETRY_MAX_MS = 60_000;
  // The address without a user and a password, with which a browser refuses to fetch.
  const address = location.origin + location.pathname + location.search;
  const find = (id) => document.getElementById(id);
  const [status, details] = [find("status"), find("details")];
  const period = status.dataset.refresh * 1_000;
  let events = 0;
  let isStreaming = false;
  let isLoading = false;
  // Whether the page shows less than is known, and must be fetched before its time.
  let isStale = false;
  // What failed at the last fetch, and how often in a row.
  let failure = null;
  let failures = 0;
  let nextFetch = performance.now() + period;
  let streamRetry = RETRY_MIN_MS;

  const text = (id, value) => {
    if (find(id).textContent !== value) find(id).textContent = value;
  };
  const fact = (id, value) => {
    text(id, value ?? "–");
    find(id).parentElement.hidden = value === undefined;
  };

  function connect() {
    const source = new EventSource(new URL(status.dataset.events, address));
    source.addEventListener("open", () => {
      [isStreaming, streamRetry, isStale] = [true, RETRY_MIN_MS, true];
      showConnection();
    });
    source.addEventListener("error", () => {
      [isStreaming, isStale] = [false, isStale || isStreaming];
      showConnection();
      // A browser tries again where nobody answers, but never after a refusal.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(connect, streamRetry);
      streamRetry = Math.min(2 * streamRetry, RETRY_MAX_MS);
    });
    source.addEventListener("message", show);
  }

  function showConnection() {
    const polled = failure === null ? `no stream of events; fetched every ${period / 1_000} s` : `${failure}; trying again`;
    fact("connection", isStreaming && failure === null ? undefined : polled);
  }

  function show(event) {
    const summary = JSON.parse(event.data);
    events += 1;
    isStale ||= status.dataset.state !== summary.state || !details.hasChildNodes();
    status.dataset.state = summary.state;
    text("badge", summary.state);
    text("sentence", summary.sentence);
    text("score", summary.score?.toFixed(2) ?? "–");
    fact("confidence", summary.confidence === undefined ? undefined : `${(summary.confidence * 100).toFixed(0)} %`);
    text("at", new Date(summary.at * 1_000).toISOString().slice(0, 19).replace("T", " "));
    // These come with the page, and go with the anomaly.
    if (!summary.is_anomaly) find("open").hidden = true;
    find("accept")?.toggleAttribute("hidden", !summary.is_anomaly);
    refreshIfDue();
  }

  function refreshIfDue() {
    if (!isLoading && !document.hidden && (isStale || performance.now() >= nextFetch)) refresh();
  }

  async function refresh() {
    [isLoading, isStale] = [true, false];
    const seen = events;
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      if (!response.ok) throw new Error(`refused with status ${response.status}`);
      take(page, events === seen);
      [failure, failures] = [null, 0];
    } catch (error) {
      // Where nobody answers, fetch throws a TypeError.
      [failure, failures] = [error instanceof TypeError ? "lost" : error.message, failures + 1];
    } finally {
      isLoading = false;
      nextFetch = performance.now() + Math.max(period, Math.min(period * 2 ** failures, RETRY_MAX_MS));
      showConnection();
    }
  }

  // Shows a page from the server; its state only if no event has told of a newer one.
  function take(page, isNewest) {
    const fresh = page.getElementById("status");
    if (isNewest) {
      status.dataset.state = fresh.dataset.state;
      for (const id of ["badge", "sentence", "score", "confidence", "at"]) text(id, page.getElementById(id).textContent);
      find("confidence").parentElement.hidden = page.getElementById("confidence").parentElement.hidden;
    }
    if (status.dataset.state === fresh.dataset.state) {
      replace(find("open"), page);
      replace(find("actions"), page);
    }
    document.title = page.title;
    // Who selects text wants to copy it.
    const selection = getSelection();
    if (selection.isCollapsed || !details.contains(selection.anchorNode)) replace(details, page);
  }

  // Replaces what the server rendered, and keeps what the reader did: opened details, focus, scrolled tables.
  function replace(old, page) {
    const fresh = page.getElementById(old.id);
    for (const it of old.querySelectorAll("details[open]")) fresh.querySelector(`#${it.id}`)?.setAttribute("open", "");
    if (old.isEqualNode(fresh)) return;
    const left = new Map([...old.querySelectorAll(".scroll")].map((it) => [key(it), it.scrollLeft]));
    const focus = old.contains(document.activeElement) ? key(document.activeElement) : null;
    old.replaceChildren(...fresh.childNodes);
    old.hidden = fresh.hidden;
    for (const it of old.querySelectorAll(".scroll")) it.scrollLeft = left.get(key(it)) ?? 0;
    const focusable = [...old.querySelectorAll("a, button, summary, [tabindex]")];
    if (focus) focusable.find((it) => key(it) === focus)?.focus({ preventScroll: true });
  }

  // What tells an element from the others: several links may lead to the same address.
  const key = (it) => `${it.getAttribute("href")} ${it.getAttribute("aria-label") ?? it.textContent}`;

  connect();
  setInterval(refreshIfDue, 1_000);
  document.addEventListener("visibilitychange", refreshIfDue);
})();
