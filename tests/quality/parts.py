#!/usr/bin/env python3
"""Writes tests/quality/parts/NAME.csv: what the reference implementation of the pipeline finds in the first rows of a
train part, step by step, for tests/it/reference_agreement.rs. Needs numpy, numba, scipy and the folder that holds reference.py.

usage: parts.py QUALITY_DIR"""
import os, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
import reference

SERIES = (('smd-machine-1-2', 5760, 2880), ('asd-omi-1', 4320, 1728), ('nab-ambient_temperature_system_failure', 744, 300))
here = os.path.dirname(os.path.abspath(__file__))
per_day = {'smd': 1440, 'asd': 288, 'nab': 24}

for name, rows, first in SERIES:
    path = os.path.join(sys.argv[1], 'data', name + '.train.csv.xz')
    x = reference.read(path)
    if len(x) < rows:
        x = np.vstack([x, reference.read(path.replace('.train.', '.test.'))])
    # Models of novelty are made at multiples of three hours from `first` on, which is one itself.
    parts = reference.f3(x[:first], x[first:rows], per_day[name[:3]], parts=True)
    w3 = min(1.0, (x.shape[1] - 1) / 8)
    os.makedirs(os.path.join(here, 'parts'), exist_ok=True)
    with open(os.path.join(here, 'parts', name + '.csv'), 'w') as out:
        out.write('row,top5,distance,novelty,z,blame,seasonal\n')
        # What is younger is inverted more often here than there.
        for t in range(first + 301, rows, 7 if rows > 1000 else 2):
            out.write('%d,%.6g,%.6g,%.6g,%.6g,%.6g,%d\n' % (
                t, parts['top5'][t], parts['mah'][t] + w3 * parts['mah3'][t], parts['nov'][t],
                np.abs(parts['z'][t]).sum(), parts['blame'][t].sum(), parts['season'][t].sum()))
