"""Panels of Grafana as HTML with SVG in its dark look, as far as the dashboards use them."""

import datetime
import html
import math
import re

from units import written

# Names of colors in Grafana's dark theme, and the classic palette in its order.
COLORS = {
    "green": "#73BF69", "yellow": "#FADE2A", "orange": "#FF9830", "red": "#F2495C", "blue": "#5794F2",
    "purple": "#B877D9", "text": "#CCCCDC", "transparent": "#F2495C",
}  # fmt: skip
CLASSIC = "#73BF69 #F2CC0C #8AB8FF #FF780A #F2495C #5794F2 #B877D9 #705DA0 #37872D #FADE2A #447EBC #C15C17 #890F02 #0A437C #6D1F62 #584477 #B7DBAB #F4D598 #70DBED #F9BA8F".split()
# The color scale Inferno at tenths, of matplotlib by way of d3.
INFERNO = "#000004 #160b39 #420a68 #6a176e #932667 #bc3754 #dd513a #f37819 #fca50a #f6d746 #fcffa4".split()
GRID, QUIET = "rgba(204,204,220,0.09)", "rgba(204,204,220,0.62)"


def color(name):
    return COLORS.get(name, name)


def escape(text):
    return html.escape(str(text))


def step_color(steps, value):
    """The color of the last step that the value reaches."""
    found = steps[0]["color"]
    for it in steps:
        if it["value"] is not None and value >= it["value"]:
            found = it["color"]
    return color(found)


def mapped(mappings, value):
    """The word for a value, and its color."""
    key = f"{value:g}" if isinstance(value, float) else str(value)
    for it in mappings or []:
        if key in it["options"]:
            return it["options"][key]["text"], color(it["options"][key]["color"])
    return None


def settings(panel, name):
    """What holds for the series or column of that name: the defaults, then what matches in order."""
    field = panel["fieldConfig"]
    found = {key: value for key, value in field["defaults"].items() if key != "custom"}
    found |= {f"custom.{key}": value for key, value in field["defaults"].get("custom", {}).items()}
    for it in field["overrides"]:
        pattern = it["matcher"]["options"]
        fits = re.search(pattern.strip("/"), name) if it["matcher"]["id"] == "byRegexp" else pattern == name
        if fits:
            found |= {p["id"]: p["value"] for p in it["properties"]}
    return found


def ticks(low, high, count, base=10):
    """Round numbers between two."""
    span = (high - low) / max(1, count)
    power = base ** math.floor(math.log(span, base))
    step = next(power * it for it in (1, 2, 2.5, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if power * it >= span)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


class Plot:
    """An area with axes: the time to the right, and something upward."""

    def __init__(self, size, start, end, left=54, bottom=22, top=8, right=10):
        self.size, self.start, self.end = size, start, end
        self.box = (left, top, size[0] - right, size[1] - bottom)
        self.parts = []

    def x(self, at):
        left, _, right, _ = self.box
        return left + (right - left) * (at - self.start) / (self.end - self.start)

    def text(self, x, y, text, anchor="middle", fill=QUIET, size=11):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, stroke=GRID, more=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" {more}/>')

    def rect(self, x, y, w, h, fill, more=""):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0, w):.1f}" height="{max(0, h):.1f}" fill="{fill}" {more}/>')

    def times(self, grid=True):
        left, top, right, bottom = self.box
        wanted = (self.end - self.start) / max(2, (right - left) / 90)
        step = next(it for it in (30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 1e9) if it >= wanted)
        at = math.ceil(self.start / step) * step
        while at <= self.end:
            x = self.x(at)
            if grid:
                self.line(x, top, x, bottom)
            if left + 14 < x < right - 8:
                self.text(x, bottom + 15, datetime.datetime.fromtimestamp(at).strftime("%H:%M"))
            at += step

    def svg(self):
        return f'<svg width="{self.size[0]}" height="{self.size[1]}">{"".join(self.parts)}</svg>'


def path(points):
    """Lines through points; a None between them lifts the pen."""
    drawn, down = [], False
    for point in points:
        if point is None:
            down = False
            continue
        drawn.append(f"{'L' if down else 'M'}{point[0]:.1f},{point[1]:.1f}")
        down = True
    return "".join(drawn)


def lines(panel, series, size, start, end, step, marks):
    """Time series: (name, [(time, value)]) each."""
    shown, stack = [], {1: {}, -1: {}}
    stacked = panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal"
    for index, (name, points) in enumerate(series):
        has = settings(panel, name)
        fixed = has["color"].get("fixedColor") if has["color"]["mode"] == "fixed" else None
        sign = -1 if has.get("custom.transform") == "negative-Y" else 1
        points = [(at, sign * value) for at, value in points if math.isfinite(value)]
        base = {}
        if stacked:
            below = stack[1 if sum(value for _, value in points) >= 0 else -1]
            base = {at: below.get(at, 0) for at, _ in points}
            points = [(at, value + base[at]) for at, value in points]
            below.update(points)
        shown.append((name, has, color(fixed or CLASSIC[index % len(CLASSIC)]), points, base))
    values = [value for _, _, _, points, _ in shown for _, value in points]
    defaults = panel["fieldConfig"]["defaults"]
    unit = defaults.get("unit")
    limits = [it["value"] for it in defaults.get("thresholds", {}).get("steps", []) if it["value"] is not None]
    if defaults["custom"]["thresholdsStyle"]["mode"] == "off":
        limits = []
    if not values:
        return '<div class="none">No data</div>', ""
    low = min([defaults.get("min", math.inf), *values, *([0] if stacked else [])])
    high = max([*values, *(it * 1.05 for it in limits), *([0] if stacked else [])])
    high = defaults.get("max", high + 0.06 * (high - low)) if high > low else low + 1
    low = low if "min" in defaults or low == 0 else low - 0.06 * (high - low)
    longest = max(len(written(it, unit)) for it in ticks(low, high, max(2, size[1] / 44), 2 if unit == "bytes" else 10))
    plot = Plot(size, start, end, left=16 + 6.4 * longest)
    left, top, right, bottom = plot.box
    y = lambda value: bottom - (bottom - top) * (value - low) / (high - low)
    for at in ticks(low, high, max(2, (bottom - top) / 44), 2 if unit == "bytes" else 10):
        plot.line(left, y(at), right, y(at))
        plot.text(left - 6, y(at) + 4, written(at, unit), "end")
    plot.times()
    for begin, until, hue in marks:
        plot.rect(plot.x(begin), top, plot.x(until) - plot.x(begin), bottom - top, color(hue), 'opacity="0.10"')
        plot.rect(plot.x(begin), bottom, max(2, plot.x(until) - plot.x(begin)), 3, color(hue))
        for edge in (begin, until):
            plot.line(plot.x(edge), top, plot.x(edge), bottom, color(hue), 'stroke-dasharray="3 3" opacity="0.8"')
    by_name = {name: points for name, _, _, points, _ in shown}
    for name, has, hue, points, base in shown:
        pen, before = [], None
        for at, value in points:
            if before is not None and at - before > max(60, 2 * step):
                pen.append(None)
            pen.append((plot.x(at), y(value)))
            before = at
        opacity = has["custom.fillOpacity"] / 100
        if has["custom.drawStyle"] == "bars":
            width = (right - left) * step / (end - start)
            for at, value in points:
                if at > start:
                    plot.rect(plot.x(at) - width, y(max(value, base.get(at, 0))), width + 0.2, abs(y(value) - y(base.get(at, 0))), hue, 'opacity="0.85"')
            continue
        floor = dict(by_name.get(has.get("custom.fillBelowTo"), []))
        if opacity and points:
            for run in runs(points, max(60, 2 * step)):
                under = [(at, floor.get(at, base.get(at, max(low, 0)))) for at, _ in run]
                outline = [(plot.x(at), y(value)) for at, value in run] + [(plot.x(at), y(value)) for at, value in reversed(under)]
                plot.parts.append(f'<path d="{path(outline)}Z" fill="{hue}" opacity="{opacity}"/>')
        width = has["custom.lineWidth"] or (0.8 if stacked else 0)
        dash = 'stroke-dasharray="4 6"' if has.get("custom.lineStyle", {}).get("fill") == "dash" else ""
        if width:
            plot.parts.append(f'<path d="{path(pen)}" fill="none" stroke="{hue}" stroke-width="{width * 1.3}" stroke-linejoin="round" {dash}/>')
    for it in limits:
        plot.line(left, y(it), right, y(it), COLORS["red"], 'stroke-dasharray="8 6" opacity="0.9"')
    keys = [f'<span class="key"><i style="background:{hue}"></i>{escape(name)}</span>' for name, has, hue, points, _ in shown if points and not has.get("custom.hideFrom", {}).get("legend")]
    return plot.svg(), "".join(keys)


def runs(points, gap):
    """Stretches of points without a gap."""
    found = []
    for at, value in points:
        if not found or at - found[-1][-1][0] > gap:
            found.append([])
        found[-1].append((at, value))
    return found


def inferno(share):
    place = max(0, min(1, share)) * (len(INFERNO) - 1)
    low = min(int(place), len(INFERNO) - 2)
    parts = [[int(INFERNO[low + i][k : k + 2], 16) for k in (1, 3, 5)] for i in (0, 1)]
    return "#" + "".join(f"{round(a + (b - a) * (place - low)):02x}" for a, b in zip(*parts))


def heat(panel, series, size, start, end, step):
    """One row for each series, the value as color."""
    scale = panel["options"]["color"]
    plot = Plot((size[0], size[1] - 26), start, end, left=64 if max((len(n) for n, _ in series), default=0) < 10 else 200)
    left, top, right, bottom = plot.box
    height = (bottom - top) / max(1, len(series))
    width = (right - left) * step / (end - start)
    for row, (name, points) in enumerate(series):
        plot.text(left - 8, top + (row + 0.5) * height + 4, name, "end")
        for at, value in points:
            if at > start:
                share = (value - scale["min"]) / (scale["max"] - scale["min"])
                plot.rect(plot.x(at) - width, top + row * height, width - 1, height - 1, inferno(share))
    plot.times(grid=False)
    stops = "".join(f"{it} {i * 10}%," for i, it in enumerate(INFERNO)).rstrip(",")
    legend = f'<span class="scale"><b>{scale["min"]}</b><i style="background:linear-gradient(90deg,{stops})"></i><b>{(scale["min"] + scale["max"]) / 2:g} = limit</b><b class="far">{scale["max"]} or more</b></span>'
    return plot.svg(), legend


def states(panel, series, size, start, end, step):
    """One row for each series, the step or word of the value as color."""
    steps, mappings = panel["fieldConfig"]["defaults"]["thresholds"]["steps"], panel["fieldConfig"]["defaults"].get("mappings")
    longest = max((len(name) for name, _ in series), default=0)
    if not series:
        return '<div class="none">No data</div>', ""
    plot = Plot(size, start, end, left=16 + 6.3 * longest)
    left, top, right, bottom = plot.box
    height = (bottom - top) / max(1, len(series))
    width = (right - left) * step / (end - start)
    for row, (name, points) in enumerate(series):
        plot.text(left - 8, top + (row + 0.5) * height + 4, name, "end")
        for at, value in points:
            if at > start and math.isfinite(value):
                word = mapped(mappings, value)
                plot.rect(plot.x(at) - width, top + row * height + height * 0.07, width * 0.96, height * 0.86, word[1] if word else step_color(steps, value), 'opacity="0.9"')
    plot.times(grid=False)
    return plot.svg(), ""


def stat(panel, series, size, start, end):
    """One number, large, over its history."""
    if not series or not series[0][1]:
        return '<div class="none">No data</div>', ""
    points = [it for it in series[0][1] if math.isfinite(it[1])]
    defaults = panel["fieldConfig"]["defaults"]
    value = points[-1][1]
    word = mapped(defaults.get("mappings"), value)
    text, hue = word or (written(value, defaults.get("unit"), defaults.get("decimals")), step_color(defaults["thresholds"]["steps"], value))
    graph = ""
    if panel["options"]["graphMode"] == "area" and len(points) > 1:
        low, high = min(v for _, v in points), max(v for _, v in points)
        x = lambda at: size[0] * (at - points[0][0]) / (points[-1][0] - points[0][0])
        y = lambda v: 50 - (40 * (v - low) / (high - low) if high > low else 0)
        drawn = path([(x(at), y(v)) for at, v in points])
        graph = f'<svg class="spark" width="{size[0]}" height="52"><path d="{drawn}L{size[0]},52L0,52Z" fill="{hue}" opacity="0.18"/><path d="{drawn}" fill="none" stroke="{hue}" opacity="0.7"/></svg>'
    number, _, unit = text.partition(" ")
    unit = f'<small> {escape(unit)}</small>' if unit else ""
    return f'{graph}<div class="stat" style="color:{hue}">{escape(number)}{unit}</div>', ""


def bars(panel, series, size):
    """A bar for the newest value of each series."""
    defaults = panel["fieldConfig"]["defaults"]
    found = [(name, points[-1][1]) for name, points in series if points]
    high = defaults.get("max", max((value for _, value in found), default=1))
    low = defaults.get("min", 0)
    rows = []
    for name, value in found:
        hue = step_color(defaults["thresholds"]["steps"], value)
        share = max(0, min(1, (value - low) / (high - low) if high > low else 0))
        rows.append(
            f'<div class="bar"><label>{escape(name)}</label><span><i style="width:{100 * share:.1f}%;background:linear-gradient(90deg,{hue}30,{hue})"></i></span>'
            f'<b style="color:{hue}">{escape(written(value, defaults.get("unit"), defaults.get("decimals")))}</b></div>'
        )
    return f'<div class="bars">{"".join(rows) or "<div class=none>No data</div>"}</div>', ""


def table(panel, answers, size):
    """Rows of labels and values, joined where labels are equal."""
    merged, organize = {}, panel["transformations"][-1]["options"]
    single = len(panel["targets"]) == 1
    shown = organize["indexByName"]
    for ref, found in answers:
        for it in found:
            labels = {key: value for key, value in it["metric"].items() if key in shown}
            value = {"Value" if single else f"Value #{ref}": float(it["value"][1])}
            fits = [row for row in merged.values() if all(row.get(key, labels[key]) == labels[key] for key in labels) and set(row) & set(labels)]
            if fits:
                for row in fits:
                    row.update(labels | value)
            else:
                merged[len(merged)] = labels | value
    names = sorted((it for it in shown if any(it in row for row in merged.values())), key=shown.get)
    titles = {it: organize["renameByName"].get(it, it) for it in names}
    rows = list(merged.values())
    for by in panel["options"].get("sortBy", []):
        key = next((it for it, title in titles.items() if title == by["displayName"]), None)
        rows.sort(key=lambda row: (row.get(key) is None, row.get(key)) if key else 0)
        known = [row for row in rows if row.get(key) is not None]
        rows = (known[::-1] if by["desc"] else known) + [row for row in rows if row.get(key) is None]
    number = lambda it: it.startswith("Value")
    head = "".join(f'<th class="{"n" if number(it) else ""}">{escape(titles[it])}</th>' for it in names)
    body = []
    for row in rows:
        cells = []
        for it in names:
            has, value = settings(panel, titles[it]), row.get(it)
            if value is None:
                cells.append("<td></td>")
                continue
            word = mapped(has.get("mappings"), value)
            text = word[0] if word else written(value, has.get("unit"), has.get("decimals")) if number(it) else value
            hue = word[1] if word else step_color(has["thresholds"]["steps"], value) if number(it) else COLORS["text"]
            if has.get("custom.cellOptions", {}).get("type") != "color-text":
                hue = "#8AB8FF" if has.get("links") else COLORS["text"]
            hue = "#73BF69" if hue.startswith("rgba(115") else hue
            cells.append(f'<td class="{"n" if number(it) else ""}" style="color:{hue}">{escape(text)}</td>')
        body.append(f"<tr>{''.join(cells)}</tr>")
    if not rows:
        return '<div class="none">No data</div>', ""
    return f"<table><tr>{head}</tr>{''.join(body)}</table>", ""
