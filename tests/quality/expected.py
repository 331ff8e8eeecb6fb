#!/usr/bin/env python3
"""Writes the expected figures of tests/it/reference_figures.rs anew.

usage: expected.py --score SCORE.PY --data DIR --out FILE.json

SCORE.PY is the benchmark's own scorer, DIR a folder of labeled series as this one is. The scores are made from
formulas that tests/it/reference_figures.rs follows digit by digit; only figures are kept. Needs numpy.
"""
import argparse, importlib.util, json, lzma, math, os
import numpy as np

LIMIT = 0.5
MASK = (1 << 64) - 1


def uniforms(seed):
    """Marsaglia's xorshift64 (2003), as numbers in 0..1."""
    x = seed
    while True:
        x ^= (x << 13) & MASK
        x ^= x >> 7
        x ^= (x << 17) & MASK
        yield (x >> 11) * 2.0**-53


def first_column(path):
    with lzma.open(path, 'rt') as file:
        next(file)
        return [float(line.split(',')[0]) for line in file]


def recipe(name, labels, column, draw):
    if name == 'difference':
        return [0.0] + [abs(b - a) for a, b in zip(column, column[1:])]
    scores, last = [], 0.0
    for t in range(len(labels)):
        late = 0.75 if t >= 3 and labels[t - 3] else 0.0
        last = (last + next(draw) + late) / 2
        score = last
        if name == 'ties':
            score = math.floor(last * 4) / 4
        if name == 'broken':
            luck = next(draw)
            score = math.nan if luck < 0.05 else math.inf if luck < 0.1 else -math.inf if luck < 0.15 else last
        scores.append(score)
    return scores


def blamed(t, signals):
    return [(t * 7 + j * 5) % signals for j in range(signals)]


def add_limits(score, row, labels, scores):
    """What the scorer does not print: the point of the best F1, and that of a given limit."""
    clean = np.nan_to_num(np.asarray(scores), nan=-1e30, posinf=1e30, neginf=-1e30)
    p, r = score.pr_points(labels, clean)
    best = int(np.argmax(2 * p * r / np.maximum(p + r, 1e-12)))
    row['best_precision'], row['best_recall'] = float(p[best]), float(r[best])
    row['best_threshold'] = float(np.unique(clean)[::-1][best])
    called = clean >= LIMIT
    hit = int((called & (labels == 1)).sum())
    p, r = hit / max(1, int(called.sum())), hit / int(labels.sum())
    row['threshold_precision'], row['threshold_recall'] = p, r
    row['threshold_f1'] = 2 * p * r / max(p + r, 1e-12)


def shown(figures):
    return {k: float(f'{v:.12g}') for k, v in figures.items() if k not in ('series', 'days') and math.isfinite(v)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ('--score', '--data', '--out'):
        parser.add_argument(name, required=True)
    args = parser.parse_args()
    spec = importlib.util.spec_from_file_location('score', args.score)
    score = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(score)
    items = {}
    for entry in score.load_manifest(args.data)['series']:
        labels = score.load_labels(args.data, entry['name'])
        column = first_column(os.path.join(args.data, 'data', entry['name'] + '.test.csv.xz'))
        interp = os.path.join(args.data, 'labels', entry['name'] + '.interp')
        causes = score.parse_interp(open(interp).read()) if os.path.exists(interp) else None
        for name in ('difference', 'late', 'ties', 'broken'):
            draw = uniforms(88172645463325252 + 1000 * len(labels) + entry['vus_window'])
            s = np.array(recipe(name, labels, column, draw))
            item = dict(name=entry['name'], label=labels, score=s, per_day=entry['per_day'], vus_window=entry['vus_window'])
            if causes and name in ('late', 'broken'):
                signals = len(entry['metrics'])
                item['interp'] = causes
                item['rank'] = lambda a, b, s=s, m=signals: blamed(a + int(np.argmax(s[a:b + 1])), m)
            items.setdefault((name, entry['set']), []).append(item)
    out = {}
    for (name, group), those in items.items():
        rows, figures = score.evaluate(those)
        for row, item in zip(rows, those):
            add_limits(score, row, item['label'], item['score'])
        series = {row['series']: shown({k: v for k, v in row.items() if k != 'series'}) for row in rows}
        out.setdefault(name, {})[group] = dict(days=figures['days'], figures=shown(figures), series=series)
    with open(args.out, 'w') as file:
        json.dump(out, file, indent=1)
        file.write('\n')


if __name__ == '__main__':
    main()
