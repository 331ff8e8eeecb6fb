"""Values as Grafana writes them, as far as the dashboards have such units."""

import datetime

STEPS = {
    "bytes": (1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
    "Bps": (1000, ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"]),
    "short": (1000, ["", "K", "Mil", "Bil", "Tri"]),
}
# Units of which there are many in a second are written like `short`, and this.
SUFFIXES = {"ops": " ops/s", "iops": " io/s", "pps": " p/s"}
TIMES = [(86400 * 7, "weeks"), (86400, "days"), (3600, "hours"), (60, "mins"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")]


def number(value, decimals=None):
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 0.1 or size == 0 else 3 if size >= 0.01 else 4
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{decimals}f}"


def written(value, unit, decimals=None):
    if unit == "percentunit":
        return f"{number(100 * value, decimals)}%"
    if unit == "dateTimeAsIso":
        return datetime.datetime.fromtimestamp(value / 1000).strftime("%Y-%m-%d %H:%M:%S")
    if unit == "s":
        size, name = next((it for it in TIMES if abs(value) >= it[0]), TIMES[-1])
        return f"{number(value / size, decimals if size >= 1 and decimals else None if size < 1 else decimals if size == 1 else 1)} {name}"
    if unit == "celsius":
        return f"{number(value, decimals)} °C"
    base, names = STEPS.get("short" if unit in SUFFIXES else unit, (1, [""]))
    place = 0
    while base > 1 and abs(value) >= base and place < len(names) - 1:
        value, place = value / base, place + 1
    name = names[place] + SUFFIXES.get(unit, "")
    gap = " " if name and not name.startswith(" ") else ""
    return f"{number(value, decimals)}{gap}{name}"
