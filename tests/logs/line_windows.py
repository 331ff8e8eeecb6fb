#!/usr/bin/env python3
"""Reference for windows of lines: prints line_windows.json for application.log."""

import json
import pathlib

WINDOW_SIZE = 20

lines = (pathlib.Path(__file__).parent / "application.log").read_text("utf-8").splitlines()
windows = []
for start in range(0, len(lines), WINDOW_SIZE):
    window = lines[start : start + WINDOW_SIZE]
    windows.append(
        {
            "mean_length": sum(map(len, window)) / len(window),
            "errors": sum("error" in line.lower() for line in window),
            "warnings": sum("warn" in line.lower() for line in window),
            "unique": len(set(window)),
        }
    )
print(json.dumps({"window_size": WINDOW_SIZE, "windows": windows}, indent=1))
