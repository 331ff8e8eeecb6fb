//! The metrics agree with those of the benchmark's own scorer, whose output for scores from formulas is committed: for
//! the excerpt in tests/quality, and for all sets if they are next to the project.

use std::path::{Path, PathBuf};

use hostnorm::dataset::{ManifestEntry, ScoreColumn, SeriesFolder, labels};
use hostnorm::evaluate::{DatasetEvaluation, EvaluationMetrics, figures, period};
use lzma_rust2::XzReader;
use serde_json::Value;

/// Relative tolerance above 1.
const TOLERANCE: f64 = 1e-6;

/// The threshold of the metrics named `threshold_`, as in tests/quality/expected.py.
const LIMIT: f64 = 0.5;

/// Marsaglia's xorshift64 (2003).
struct Uniforms(u64);

impl Uniforms {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn the_excerpt_agrees() {
    let dir = excerpt();
    check(&dir, &dir.join("expected.json"));
}

#[test]
fn all_sets_agree() {
    match whole() {
        Some(dir) => check(&dir, &excerpt().join("expected_whole.json")),
        None => {
            eprintln!("not compared: there is no folder quality beside shared; see tests/quality/README.md");
        }
    }
}

#[test]
fn the_window_is_that_of_the_rule() {
    let dir = whole().unwrap_or_else(excerpt);
    let folder = SeriesFolder::open(&dir).unwrap();
    let entries: Vec<_> = folder.sets().into_iter().flat_map(|set| folder.of_set(set)).collect();
    let differ = |it: &&&ManifestEntry| period(&first_column(&folder, it)) != it.vus_window.unwrap();
    let differing: Vec<_> = entries.iter().filter(differ).map(|it| it.name.as_str()).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn the_excerpt_is_small() {
    let dirs = ["", "data", "labels", "LICENSES"];
    let files = dirs.iter().flat_map(|it| std::fs::read_dir(excerpt().join(it)).unwrap());
    let bytes: u64 =
        files.map(|it| it.unwrap().metadata().unwrap()).filter(|it| it.is_file()).map(|it| it.len()).sum();
    assert!(bytes <= 5_000_000, "{bytes}");
}

fn excerpt() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quality")
}

/// The directory with all sets.
fn whole() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/quality");
    let dir = std::env::var_os("QUALITY_DATA").map_or_else(beside, PathBuf::from);
    dir.join("manifest.json").exists().then_some(dir)
}

/// Compares the metrics of each recipe and set.
fn check(dir: &Path, expected: &Path) {
    let folder = SeriesFolder::open(dir).unwrap();
    let expected: Value = serde_json::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for (recipe, sets) in expected.as_object().unwrap() {
        assert_eq!(sets.as_object().unwrap().len(), folder.sets().len());
        for (set, expected) in sets.as_object().unwrap() {
            let series: Vec<_> = folder.of_set(set).map(|it| series(&folder, it, recipe)).collect();
            let found = figures(&series, LIMIT);
            wrong.extend(differences(&found, expected).into_iter().map(|it| format!("{recipe} {set} {it}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A series with scores from a formula, as in tests/quality/expected.py.
fn series(folder: &SeriesFolder, entry: &ManifestEntry, recipe: &str) -> hostnorm::evaluate::LabeledSeries {
    let labels = labels(&folder.labels(entry)).unwrap().labels;
    let seed = 88_172_645_463_325_252 + 1000 * labels.len() as u64 + entry.vus_window.unwrap() as u64;
    let scores = match recipe {
        "difference" => {
            let column = first_column(folder, entry);
            let steps = column.windows(2).map(|it| (it[1] - it[0]).abs());
            std::iter::once(0.0).chain(steps).collect()
        }
        _ => drawn(&labels, recipe, Uniforms(seed)),
    };
    let signals = entry.metrics.len();
    let blamed = |row: usize| (0..signals).map(|it| ((row * 7 + it * 5) % signals) as u16).collect();
    let top = matches!(recipe, "late" | "broken").then(|| (0..labels.len()).map(blamed).collect());
    folder.series(entry, ScoreColumn { scores, top, ..ScoreColumn::default() }, Path::new("formula")).unwrap()
}

/// Smoothed scores that rise three rows after the start of an event; with many ties, or malformed.
fn drawn(labels: &[bool], recipe: &str, mut uniforms: Uniforms) -> Vec<f64> {
    let mut last = 0.0;
    let mut score = |row: usize| {
        let is_late = 3 <= row && labels[row - 3];
        last = (last + uniforms.next() + if is_late { 0.75 } else { 0.0 }) / 2.0;
        match recipe {
            "late" => last,
            "ties" => (last * 4.0).floor() / 4.0,
            "broken" => match uniforms.next() {
                luck if luck < 0.05 => f64::NAN,
                luck if luck < 0.1 => f64::INFINITY,
                luck if luck < 0.15 => f64::NEG_INFINITY,
                _ => last,
            },
            other => panic!("unknown recipe {other}"),
        }
    };
    (0..labels.len()).map(&mut score).collect()
}

/// The first column of the test part.
fn first_column(folder: &SeriesFolder, entry: &ManifestEntry) -> Vec<f64> {
    let file = std::fs::File::open(folder.test(entry)).unwrap();
    let text = std::io::read_to_string(XzReader::new(std::io::BufReader::new(file), true)).unwrap();
    text.lines().skip(1).map(|it| it.split(',').next().unwrap().parse().unwrap()).collect()
}

/// Differences from the expected metrics of a set and its series.
fn differences(found: &DatasetEvaluation, expected: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if !is_near(found.days, expected["days"].as_f64().unwrap()) {
        wrong.push(format!("days {}", found.days));
    }
    let mut compare = |place: &str, events: usize, found: &EvaluationMetrics, expected: &Value| {
        let expected = expected.as_object().unwrap();
        for (name, value) in expected {
            let value = value.as_f64().unwrap();
            let found = if name == "events" { Some(events as f64) } else { found.get(name) };
            if !found.is_some_and(|it| is_near(it, value)) {
                wrong.push(format!("{place} {name}: {found:?}, expected {value}"));
            }
        }
        // Means that the scorer does not print are not compared.
        let own =
            |name: &str| place == "all" && (name.starts_with("threshold_") || name.starts_with("best_"));
        for (name, value) in found.iter().filter(|(name, _)| !own(name) && !expected.contains_key(*name)) {
            wrong.push(format!("{place} {name}: {value}, expected none"));
        }
    };
    compare("all", found.events, &found.figures, &expected["figures"]);
    assert_eq!(found.series.len(), expected["series"].as_object().unwrap().len());
    for one in &found.series {
        compare(&one.name, one.events, &one.figures, &expected["series"][&one.name]);
    }
    wrong
}

fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0)
}
