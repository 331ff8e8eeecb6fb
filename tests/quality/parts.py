#!/usr/bin/env python3
"""Writes tests/quality/parts/NAME.csv: what the reference implementation of the pipeline finds in the first rows of a
train part, step by step, for tests/it/reference_agreement.rs. Needs numpy, numba, scipy and the folder that holds reference.py and
reference_f4.py.

usage: parts.py QUALITY_DIR"""
import os, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import reference, reference_f4

SERIES = (('smd-machine-1-2', 5760, 2880), ('asd-omi-1', 4320, 1728), ('nab-ambient_temperature_system_failure', 744, 300))
here = os.path.dirname(os.path.abspath(__file__))
# Forests differ by their random numbers; a score of 0.5 has no effect.
reference_f4.forest = lambda rows, per_day, seed: np.full(len(rows), 0.5)
per_day = {'smd': 1440, 'asd': 288, 'nab': 24}

for name, rows, first in SERIES:
    path = os.path.join(sys.argv[1], 'data', name + '.train.csv.xz')
    x = reference.read(path)
    if len(x) < rows:
        x = np.vstack([x, reference.read(path.replace('.train.', '.test.'))])
    # Models of novelty are made at multiples of three hours from `first` on, which is one itself.
    parts = reference.f3(x[:first], x[first:rows], per_day[name[:3]], parts=True)
    joint = reference_f4.f4(x[:first], x[first:rows], per_day[name[:3]], parts=True)
    # What is younger is inverted more often here than there, so excursions are counted from here on.
    start = first + 301
    minutes = 1440 / per_day[name[:3]]
    smooth = reference_f4.ewm1(joint['raw'][start:], 1.0)
    count = reference_f4.excursions(smooth, reference_f4.LEVEL, max(6, int(10 / minutes)), reference_f4.DAYS * 1440 / minutes, reference_f4.PRIOR)
    habit = ((1 + count) / (1 + reference_f4.N0)) ** -reference_f4.HABIT
    w3 = min(1.0, (x.shape[1] - 1) / 8)
    os.makedirs(os.path.join(here, 'parts'), exist_ok=True)
    with open(os.path.join(here, 'parts', name + '.csv'), 'w') as out:
        out.write('row,top5,distance,novelty,z,blame,seasonal,unscaled,excursions,score\n')
        for t in range(start, rows, 7 if rows > 1000 else 2):
            out.write('%d,%.6g,%.6g,%.6g,%.6g,%.6g,%d,%.6g,%.6g,%.6g\n' % (
                t, parts['top5'][t], parts['mah'][t] + w3 * parts['mah3'][t], parts['nov'][t],
                np.abs(parts['z'][t]).sum(), parts['blame'][t].sum(), parts['season'][t].sum(),
                joint['raw'][t], count[t - start], joint['raw'][t] * joint['breadth'][t] * habit[t - start]))
