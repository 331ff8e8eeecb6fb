#!/usr/bin/env python3
"""Draws a dashboard from what a real Prometheus answers to its queries, in Grafana's dark look and layout.

It is no picture of Grafana: Grafana is not installed where hostnorm is tested. What is drawn follows the JSON that
Grafana loads: places, queries, units, thresholds, colors, mappings. Needs chromium; record.py gives it a Prometheus.

    grafana/draw.py --prometheus http://127.0.0.1:19810 --dashboard host --set instance=web-1 --range 900 --output host.png
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "live"))

import charts  # noqa: E402
from asked import Api, View, escaped  # noqa: E402
from boards import FOLDER, Board, Query  # noqa: E402

WIDTH, UNIT, GAP, HEADER = 1600, 30, 8, 30
STYLE = """
body{margin:0;background:#111217;color:#ccccdc;font:13px Inter,'Helvetica Neue',Arial,sans-serif;position:relative}
svg text{font-family:Inter,'Helvetica Neue',Arial,sans-serif}
.top{position:absolute;left:12px;top:0;right:12px;height:44px;line-height:44px;font-size:15px;font-weight:500}
.top span{color:#ccccdc9e;font-size:12px;font-weight:400;margin-left:14px}
.top em{float:right;font-style:normal;color:#ccccdc9e;font-size:12px;font-weight:400}
.top u{text-decoration:none;background:#181b1f;border:1px solid #ccccdc26;border-radius:2px;padding:4px 8px;margin-left:12px;font-size:12px;font-weight:400}
.panel{position:absolute;background:#181b1f;border:1px solid #ccccdc12;border-radius:2px;box-sizing:border-box;overflow:hidden}
.panel h3{margin:0;font-size:13.5px;font-weight:500;padding:7px 9px 0;height:23px;white-space:nowrap}
.row{position:absolute;font-size:15px;font-weight:500;line-height:30px;padding-left:8px}
.row:before{content:'⌄';margin-right:8px;color:#ccccdc9e}
.keys{position:absolute;left:10px;right:8px;bottom:5px;font-size:11.5px;color:#ccccdcd0;line-height:17px;max-height:34px;overflow:hidden}
.key{margin-right:12px;white-space:nowrap;display:inline-block}.key i{display:inline-block;width:13px;height:3px;border-radius:2px;margin-right:5px;vertical-align:middle}
.stat{position:absolute;left:0;right:0;top:34px;text-align:center;font-size:38px;font-weight:500;white-space:nowrap}.stat small{font-size:21px}
.spark{position:absolute;left:0;bottom:0}
.none{position:absolute;left:0;right:0;top:45%;text-align:center;color:#ccccdc9e}
table{border-collapse:collapse;width:100%;font-size:12.5px}th{text-align:left;color:#6E9FFF;font-weight:500}
td,th{padding:4.6px 9px;border-bottom:1px solid #ccccdc12;white-space:nowrap}.n{text-align:right}
.bars{padding:4px 10px}.bar{display:flex;align-items:center;height:23px;margin-bottom:2px;font-size:12px}.bar label{width:44%;text-align:right;padding-right:9px;white-space:nowrap;overflow:hidden}
.bar span{flex:1;background:#ccccdc12;height:17px}.bar i{display:block;height:100%}.bar b{width:52px;text-align:right;font-weight:500;font-size:13px}
.scale i{display:inline-block;width:180px;height:9px;margin:0 8px;vertical-align:middle}.scale b{font-weight:400}.scale b:nth-child(3){margin-right:8px}.scale .far:before{content:'· '}
.text{padding:0 12px;line-height:1.5}
"""


def named(query, found, repeat):
    """The series with the names of the legend."""
    legend = query.holder["legendFormat"]
    for it in found:
        text = legend.replace("{{", "\0").split("\0")
        name = text[0] + "".join(it["metric"].get(part.partition("}}")[0].strip(), "") + part.partition("}}")[2] for part in text[1:])
        yield name, [(float(at), float(value)) for at, value in it.get("values") or [it["value"]]]


def regions(view, board):
    """Spans of the annotations that are on, as Grafana joins them: (from, to, color)."""
    for query in board.queries():
        note = next((it for it in board.json["annotations"]["list"] if it.get("target") is query.holder), None)
        if not note or not note["enable"]:
            continue
        for it in view.run(query):
            spans = []
            for at, value in it["values"]:
                at = float(value) / 1000 if note["useValueForTime"] else at
                if spans and at - spans[-1][1] <= 2 * view.step:
                    spans[-1][1] = at
                elif view.start <= at <= view.end:
                    spans.append([at, at])
            yield from ((a, b, note["iconColor"]) for a, b in spans)


def drawn(view, board, panel, size, marks, repeat):
    """The inside of a panel, and its legend."""
    if panel["type"] == "text":
        return f'<div class="text">{panel["options"]["content"]}</div>', ""
    most = panel.get("maxDataPoints") or size[0] / 2
    step = max(view.scrape, round((view.end - view.start) / most))
    answers = []
    for target in panel["targets"]:
        query = Query(board, panel["title"], panel["title"], target["expr"], target, panel)
        more = {panel["repeat"]: escaped(repeat)} if repeat else {}
        answers.append((query, view.answer(query, view.filled(query.expr, **more), step)))
    if panel["type"] == "table":
        return charts.table(panel, [(query.holder["refId"], found) for query, found in answers], size)
    series = [it for query, found in answers for it in named(query, found, repeat)]
    if panel["type"] == "stat":
        return charts.stat(panel, series, size, view.start, view.end)
    if panel["type"] == "bargauge":
        return charts.bars(panel, series, size)
    if panel["type"] in ("heatmap", "status-history"):
        kind = charts.heat if panel["type"] == "heatmap" else charts.states
        return kind(panel, sorted(series), size, view.start, view.end, step)
    room = (size[0], size[1] - (22 if sum(len(name) + 4 for name, _ in series) * 6.3 < size[0] else 38))
    return charts.lines(panel, series, room, view.start, view.end, step, marks)


def panels(view, board, rows, repeats):
    """Each panel with its place and, of repeated ones, the value: rows that are asked for are opened, others left out."""
    y = 0
    for it in board.json["panels"]:
        if it["type"] != "row":
            y = max(y, it["gridPos"]["y"] + it["gridPos"]["h"])
            yield it, it["gridPos"], None
        elif not it["collapsed"]:
            yield it, it["gridPos"], None
        elif it["title"] in rows:
            yield it, {**it["gridPos"], "y": y}, None
            y += 1
            inner, last = 0, 0
            for panel in it["panels"]:
                values = view.values[panel["repeat"]][:repeats] if panel.get("repeat") else [None]
                at = panel["gridPos"]
                if panel.get("repeat"):
                    wide = 24 // panel["maxPerRow"]
                    for index, value in enumerate(values):
                        yield panel, {"x": index * wide % 24, "y": y + last + index * wide // 24 * at["h"], "w": wide, "h": at["h"]}, value
                    last += -(-len(values) * wide // 24) * at["h"]
                    inner = max(inner, last)
                else:
                    top = at["y"] - it["gridPos"]["y"] - 1
                    yield panel, {**at, "y": y + top}, None
                    inner = max(inner, top + at["h"])
            y += inner


def page(view, board, options):
    """The HTML of a dashboard, and its height."""
    marks, parts, height = list(regions(view, board)), [], 0
    cell = (WIDTH - GAP) / 24
    for panel, at, repeat in panels(view, board, options.row, options.repeats):
        if options.until is not None and at["y"] + at["h"] > options.until and panel["type"] != "row":
            continue
        left, top = GAP + at["x"] * cell, 48 + at["y"] * (UNIT + GAP)
        wide, high = at["w"] * cell - GAP, at["h"] * (UNIT + GAP) - GAP
        if panel["type"] == "row":
            if options.until is None or at["y"] < options.until:
                parts.append(f'<div class="row" style="left:{left}px;top:{top}px">{charts.escape(panel["title"])}</div>')
            continue
        height = max(height, top + high)
        inside, keys = drawn(view, board, panel, (int(wide) - 4, int(high) - HEADER - 2), marks, repeat)
        title = repeat or panel["title"]
        parts.append(
            f'<div class="panel" style="left:{left:.0f}px;top:{top}px;width:{wide:.0f}px;height:{high}px"><h3>{charts.escape(title)}</h3>'
            f'{inside}<div class="keys">{keys}</div></div>'
        )
    chosen = "".join(f"<u>{charts.escape(key.title())}&ensp;{charts.escape(value)}</u>" for key, value in view.chosen.items() if "," not in value)
    top = (
        f'<div class="top">{charts.escape(board.title)}{chosen}'
        "<em>Drawn by grafana/draw.py from the answers of a real Prometheus; not a picture of Grafana</em></div>"
    )
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><body>{top}{''.join(parts)}", int(height + GAP)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True, help="URL")
    parser.add_argument("--dashboard", required=True, help="name of a file in grafana/dashboards, without .json")
    parser.add_argument("--at", type=float, default=time.time(), help="the end of the time range, by default now")
    parser.add_argument("--range", type=float, default=3600, help="seconds")
    parser.add_argument("--scrape", type=float, default=2, help="the scrape interval in seconds")
    parser.add_argument("--set", action="append", default=[], help="VARIABLE=VALUE")
    parser.add_argument("--row", action="append", default=[], help="the title of a folded row to open")
    parser.add_argument("--repeats", type=int, default=100, help="how many panels of a repeated one")
    parser.add_argument("--until", type=int, help="how many rows of Grafana's grid, by default all")
    parser.add_argument("--output", required=True, type=pathlib.Path)
    options = parser.parse_args()
    board = Board(FOLDER / f"{options.dashboard}.json")
    chosen = dict(it.split("=", 1) for it in options.set)
    view = View(Api(options.prometheus), board, options.at - options.range, options.at, options.scrape, chosen=chosen)
    text, height = page(view, board, options)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "page.html")
        source.write_text(text)
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={WIDTH},{height}", "--force-device-scale-factor=1"]
        subprocess.run(["chromium", *flags, f"--screenshot={options.output.resolve()}", source.as_uri()], check=True, capture_output=True)


main()
