//! `hostnorm train --search` from outside: its output, errors for unsuitable histories, and exit codes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Exit code, standard output and standard error of a command in this directory.
fn run(dir: &Path, args: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    let output = command.env_clear().current_dir(dir).args(args.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A directory with five fault-free days of a simulated machine.
fn machine() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, error) = run(dir.path(), "simulate --every 10m --for 5d --faults 0 --output h.csv");
    assert_eq!((code, error.as_str()), (0, ""));
    dir
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn a_search_is_a_table_and_a_settings_file() {
    let dir = machine();
    let search = |args: &str| run(dir.path(), &format!("train --search --history h.csv {args}"));
    let (code, table, error) = search("--output best.yaml");
    assert_eq!((code, error.as_str()), (0, ""));
    let head =
        "trees  sample_size  half_life  smoothing  window  vus_pr  recall  false_episodes   value     gain";
    assert!(table.starts_with(head), "{table}");
    let (rows, words) = table.split_once("\n\n").unwrap();
    assert_eq!(rows.lines().count(), 1 + 32, "{table}");
    assert_eq!(rows.matches("default").count(), 1, "{table}");
    assert_eq!(rows.matches("chosen").count(), 1, "{table}");
    assert!(words.starts_with("504 rows were learned, 108 chose with "), "{words}");
    assert!(words.ends_with("best.yaml has the settings.\n"), "{words}");
    assert_eq!(words.contains("keep them"), rows.contains("default, chosen"), "{table}");

    // The best comes first, by the ranking value.
    let values: Vec<f64> =
        rows.lines().skip(1).map(|it| it.split_whitespace().nth(8).unwrap().parse().unwrap()).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");

    // The output is a settings file with the settings of the chosen row.
    let (code, printed, error) = run(dir.path(), "check --print --config.file best.yaml");
    assert_eq!((code, error.as_str()), (0, ""));
    let chosen = rows.lines().find(|it| it.contains("chosen")).unwrap();
    for (key, value) in
        ["trees", "sample_size", "half_life", "smoothing"].iter().zip(chosen.split_whitespace())
    {
        let line =
            printed.lines().map(str::trim_start).find(|it| it.starts_with(&format!("{key}: "))).unwrap();
        // An integer is shown with a fraction.
        let shown = line.replace(".0  #", "  #");
        assert!(shown.starts_with(&format!("{key}: {value}  # best.yaml")), "{line}");
    }

    // Equal seeds give equal output in any format.
    let file = std::fs::read_to_string(dir.path().join("best.yaml")).unwrap();
    let (code, json, _) = search("--output best.yaml --format json");
    assert_eq!((code, std::fs::read_to_string(dir.path().join("best.yaml")).unwrap()), (0, file));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["combinations"].as_array().unwrap().len(), 32);
    let best = json["combinations"][0]["choice"]["value"].as_f64().unwrap();
    assert!((best - values[0]).abs() < 1e-4, "{best} {values:?}");
}

#[test]
fn times_without_an_offset_are_refused_with_their_line() {
    let dir = tempfile::tempdir().unwrap();
    let row = |it: u32| format!("2026-10-01 {:02}:{:02}:00,0.2{}\n", it / 60, it % 60, it % 7);
    let rows: String = (0..1_400).map(row).collect();
    std::fs::write(dir.path().join("past.csv"), format!("timestamp,cpu_busy_ratio\n{rows}")).unwrap();
    let (code, _, error) = run(dir.path(), "train --from csv:past.csv --output points.csv");
    assert_eq!(code, 1);
    let says =
        "past.csv, line 2: column \"timestamp\": \"2026-10-01 00:00:00\" has no offset from UTC; append Z";
    assert!(error.contains(says), "{error}");
}

#[test]
fn points_written_to_a_file_are_not_stored() {
    let dir = tempfile::tempdir().unwrap();
    let now = hostnorm::clock::now().0.floor();
    let row = |it: u32| format!("{},0.2{}\n", now - 60.0 * f64::from(1_500 - it), it * 7 % 10);
    let rows: String = (0..1_500).map(row).collect();
    std::fs::write(dir.path().join("past.csv"), format!("timestamp,cpu_busy_ratio\n{rows}")).unwrap();
    let (code, said, error) =
        run(dir.path(), "--storage.path store train --from csv:past.csv --output points.csv");
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains("points written to points.csv"), "{said}");
    assert!(!dir.path().join("store").exists());
    let past = std::fs::read_to_string(dir.path().join("past.csv")).unwrap();
    for args in [
        "train --from csv:past.csv --output past.csv",
        "train --from csv:past.csv --output ./past.csv",
        "train --search --history past.csv --output past.csv",
    ] {
        let (code, _, error) = run(dir.path(), args);
        assert!(code == 64 && error.contains("would overwrite past.csv"), "{args}: {code} {error}");
        assert_eq!(std::fs::read_to_string(dir.path().join("past.csv")).unwrap(), past, "{args}");
    }
    let few: String = past.lines().take(1_401).fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(dir.path().join("few.csv"), few).unwrap();
    let (code, _, error) = run(dir.path(), "train --from csv:few.csv --storage.path store");
    assert!(code == 1 && error.contains("1,440 needed; name a file that covers 40m more"), "{code} {error}");
    let (code, ..) = run(dir.path(), "--storage.path store train --from csv:past.csv");
    assert!(code == 0 && dir.path().join("store").exists());
}

#[test]
fn an_unsuitable_history_is_refused() {
    let dir = machine();
    let whole = std::fs::read_to_string(dir.path().join("h.csv")).unwrap();
    let first: String = whole.lines().take(301).fold(String::new(), |text, line| text + line + "\n");
    std::fs::write(dir.path().join("short.csv"), first).unwrap();
    let mut constant = String::from("a\n");
    (0..1_000).for_each(|_| writeln!(constant, "5").unwrap());
    std::fs::write(dir.path().join("constant.csv"), constant).unwrap();
    let check = |args: &str, code: i32, expect: &str| {
        let (found, _, error) = run(dir.path(), args);
        assert_eq!((found, error.trim_end()), (code, expect), "{args}");
    };
    check(
        "train --search --history short.csv",
        1,
        "short.csv: 300 rows of 10m are too few to search; at least 674 are required, 4d16h20m in all, to fit 8 faults into each part",
    );
    check(
        "train --search --history constant.csv --every 10m",
        1,
        "constant.csv: no signal varies, so no fault would be visible",
    );
    check(
        "train --search --history constant.csv",
        64,
        "error: constant.csv has no column \"timestamp\"; pass the time between rows, such as --every 60s",
    );
    check("--window 3 train --search --history h.csv", 64, "train --search does not use --window; remove it");
    let (code, _, error) = run(dir.path(), "train --history h.csv");
    assert_eq!(code, 64);
    assert!(error.contains("--search"), "{error}");
    let (code, _, error) = run(dir.path(), "train --search --history h.csv --output no/such/dir.yaml");
    assert_eq!(code, 1);
    assert!(error.starts_with("cannot write no/such/dir.yaml: "), "{error}");
}
