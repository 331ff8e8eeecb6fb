#!/usr/bin/env python3
"""What scikit-learn's isolation forest takes to fit rows: the peer of benches/train.rs and benches/warm_start.rs that is not in Rust.

    pip install scikit-learn; python3 benches/train.py

Processor time is told beside the time that passed, as a busy machine stretches the latter alone.
"""

import time

import numpy
from sklearn.ensemble import IsolationForest

ROUNDS = 3

for count, width in ((100_000, 24), (259_200, 29)):
    rows = numpy.random.default_rng(1).normal(size=(count, width))
    passed, worked = time.perf_counter(), time.process_time()
    for seed in range(ROUNDS):
        # With a contamination it scores its training rows to find the threshold, as training here does.
        IsolationForest(n_estimators=100, max_samples=256, contamination=0.005, random_state=seed).fit(rows)
    passed, worked = (time.perf_counter() - passed) / ROUNDS, (time.process_time() - worked) / ROUNDS
    print(f"{count} rows of {width} signals: {passed:.2f} s, {worked:.2f} s of processor time")
