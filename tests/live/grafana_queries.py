"""What Grafana would ask a Prometheus for a dashboard: queries with their variables filled in."""

import json
import re
import urllib.parse

from program import fetch


class Api:
    """A Prometheus that answers queries; a ValueError says what it says against one."""

    def __init__(self, url):
        self.url = url

    def get(self, path, **fields):
        status, _, text = fetch(f"{self.url}/api/v1/{path}?" + urllib.parse.urlencode(fields, doseq=True), timeout=30)
        answer = json.loads(text)
        if status != 200 or answer["status"] != "success":
            raise ValueError(answer.get("error", text))
        return answer["data"]

    def instant(self, expr, at=None):
        return self.get("query", query=expr, **({"time": at} if at else {}))["result"]

    def over(self, expr, start, end, step):
        return self.get("query_range", query=expr, start=start, end=end, step=step)["result"]


def escaped(text):
    """What Grafana makes of a value of a variable with many: a regular expression within a string of PromQL."""
    text = text.replace("\\", "\\\\\\\\")
    return re.sub(r"[$^*{}\[\]'+?.()|]", lambda it: "\\\\" + it.group(), text)


def plain(text):
    """What Grafana makes of a value of a variable with one value only."""
    return text.replace("\\", "\\\\").replace('"', '\\"')


class View:
    """A dashboard with its variables chosen, over a range of time."""

    def __init__(self, api, board, start, end, scrape, choice="all", chosen=None):
        self.api, self.board, self.start, self.end, self.choice = api, board, start, end, choice
        self.scrape = scrape
        # Values of variables that are not left to the choice, with commas between them.
        self.chosen = chosen or {}
        # As many steps as a screen has pixels, but none shorter than a scrape.
        self.step = max(scrape, (end - start) / 1000)
        self.values = {}
        self.texts = {
            "__rate_interval": f"{max(4 * scrape, self.step + scrape):.0f}s",
            "__range": f"{end - start:.0f}s",
            "__interval": f"{self.step:.0f}s",
        }
        for query in board.queries():
            if query.label:
                self.choose(query)

    def choose(self, query):
        variable = next(it for it in self.board.variables() if it["name"] == query.title)
        found = self.api.get(f"label/{query.label}/values", **{"match[]": self.filled(query.expr), "start": self.start, "end": self.end})
        if query.title in self.chosen:
            found = self.chosen[query.title].split(",")
        self.values[query.title] = found
        if not variable["multi"]:
            self.texts[query.title] = plain((found or [""])[0])
        elif self.choice == "all" and variable.get("allValue") and query.title not in self.chosen:
            self.texts[query.title] = variable["allValue"]
        else:
            chosen = [escaped(it) for it in (found[:1] if self.choice == "one" else found)]
            self.texts[query.title] = chosen[0] if len(chosen) == 1 else f"({'|'.join(chosen)})"

    def filled(self, expr, **more):
        texts = {**self.texts, **more}
        # A number is a group of a pattern of label_replace, which Grafana leaves as it is.
        return re.sub(r"\$\{?([A-Za-z_]\w*)\}?", lambda it: texts[it.group(1)], expr)

    def exprs(self, query):
        """The query as it is sent, once for each panel that a repeated one becomes."""
        repeat = (query.panel or {}).get("repeat")
        for it in self.values[repeat] if repeat else [None]:
            yield self.filled(query.expr, **({repeat: escaped(it)} if repeat else {}))

    def run(self, query):
        """The series of the answers; a ValueError says what Prometheus says."""
        if query.label:
            return self.values[query.title]
        return [it for expr in self.exprs(query) for it in self.answer(query, expr)]

    def answer(self, query, expr, step=None):
        self.api.get("format_query", query=expr)
        return self.api.instant(expr, self.end) if query.instant else self.api.over(expr, self.start, self.end, step or self.step)
