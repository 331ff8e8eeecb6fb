#!/usr/bin/env python3
"""What scikit-learn's isolation forest takes to score one row: the peer of benches/score.rs that is not in Rust.

    pip install scikit-learn; python3 benches/score.py
"""

import time

import numpy
from sklearn.ensemble import IsolationForest

ROUNDS = 200

for width in (8, 24, 48):
    rows = numpy.random.default_rng(1).normal(size=(20_000, width))
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1).fit(rows)
    started = time.perf_counter()
    for row in rows[:ROUNDS]:
        forest.score_samples(row.reshape(1, -1))
    print(f"{width} signals: {(time.perf_counter() - started) / ROUNDS * 1e6:.0f} us a row")
