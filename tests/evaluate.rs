//! `hostnorm evaluate` from outside: figures of files, and a sentence for each way in which files can be wrong.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Labels with an event in the rows 40 to 49 of 100.
fn labels() -> String {
    (0..100).map(|row| if (40..50).contains(&row) { "1\n" } else { "0\n" }).collect()
}

/// Scores that find it two rows late, and blame the signals 1 and 0.
fn scores() -> String {
    let row = |row: i32| if (42..50).contains(&row) { "3.5,1;0\n" } else { "0.25,0;1\n" };
    "score,top\n".to_owned() + &(0..100).map(row).collect::<String>()
}

/// A folder with one set of two series.
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
        ("limit_precision", 1.0),
        ("limit_recall", 0.8),
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
    assert!(table.lines().any(|it| it.split_whitespace().eq(["limit_recall", "0.8000"])), "{table}");
    let (_, markdown, _) = run(dir.path(), &format!("{FILES} --format markdown --limit 9"));
    assert!(markdown.contains("| limit_recall | 0.0000 |"), "{markdown}");
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

#[test]
fn wrong_files_get_a_sentence() {
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
    let text = "the score \"high\" is not a number; write NaN where there is none";
    check("scores/a.csv", Some("score\n1\nhigh\n"), FILES, &format!("scores/a.csv:3: {text}"));
    check("scores/a.csv", Some(""), FILES, "scores/a.csv: there is no row in it");
    let none = "no row is labelled 1; without an event there are no figures";
    check("labels/a.label", Some("0\n0\n"), FILES, &format!("labels/a.label: {none}"));
    check("labels/a.label", Some("0\nyes\n"), FILES, "labels/a.label:2: \"yes\" is neither 0 nor 1");
    let missing = "cannot be read: No such file or directory (os error 2)";
    check("labels/a.label", None, FILES, &format!("labels/a.label: {missing}"));
    check("manifest.json", None, FOLDER, &format!("./manifest.json: {missing}"));
    let missing =
        "there is no such file, nor one that ends in .txt, .gz or .xz; each series of a set needs its scores";
    check("scores/b.csv", None, FOLDER, &format!("scores/b.csv: {missing}"));
    let odd = "\"40-49\" is not first-last:signals, such as 760-765:4,5 with signals counted from 1";
    check("labels/a.interp", Some("40-49\n"), FOLDER, &format!("./labels/a.interp:1: {odd}"));
    let entry = json!({ "series": [{ "set": "it", "name": "../a", "per_day": 1 }] }).to_string();
    let name = "the name \"../a\" cannot be that of a file";
    check("manifest.json", Some(&entry), FOLDER, &format!("./manifest.json: {name}"));
    let entry =
        json!({ "series": [{ "set": "it", "name": "a", "per_day": 0 , "vus_window": 1 }] }).to_string();
    let odd = "of a: 0 rows a day are not possible; it must be above 0";
    check("manifest.json", Some(&entry), FOLDER, &format!("./manifest.json: {odd}"));
    let set = "there is no set \"smd\"; there are it";
    check("labels/a.interp", None, &format!("{FOLDER} --set smd"), &format!("./manifest.json: {set}"));
}
