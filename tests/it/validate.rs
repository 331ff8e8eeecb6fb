//! `hostnorm validate` from outside: reports on valid and invalid files, and exit codes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// Runs the program in its own directory with the file `t.csv`, which is also its standard input.
fn run(bytes: &[u8], args: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    std::fs::write(&path, bytes).unwrap();
    Command::new(env!("CARGO_BIN_EXE_hostnorm"))
        .env_clear()
        .current_dir(dir.path())
        .arg("validate")
        .args(args.split_whitespace())
        .stdin(std::fs::File::open(&path).unwrap())
        .output()
        .unwrap()
}

/// Checks the exit code and that the report contains these sentences.
fn check(bytes: impl AsRef<[u8]>, args: &str, code: i32, sentences: &[&str]) {
    let output = run(bytes.as_ref(), args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{text}");
    assert_eq!(output.status.code(), Some(code), "{text}");
    for sentence in sentences {
        assert!(text.contains(sentence), "{sentence:?} is not in\n{text}");
    }
}

/// A valid table: minutes of two signals, with `change` applied to each row.
fn table(rows: u64, mut change: impl FnMut(u64, &mut Vec<String>)) -> String {
    let mut text = String::from("timestamp,cpu,memory\n");
    for idx in 0..rows {
        let time = 1_795_219_200 + idx * 60;
        let mut cells =
            vec![time.to_string(), format!("0.{:02}", idx * 7 % 97), (idx * 31 % 1009).to_string()];
        change(idx, &mut cells);
        writeln!(text, "{}", cells.join(",")).unwrap();
    }
    text
}

fn sound(rows: u64) -> String {
    table(rows, |_, _| ())
}

#[test]
fn a_sound_table_is_valid() {
    let expect = [
        "t.csv: 2880 rows, 2 columns\n",
        "time: 2026-11-21T00:00:00.000Z to 2026-11-22T23:59:00.000Z, rows 1m apart, 1d23h59m in all\n",
        "cpu     ratio          2880          0          0           0",
        "memory  integer        2880          0          0           0",
        "t.csv: valid, 0 errors, 0 warnings\n",
    ];
    check(sound(2880), "t.csv", 0, &expect);
    check(sound(2880), "-", 0, &["standard input: valid, 0 errors, 0 warnings\n"]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(sound(2880).as_bytes()).unwrap();
    check(encoder.finish().unwrap(), "t.csv", 0, &["t.csv: 2880 rows, 2 columns, compressed by gzip\n"]);
    check(sound(2880).replace('\n', "\r\n"), "t.csv", 0, &["valid, 0 errors, 0 warnings"]);
}

#[test]
fn files_that_are_no_tables() {
    check(
        "",
        "t.csv",
        1,
        &[
            "the file: 1\n    is empty; expected a header with the names of the columns\n",
            "not valid, 1 error,",
        ],
    );
    check("a,b\n", "t.csv", 1, &["too few rows: 1\n    has no rows after the header\n"]);
    check("a,b\n", "other.csv", 1, &["cannot be read: No such file or directory"]);
    check("", ".", 1, &["cannot be read: Is a directory"]);
    check(b"\x1f\x8b\x08", "t.csv", 1, &["its gzip data is truncated"]);
    check(
        "a,b,a,\n1,2,3,4\n",
        "t.csv",
        1,
        &["the header: 2\n", "columns 1 and 3 are both named \"a\"", "column 4 has no name"],
    );
    check(format!("{}a\n1\n", "a,".repeat(300)), "t.csv", 1, &["301 columns of numbers; the maximum is 256"]);
}

#[test]
fn every_invalid_row_is_reported() {
    let spoiled = table(3000, |idx, cells| match idx {
        10 => cells.truncate(2),
        20 => cells[1] = "busy".into(),
        30 => cells[2] = "1e308".into(),
        40 => cells[0] = "2026-11-21 00:40:00".into(),
        _ => (),
    });
    let expect = [
        "rows that do not match the header: 1\n    line 12: 2 cells, the header has 3\n",
        "line 22: column \"cpu\": \"busy\" is not a number",
        "line 32: column \"memory\": 1e308 is beyond ±1e100",
        "line 42: column \"timestamp\": \"2026-11-21 00:40:00\" has no offset from UTC",
        "t.csv: not valid, 4 errors, 0 warnings\n",
    ];
    check(spoiled, "t.csv", 1, &expect);
}

#[test]
fn many_problems_of_a_kind_are_counted() {
    let spoiled = table(5000, |idx, cells| {
        if idx % 2 == 0 {
            cells.push("1".into());
        }
    });
    let expect = ["rows that do not match the header: 2500\n    line 2: 4 cells", "    and 2490 more\n"];
    check(spoiled, "t.csv", 1, &expect);
}

#[test]
fn time_goes_forward() {
    let back = table(3000, |idx, cells| {
        if idx == 100 {
            cells[0] = "1795219200".into();
        }
    });
    let expect = [
        "rows older than the previous row: 1\n    line 102: column \"timestamp\": 2026-11-21T00:00:00.000Z is not after",
    ];
    check(back, "t.csv", 1, &expect);
    let twice = table(3000, |idx, cells| {
        if idx == 100 {
            cells[0] = (1_795_219_200 + 99 * 60).to_string();
        }
    });
    let expect = [
        "rows with the time of the previous row: 1\n    line 102: column \"timestamp\": 2026-11-21T01:39:00.000Z is not after 2026-11-21T01:39:00.000Z of line 101; sort the rows by time, oldest first\n",
    ];
    check(twice, "t.csv", 1, &expect);
    let late = table(3000, |idx, cells| {
        if idx >= 100 {
            cells[0] = (1_795_219_200 + 7200 + idx * 60).to_string();
        }
    });
    let expect = [
        "gaps between rows: 1\n    line 102: 2h1m after the previous row; rows are 1m apart\n",
        ": valid, 0 errors",
    ];
    check(late, "t.csv", 0, &expect);
    let days = table(3000, |idx, cells| cells[0] = format!("{:.5}", 45_000.0 + idx as f64 / 1440.0));
    let expect = [
        "times that look like numbers of another unit: 1\n    the first time, 45000, is before 1973 as Unix time; if it is a number of days as in a spreadsheet, write Unix time: (days - 25569) * 86400\n",
        ": valid, 0 errors",
    ];
    check(days, "t.csv", 0, &expect);
    // Only the first rows have numbers of days.
    let few = table(3000, |idx, cells| {
        if idx < 5 {
            cells[0] = format!("{:.5}", 45_000.0 + idx as f64 / 1440.0);
        }
    });
    check(few, "t.csv", 0, &expect);
    let minutes = table(3000, |idx, cells| cells[0] = (29_920_920 + idx).to_string());
    check(minutes, "t.csv", 0, &["if it is a number of minutes since 1970, write Unix time: minutes * 60"]);
}

#[test]
fn the_given_interval_is_compared_as_by_replay() {
    let text = "the time between rows: 1\n    rows are 1m apart by their timestamps, not ";
    check(sound(3000), "t.csv --every 60s", 0, &[": valid, 0 errors, 0 warnings"]);
    check(sound(3000), "t.csv --every 2m", 0, &[&format!("{text}2m as --every says"), "0 errors, 1 warning"]);
    for every in ["5m", "1s"] {
        let expect = [&format!("{text}{every} as --every says"), ": not valid, 1 error, 0 warnings"];
        check(sound(3000), &format!("t.csv --every {every}"), 1, &expect.map(|it| it as &str));
    }
}

#[test]
fn a_misnamed_column_of_times_is_the_only_error() {
    let spoiled = sound(3000).replace("timestamp,", "Time,");
    let expect = ["line 1: column 1 is \"Time\"; name it timestamp", ": not valid, 1 error, 0 warnings"];
    check(spoiled, "t.csv", 1, &expect);
}

#[test]
fn unusual_columns_are_warnings() {
    let odd = table(3000, |idx, cells| {
        cells[1] = "0.5".into();
        cells[2] = if idx == 7 { "1".into() } else { String::new() };
        cells.push(idx.to_string());
    })
    .replace("memory", "memory,packets");
    let expect = [
        "columns that never change: 2\n    \"cpu\" is always 0.5\n",
        "\"memory\" has a value in 1 of 3000 rows",
        "\"packets\" grows from 0 to 2999; if it is a counter, use its rate",
        ": valid, 0 errors, 4 warnings\n",
    ];
    check(odd, "t.csv", 0, &expect);
    check("a,b\n1,NaN\n".to_owned() + &"1,NaN\n".repeat(50), "t.csv --every 1d", 1, &["no column changes"]);
    check("1,2\n3,4\n", "t.csv", 1, &["all are numbers; check for a missing header"]);
    check("a\n1\n\n2\n", "t.csv", 1, &["blank lines: 1\n"]);
}

#[test]
fn the_needed_number_of_rows_is_reported() {
    check(sound(1), "t.csv", 1, &["1; the first score needs 32"]);
    check(sound(31), "t.csv", 1, &["31; the first score needs 32"]);
    let expect = [
        "32; the isolation forest needs 256 per tree",
        "32; the time of day counts after 2d, which are 2880 rows 1m apart",
        ": valid, 0 errors, 2 warnings\n",
    ];
    check(sound(32), "t.csv", 0, &expect);
    let untimed = "a\n".to_owned() + &(0..300).map(|it| format!("{}\n", it % 7)).collect::<String>();
    let expect =
        ["time: no timestamps\n", "pass the time between rows with --every", "0 errors, 1 warning\n"];
    check(&untimed, "t.csv", 0, &expect);
    let expect = ["time: no timestamps, rows 5m apart, 1d1h in all\n", "576 rows 5m apart"];
    check(&untimed, "t.csv --every 5m", 0, &expect);
}

#[test]
fn json_has_the_same_content() {
    let spoiled = table(3000, |idx, cells| {
        if idx == 10 {
            cells[1] = "\u{1b}[31m".into();
        }
    });
    let output = run(spoiled.as_bytes(), "t.csv --format json");
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["errors"], 1);
    assert_eq!(report["rows"], 3000);
    assert_eq!(report["columns"][0]["name"], "cpu");
    assert_eq!(report["columns"][0]["bad"], 1);
    assert_eq!(report["columns"][1]["type"], "integer");
    assert_eq!(report["time"]["interval_seconds"], 60.0);
    assert_eq!(report["findings"][0]["kind"], "text");
    assert_eq!(report["findings"][0]["level"], "error");
    assert_eq!(report["findings"][0]["examples"][0]["line"], 12);
    let empty = run(b"", "t.csv --format json");
    assert_eq!(empty.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&empty.stdout).unwrap();
    assert_eq!(report["findings"][0]["kind"], "file");
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.csv"), sound(100)).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_hostnorm"))
        .env_clear()
        .current_dir(dir.path())
        .args(["validate", "t.csv"])
        .stdout(Stdio::from(writer))
        .output()
        .unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}
