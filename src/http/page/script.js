// Keeps the page current: state and score by events, the rest by fetching the page again. Without this script the page
// reloads itself.
"use strict";

(() => {
  const status = document.getElementById("status");
  const text = (id, value) => {
    const element = document.getElementById(id);
    if (element && element.textContent !== value) element.textContent = value;
  };
  let refreshed = Date.now();
  let loading = false;

  // Replaces what the server rendered, and keeps what the reader did: opened details, focus, scrolled tables.
  async function refresh() {
    const details = document.getElementById("details");
    if (loading || document.hidden || details.contains(getSelection().anchorNode) && !getSelection().isCollapsed) return;
    loading = true;
    try {
      const response = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!response.ok) return;
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const fresh = page.getElementById("details");
      if (!fresh) return;
      keep(details, fresh);
      const focus = details.contains(document.activeElement) ? key(document.activeElement) : null;
      details.replaceChildren(...fresh.childNodes);
      if (focus) [...details.querySelectorAll("a, summary, [tabindex]")].find((it) => key(it) === focus)?.focus({ preventScroll: true });
      document.title = page.title;
      replace(page, "open");
      refreshed = Date.now();
    } catch {
      // The stream of events tells of a lost connection.
    } finally {
      loading = false;
    }
  }

  const key = (it) => it.getAttribute("href") ?? it.getAttribute("aria-label") ?? it.textContent;

  function keep(details, fresh) {
    for (const it of details.querySelectorAll("details[open]")) {
      fresh.querySelector(`#${it.id}`)?.setAttribute("open", "");
    }
    const left = new Map([...details.querySelectorAll(".scroll")].map((it) => [key(it), it.scrollLeft]));
    requestAnimationFrame(() => {
      for (const it of details.querySelectorAll(".scroll")) it.scrollLeft = left.get(key(it)) ?? 0;
    });
  }

  // The line about the open episode comes and goes with it.
  function replace(page, id) {
    const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (old && fresh) old.replaceWith(fresh);
    else if (old) old.remove();
    else if (fresh) status.append(fresh);
  }

  function show(event) {
    const summary = JSON.parse(event.data);
    const changed = status.dataset.state !== summary.state;
    status.dataset.state = summary.state;
    text("badge", summary.state);
    text("sentence", summary.sentence);
    text("score", summary.score === undefined ? "–" : summary.score.toFixed(2));
    text("at", new Date(summary.at * 1000).toISOString().slice(0, 19).replace("T", " "));
    if (changed || Date.now() - refreshed >= status.dataset.refresh * 1000) refresh();
  }

  const source = new EventSource(status.dataset.events);
  const connected = (is) => document.getElementById("connection")?.toggleAttribute("hidden", is);
  source.addEventListener("open", () => connected(true));
  source.addEventListener("error", () => connected(false));
  source.addEventListener("message", show);
  document.addEventListener("visibilitychange", refresh);
})();
