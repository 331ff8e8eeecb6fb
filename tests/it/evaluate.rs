//! `hostnorm evaluate` from outside: metrics of files, and an error for each invalid file.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Labels with an event in rows 40 to 49 of 100.
fn labels() -> String {
    (0..100).map(|row| if (40..50).contains(&row) { "1\n" } else { "0\n" }).collect()
}

/// Scores that detect it two rows late, with the top signals 1 and 0.
fn scores() -> String {
    let row = |row: i32| if (42..50).contains(&row) { "3.5,1;0\n" } else { "0.25,0;1\n" };
    "score,top\n".to_owned() + &(0..100).map(row).collect::<String>()
}

/// A dataset directory with one set of two series.
fn folder() -> TempDir {
    let dir = TempDir::new().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let entry = |name: &str| json!({ "set": "it", "name": name, "per_day": 100, "vus_window": 4 });
    write("manifest.json", &json!({ "series": [entry("a"), entry("b")] }).to_string());
    for name in ["a", "b"] {
        write(&format!("labels/{name}.label"), &labels());
        write(&format!("labels/{name}.interp"), "40-49:2\n");
        write(&format!("scores/{name}.csv"), &scores());
    }
    dir
}

fn run(dir: &Path, line: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hostnorm"))
        .env_clear()
        .current_dir(dir)
        .arg("evaluate")
        .args(line.split_whitespace())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

const FOLDER: &str = "--data . --scores scores";
const FILES: &str = "--labels labels/a.label --scores scores/a.csv";

#[test]
fn a_folder_has_figures() {
    let dir = folder();
    let (code, text, _) = run(dir.path(), &format!("{FOLDER} --format json --per-series"));
    assert_eq!(code, 0);
    let found: Value = serde_json::from_str(&text).unwrap();
    let set = &found["sets"][0];
    assert_eq!((&set["set"], &set["events"], &set["days"]), (&json!("it"), &json!(2), &json!(2.0)));
    let figures = &set["figures"];
    for (name, expected) in [
        ("threshold_precision", 1.0),
        ("threshold_recall", 0.8),
        ("hit@100", 1.0),
        ("fleet1_delay@0.1", 2.0),
        ("fleet_delay@0.1", 6.0),
    ] {
        assert_eq!(figures[name], json!(expected), "{name}");
    }
    assert_eq!(set["per_series"][1]["series"], json!("b"));
}

#[test]
fn one_series_has_figures_in_three_styles() {
    let dir = folder();
    let (code, table, _) = run(dir.path(), FILES);
    assert_eq!(code, 0);
    assert!(table.lines().any(|it| it.split_whitespace().eq(["threshold_recall", "0.8000"])), "{table}");
    let (_, markdown, _) = run(dir.path(), &format!("{FILES} --format markdown --threshold 9"));
    assert!(markdown.contains("| threshold_recall | 0.0000 |"), "{markdown}");
    let (_, found, _) = run(dir.path(), &format!("{FILES} --format json --every 30m --vus-window 0"));
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["sets"][0]["days"], json!(100.0 / 48.0));
}

#[test]
fn files_may_be_compressed() {
    let dir = folder();
    let path = dir.path().join("scores/a.csv.gz");
    let mut file = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    file.write_all(scores().as_bytes()).unwrap();
    file.finish().unwrap();
    let (_, plain, _) = run(dir.path(), FOLDER);
    fs::remove_file(dir.path().join("scores/a.csv")).unwrap();
    assert_eq!(run(dir.path(), FOLDER), (0, plain, String::new()));
}

/// Adds the data for replay: two signals, one of which rises during the event. Only `it` has all files.
fn with_rows(dir: &TempDir) {
    fs::create_dir_all(dir.path().join("data")).unwrap();
    let value = |row: usize, seed: usize| ((row * 37 + seed * 11) % 17) as f64 / 17.0;
    for name in ["a", "b"] {
        for (part, first, rows) in [("train", 0, 150), ("test", 150, 100)] {
            let row = |row: usize| {
                let risen = if part == "test" && (40..50).contains(&row) { 9.0 } else { 0.0 };
                format!("{},{}\n", value(first + row, 1), value(first + row, 2) + risen)
            };
            let text = "x,y\n".to_owned() + &(0..rows).map(row).collect::<String>();
            fs::write(dir.path().join(format!("data/{name}.{part}.csv")), text).unwrap();
        }
    }
    fs::write(dir.path().join("a.yaml"), "threshold: 1.0\nanomaly_learning_weight: 1.0\n").unwrap();
    fs::write(dir.path().join("b.yaml"), "threshold: 2.0\nanomaly_learning_weight: 1.0\n").unwrap();
}

fn json_of(dir: &TempDir, line: &str) -> Value {
    let (code, text, error) = run(dir.path(), &format!("--data . --format json {line}"));
    assert_eq!((code, error.as_str()), (0, ""), "{line}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_folder_is_replayed() {
    let dir = folder();
    with_rows(&dir);
    let found = json_of(&dir, "--replay --per-series");
    let set = &found["sets"][0];
    assert_eq!((&set["set"], &set["events"]), (&json!("it"), &json!(2)));
    assert_eq!(set["figures"]["fleet_rec@1"], json!(1.0), "{set}");
    // The signal that rose is the labeled cause.
    assert_eq!(set["figures"]["hit@100"], json!(1.0), "{set}");
    assert_eq!(set["per_series"][0]["series"], json!("a"));
    assert_eq!(json_of(&dir, "--replay --per-series"), found, "luck depends on the seed only");
}

#[test]
fn settings_are_compared() {
    let dir = folder();
    with_rows(&dir);
    let found = json_of(&dir, "--compare a.yaml b.yaml");
    let ways = &found["sets"][0]["ways"];
    assert_eq!((&ways[0]["scored"], &ways[1]["scored"]), (&json!("a.yaml"), &json!("b.yaml")));
    // Twice the threshold: scores are half as large, but their order and all metrics based on it are unchanged.
    let figure = |way: usize, name: &str| ways[way]["figures"][name].as_f64().unwrap();
    assert!((figure(0, "fleet_thr@1") / figure(1, "fleet_thr@1") - 2.0).abs() < 1e-6, "{ways}");
    assert_eq!(ways[1]["difference"]["auc_roc"], json!(0.0));
    let found = json_of(&dir, "--compare b.yaml");
    assert_eq!(found["sets"][0]["ways"][0]["scored"], json!("defaults"));
    let (_, table, _) = run(dir.path(), "--data . --compare a.yaml b.yaml");
    assert!(table.starts_with("it:\nfigure"), "{table}");
}

#[test]
fn rows_are_disturbed() {
    let dir = folder();
    with_rows(&dir);
    let found = json_of(&dir, "--robustness");
    let ways = found["sets"][0]["ways"].as_array().unwrap();
    let names: Vec<_> = ways.iter().map(|it| it["scored"].as_str().unwrap()).collect();
    assert_eq!(names[0], "unchanged");
    for name in
        ["noise 0.01", "noise 0.1", "missing 5 %", "missing 30 %", "a signal vanishes", "the clock steps"]
    {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    let plain = json_of(&dir, "--replay");
    assert_eq!(ways[0]["figures"], plain["sets"][0]["figures"]);
    // Noise of a tenth of the range cannot hide a change nine times as large.
    assert_eq!(ways[4]["figures"]["fleet_rec@1"], json!(1.0));
    let (_, markdown, _) = run(dir.path(), "--data . --robustness --format markdown");
    assert!(markdown.contains("| noise 0.01 | "), "{markdown}");
}

#[test]
fn an_impossible_replay_has_an_error() {
    let check = |path: &str, text: Option<&str>, line: &str, code: i32, expected: &str| {
        let dir = folder();
        with_rows(&dir);
        match text {
            Some(text) => fs::write(dir.path().join(path), text).unwrap(),
            None => fs::remove_file(dir.path().join(path)).unwrap(),
        }
        let found = run(dir.path(), &format!("--data . {line}"));
        assert_eq!((found.0, found.1.as_str()), (code, ""), "{path} {}", found.2);
        assert!(found.2.contains(expected), "{path}: {}", found.2);
    };
    check("data/a.train.csv", None, "--replay", 1, "./data/a.train.csv: cannot be read: No such file");
    check(
        "data/a.test.csv",
        Some("x,z\n1,2\n"),
        "--replay",
        1,
        "columns differ from those of ./data/a.train.csv",
    );
    let short = "./data/b.test.csv: 1 rows have a score, but 100 have a label; each row needs both";
    check("data/b.test.csv", Some("x,y\n1,2\n"), "--replay", 1, short);
    let cell = "./data/b.test.csv, line 2: column \"y\": \"two\" is not a number";
    check("data/b.test.csv", Some("x,y\n1,two\n"), "--robustness", 1, cell);
    check("b.yaml", Some("limits: 2\n"), "--compare a.yaml b.yaml", 64, "b.yaml");
    check("a.yaml", None, "--replay --config.file a.yaml", 64, "a.yaml");
    check(
        "a.yaml",
        None,
        "--replay --set smd",
        1,
        "./manifest.json: unknown set \"smd\"; expected one of it",
    );
}

#[test]
fn scores_with_decimal_commas_are_refused() {
    let dir = folder();
    fs::write(dir.path().join("scores/a.csv"), "score\n0,9\n0,1\n").unwrap();
    let (code, text, error) = run(dir.path(), FILES);
    assert_eq!((code, text.as_str()), (1, ""));
    assert!(error.starts_with("scores/a.csv, line 2: 2 cells, the header has 1"), "{error}");
}

/// A column of values, with the time of each row in one of the ways that tables may have it.
fn timed(name: &str, values: impl Iterator<Item = (i64, String)>, is_text: bool) -> String {
    let row = |(at, value): (i64, String)| match is_text {
        true => format!("{},{value}\n", jiff::Timestamp::from_second(at).unwrap()),
        false => format!("{at}.0,{value}\n"),
    };
    format!("timestamp,{name}\n") + &values.map(row).collect::<String>()
}

/// Times in any order or of another day say nothing about the labels, although each row has both.
#[test]
fn times_of_labels_and_scores_are_compared() {
    let first = 1_793_491_200;
    let label = |row: i64| (first + 60 * row, i64::from((40..50).contains(&row)).to_string());
    let score = |row: i64, ahead: i64| {
        (first + 60 * row + ahead, if (40..50).contains(&row) { "0.9" } else { "0.1" }.to_owned())
    };
    let labels = timed("label", (0..100).map(label), true);
    let check = |labels: &str, scores: &str, expected: Option<&str>| {
        let dir = folder();
        fs::write(dir.path().join("labels/a.label"), labels).unwrap();
        fs::write(dir.path().join("scores/a.csv"), scores).unwrap();
        for line in [FILES, FOLDER] {
            let (code, text, error) = run(dir.path(), line);
            match expected {
                None => assert_eq!((code, error.as_str()), (0, ""), "{scores}"),
                Some(expected) => {
                    assert_eq!((code, text.as_str()), (1, ""), "{line}: {scores}");
                    assert!(error.contains(expected), "{line}: {error}");
                }
            }
        }
    };
    for is_text in [false, true] {
        check(&labels, &timed("score", (0..100).map(|it| score(it, 0)), is_text), None);
        let newest_first = timed("score", (0..100).rev().map(|it| score(it, 0)), is_text);
        let sort = "scores/a.csv, line 3: column \"timestamp\": 2026-11-01T01:38:00.000Z is not after 2026-11-01T01:39:00.000Z of line 2; sort the rows by time, oldest first";
        check(&labels, &newest_first, Some(sort));
        // The order counts, even if only one of the files has times.
        check(&self::labels(), &newest_first, Some(sort));
        let later = timed("score", (0..100).map(|it| score(it, 30_000)), is_text);
        check(
            &labels,
            &later,
            Some("scores/a.csv: row 1 is of 2026-11-01T08:20:00.000Z, but of 2026-11-01T00:00:00.000Z in "),
        );
        let lacking = timed("score", (0..100).filter(|it| *it != 3).map(|it| score(it, 0)), is_text);
        check(
            &labels,
            &lacking,
            Some("scores/a.csv: row 4 is of 2026-11-01T00:04:00.000Z, but of 2026-11-01T00:03:00.000Z in "),
        );
    }
    let backward = timed("label", (0..100).rev().map(label), true);
    check(&backward, &scores(), Some("labels/a.label, line 3: column \"timestamp\": "));
    let no_time = "timestamp,score\n".to_owned() + &"yesterday,0.1\n".repeat(100);
    check(
        &labels,
        &no_time,
        Some("scores/a.csv, line 2: column \"timestamp\": \"yesterday\" is neither a Unix time"),
    );
    let vast = scores().replacen("0.25", "1e400", 1);
    check(&labels, &vast, Some("scores/a.csv, line 2: the score \"1e400\" is beyond ±1e100"));
}

/// The rows that were labeled have times, too.
#[test]
fn times_of_scores_are_those_of_the_labeled_rows() {
    let dir = folder();
    with_rows(&dir);
    let test = fs::read_to_string(dir.path().join("data/a.test.csv")).unwrap();
    let timed_rows = |first: i64, text: &str| {
        let with = |(row, line): (usize, &str)| match row {
            0 => format!("timestamp,{line}\n"),
            _ => format!("{},{line}\n", first + 60 * row as i64),
        };
        text.lines().enumerate().map(with).collect::<String>()
    };
    fs::write(dir.path().join("data/a.test.csv"), timed_rows(1_793_491_200, &test)).unwrap();
    fs::write(dir.path().join("scores/a.csv"), timed_rows(1_793_491_200, &scores())).unwrap();
    assert_eq!(run(dir.path(), FOLDER).0, 0);
    fs::write(dir.path().join("scores/a.csv"), timed_rows(1_793_491_260, &scores())).unwrap();
    let (code, _, error) = run(dir.path(), FOLDER);
    assert_eq!(code, 1);
    let expected = "scores/a.csv: row 1 is of 2026-11-01T00:02:00.000Z, but of 2026-11-01T00:01:00.000Z in ./data/a.test.csv; each label and its score need the same time";
    assert!(error.starts_with(expected), "{error}");
    // A replay scores those rows, so the labels must be theirs.
    let labels = timed_rows(1_793_491_260, &("label\n".to_owned() + &labels()));
    fs::write(dir.path().join("labels/a.label"), labels).unwrap();
    let (code, _, error) = run(dir.path(), "--data . --replay");
    assert_eq!(code, 1);
    assert!(
        error.contains(
            "row 1 is of 2026-11-01T00:01:00.000Z, but of 2026-11-01T00:02:00.000Z in ./labels/a.label"
        ),
        "{error}"
    );
}

/// An empty line would shift the rows of a file against those of the other.
#[test]
fn an_empty_line_is_an_error_with_its_line() {
    let without = |text: String, line: usize| {
        let lines = text.lines().enumerate().map(|(idx, it)| if idx + 1 == line { "" } else { it });
        lines.map(|it| format!("{it}\n")).collect::<String>()
    };
    let dir = folder();
    fs::write(dir.path().join("scores/a.csv"), without(scores(), 32)).unwrap();
    let check = |expected: &str| {
        for line in [FILES, FOLDER] {
            let (code, text, error) = run(dir.path(), line);
            assert_eq!((code, text.as_str()), (1, ""), "{error}");
            assert!(error.contains(expected), "{error}");
        }
    };
    fs::write(dir.path().join("labels/a.label"), labels() + "\n\n").unwrap();
    check("scores/a.csv, line 32: the line is empty; write NaN for a missing score\n");
    fs::write(dir.path().join("scores/a.csv"), scores() + "\n").unwrap();
    assert_eq!(run(dir.path(), FOLDER).0, 0);
    fs::write(dir.path().join("labels/a.label"), without(labels(), 61)).unwrap();
    check("labels/a.label, line 61: the line is empty; write 0 or 1\n");
}

#[test]
fn invalid_files_have_errors() {
    let check = |path: &str, text: Option<&str>, line: &str, expected: &str| {
        let dir = folder();
        match text {
            Some(text) => fs::write(dir.path().join(path), text).unwrap(),
            None => fs::remove_file(dir.path().join(path)).unwrap(),
        }
        assert_eq!(run(dir.path(), line), (1, String::new(), format!("{expected}\n")), "{path} {text:?}");
    };
    let short = "3 rows have a score, but 100 have a label; each row needs both";
    check("scores/a.csv", Some("1\n2\n3\n"), FILES, &format!("scores/a.csv: {short}"));
    check("scores/b.csv", Some("1\n2\n3\n"), FOLDER, &format!("scores/b.csv: {short}"));
    let text = "the score \"high\" is not a number; write NaN for a missing score";
    check("scores/a.csv", Some("score\n1\nhigh\n"), FILES, &format!("scores/a.csv, line 3: {text}"));
    check("scores/a.csv", Some(""), FILES, "scores/a.csv: it has no rows");
    let no_score = "score\n".to_owned() + &"NaN\n".repeat(100);
    check("scores/a.csv", Some(&no_score), FILES, "scores/a.csv: no row has a score");
    let misnamed = "name it timestamp, or give it another name if it is not the time of each row";
    let time = "time,score\n".to_owned() + &(0..100).rev().map(|it| format!("{it},1\n")).collect::<String>();
    check(
        "scores/a.csv",
        Some(&time),
        FILES,
        &format!("scores/a.csv, line 1: column 1 is \"time\"; {misnamed}"),
    );
    for first in ["-1", "100"] {
        let expect = format!("labels/a.label, line 1: \"{first}\" is neither 0 nor 1");
        check("labels/a.label", Some(&format!("{first}\n1\n")), FILES, &expect);
    }
    let expect = "labels/a.label, line 1: no column label, and \"false\" is neither 0 nor 1";
    check("labels/a.label", Some("false\ntrue\n"), FILES, expect);
    let none = "no row is labeled 1; at least one event is required";
    check("labels/a.label", Some("0\n0\n"), FILES, &format!("labels/a.label: {none}"));
    check("labels/a.label", Some("0\nyes\n"), FILES, "labels/a.label, line 2: \"yes\" is neither 0 nor 1");
    let missing = "cannot be read: No such file or directory (os error 2)";
    check("labels/a.label", None, FILES, &format!("labels/a.label: {missing}"));
    check("manifest.json", None, FOLDER, &format!("./manifest.json: {missing}"));
    let missing = "file not found, nor with the suffix .txt, .gz or .xz; each series of a set needs scores";
    check("scores/b.csv", None, FOLDER, &format!("scores/b.csv: {missing}"));
    let odd = "\"40-49\" is malformed: expected first-last:signals, such as 760-765:4,5, with signals counted from 1";
    check("labels/a.interp", Some("40-49\n"), FOLDER, &format!("./labels/a.interp, line 1: {odd}"));
    let entry = json!({ "series": [{ "set": "it", "name": "../a", "per_day": 1 }] }).to_string();
    let name = "\"../a\" is not a file name";
    check("manifest.json", Some(&entry), FOLDER, &format!("./manifest.json: {name}"));
    let entry =
        json!({ "series": [{ "set": "it", "name": "a", "per_day": 0 , "vus_window": 1 }] }).to_string();
    let odd = "of a: 0 rows per day is out of range; it must be above 0";
    check("manifest.json", Some(&entry), FOLDER, &format!("./manifest.json: {odd}"));
    let set = "unknown set \"smd\"; expected one of it";
    check("labels/a.interp", None, &format!("{FOLDER} --set smd"), &format!("./manifest.json: {set}"));
}
