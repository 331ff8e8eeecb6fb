//! `hostnorm replay` from outside: its output, errors for invalid tables, and exit codes.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hostnorm::commands::replay::{floors, settings};
use hostnorm::config::Config;
use hostnorm::replay::Replay;
use hostnorm::table::{TableReader, TableRow};

/// Runs the program in this directory, with `input.csv` as standard input if it exists.
fn run(dir: &Path, args: &str) -> Output {
    let stdin = std::fs::File::open(dir.join("input.csv")).map_or_else(|_| Stdio::null(), Stdio::from);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    command.env_clear().current_dir(dir).arg("replay").args(args.split_whitespace()).stdin(stdin);
    command.output().unwrap()
}

/// A directory with these files.
fn dir(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// The output for a valid history and input.
fn scores(history: &str, input: &str, args: &str) -> String {
    let dir = dir(&[("history.csv", history.as_bytes()), ("input.csv", input.as_bytes())]);
    let output = run(dir.path(), &format!("--history history.csv --input input.csv {args}"));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// This many rows of the labeled set of application servers, without and with the preceding rows.
fn asd(rows: usize) -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quality/data/asd-omi-1.train.csv.xz");
    let mut text = String::new();
    lzma_rust2::XzReader::new(std::fs::File::open(path).unwrap(), true).read_to_string(&mut text).unwrap();
    let (header, body) = text.split_once('\n').unwrap();
    let lines: Vec<&str> = body.lines().take(2 * rows).collect();
    let part = |lines: &[&str]| format!("{header}\n{}\n", lines.join("\n"));
    (part(&lines[..rows]), part(&lines[rows..]))
}

/// A valid table of minutes from `first` on, with two signals.
fn table(first: u64, rows: u64) -> String {
    let mut text = String::from("timestamp,cpu,memory\n");
    for idx in first..first + rows {
        let time = 1_795_219_200 + idx * 60;
        writeln!(text, "{time},0.{:02},{}", idx * 7 % 97, idx * 31 % 1009).unwrap();
    }
    text
}

/// A table with one line replaced.
fn changed(table: &str, line: usize, with: &str) -> String {
    table
        .lines()
        .enumerate()
        .map(|(idx, old)| format!("{}\n", if idx + 1 == line { with } else { old }))
        .collect()
}

#[test]
fn detectors_and_the_decision_can_be_chosen() {
    let (history, input) = asd(1_500);
    let column = |text: &str, idx: usize| -> Vec<String> {
        text.lines().skip(1).map(|line| line.split(',').nth(idx).unwrap().to_owned()).collect()
    };
    let usual = scores(&history, &input, "--every 5m --all");
    let voted = scores(&history, &input, "--every 5m --all --decide=vote");
    // The decision says which rows are in an episode, which changes a little of what is learned.
    for (one, other) in column(&usual, 0).iter().zip(column(&voted, 0)) {
        let [one, other] = [one.as_str(), &other].map(|it| it.parse::<f64>().unwrap_or(0.0));
        assert!((one - other).abs() <= 0.05 * one.max(1.0), "the score stays: {one} {other}");
    }
    assert_ne!(column(&usual, 2), column(&voted, 2), "the decision does not");
    let without = scores(&history, &input, "--every 5m --all --detectors.eif=off");
    assert_ne!(column(&usual, 0), column(&without, 0));
    let dir = dir(&[("input.csv", input.as_bytes())]);
    let votes =
        "--detectors.eif=off --detectors.zscore=off --detectors.baseline=off --detectors.seasonal=off";
    let refused = run(dir.path(), &format!("--input input.csv --every 5m --decide=vote {votes}"));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(64) && message.contains("needs a voting detector"), "{message}");
}

#[test]
fn scores_are_those_of_the_core() {
    let (history, input) = asd(400);
    let written = scores(&history, &input, "--every 5m --all --retrain-interval 1d");
    let mut lines = written.lines();
    assert_eq!(lines.next(), Some("score,top,is_anomaly,alert,confidence,episode"));
    let open = |text: &str| TableReader::of("table", std::io::Cursor::new(text.to_owned())).unwrap();
    let (mut history, mut input) = (open(&history), open(&input));
    let mut core = Replay::new(floors(input.columns()), &settings(&Config::default().detection, 300.0));
    let mut row = TableRow::default();
    while history.next_row(&mut row).unwrap() {
        core.step(row.at, &row.values, &row.missing).unwrap();
    }
    let mut rows = 0;
    while input.next_row(&mut row).unwrap() {
        let judged = core.step(row.at, &row.values, &row.missing).unwrap();
        let cells: Vec<&str> = lines.next().unwrap().split(',').collect();
        let score = judged.score.unwrap();
        assert_eq!(cells[0].parse(), Ok(score.held));
        let top: Vec<usize> = cells[1].split(';').map(|it| it.parse().unwrap()).collect();
        assert_eq!(top.len(), 19);
        assert!(top.is_sorted_by(|a, b| judged.deviations[*a] >= judged.deviations[*b]));
        assert_eq!(cells[2], if judged.episode.is_some() { "1" } else { "0" });
        assert_eq!(cells[3], if judged.is_alert { "1" } else { "0" });
        assert_eq!(cells[4].parse::<f64>().ok(), score.confidence);
        assert_eq!(!cells[5].is_empty(), judged.episode.is_some());
        rows += 1;
    }
    assert_eq!((rows, lines.next()), (400, None));
}

#[test]
fn equal_seeds_give_equal_bytes_and_scores_ignore_later_rows() {
    let (history, input) = asd(400);
    let whole = scores(&history, &input, "--every 5m --all --seed 7");
    assert_eq!(whole, scores(&history, &input, "--every 5m --all --seed 7"));
    let first: String = input.lines().take(151).map(|it| format!("{it}\n")).collect();
    let prefix = scores(&history, &first, "--every 5m --all --seed 7");
    assert_eq!(prefix.lines().count(), 151);
    assert!(whole.starts_with(&prefix));
}

#[test]
fn standard_input_and_compressed_tables_are_the_same() {
    let (history, input) = (table(0, 300), table(300, 100));
    let expect = scores(&history, &input, "");
    assert_eq!(expect.lines().count(), 101);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(history.as_bytes()).unwrap();
    let mut xz = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    xz.write_all(input.as_bytes()).unwrap();
    let files = dir(&[
        ("history.csv.gz", &gzip.finish().unwrap()),
        ("input.csv.xz", &xz.finish().unwrap()),
        ("input.csv", input.as_bytes()),
    ]);
    for args in [
        "--history history.csv.gz --input input.csv.xz",
        "--history history.csv.gz --input - --output -",
        "--history history.csv.gz --input input.csv --output scores.csv",
        "--history history.csv.gz --input input.csv --every 60s --config.file /dev/null",
    ] {
        let output = run(files.path(), args);
        assert_eq!(output.status.code(), Some(0), "{args}: {}", String::from_utf8_lossy(&output.stderr));
        let written = match args.contains("scores.csv") {
            true => std::fs::read(files.path().join("scores.csv")).unwrap(),
            false => output.stdout,
        };
        assert_eq!(String::from_utf8(written).unwrap(), expect, "{args}");
    }
}

#[test]
fn without_a_history_the_first_rows_have_no_score() {
    let files = dir(&[("input.csv", table(0, 40).as_bytes())]);
    let output = run(files.path(), "--input - --all");
    let written = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!((lines[1], lines[31]), ("NaN,,0,0,,", "NaN,,0,0,,"));
    assert!(lines[32].split(',').next().unwrap().parse::<f64>().unwrap().is_finite(), "{}", lines[32]);
    assert_eq!((lines.len(), output.status.code()), (41, Some(0)));
}

/// Checks the exit code, the error, and the number of complete rows before it.
fn check_bad(history: Option<&str>, input: &str, args: &str, code: i32, sentence: &str, rows: Option<usize>) {
    let mut files = vec![("input.csv", input.as_bytes())];
    files.extend(history.map(|it| ("history.csv", it.as_bytes())));
    let files = dir(&files);
    let with = if history.is_some() { "--history history.csv" } else { "" };
    let output = run(files.path(), &format!("{with} --input input.csv --output scores.csv {args}"));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(sentence), "{sentence:?} is not in {text:?}");
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    let written = std::fs::read_to_string(files.path().join("scores.csv")).ok();
    assert_eq!(written.as_ref().map(|it| it.lines().count() - 1), rows, "{sentence}");
    assert!(written.is_none_or(|it| it.ends_with('\n')));
}

#[test]
fn an_invalid_row_ends_it_after_the_scores_of_earlier_rows() {
    let history = table(0, 100);
    let input = table(100, 50);
    for (line, with, sentence) in [
        (12, "1795225800,0.1", "input.csv, line 12: 2 cells, the header has 3"),
        (12, "1795225800,busy,1", "input.csv, line 12: column \"cpu\": \"busy\" is not a number"),
        (12, "1795225800,0.1,1e308", "input.csv, line 12: column \"memory\": 1e308 is beyond"),
        (12, ",0.1,1", "input.csv, line 12: column \"timestamp\": the cell is empty"),
        (
            12,
            "1795225740,0.1,1",
            "input.csv, line 12: column \"timestamp\": 2026-11-21T01:49:00.000Z is not after 2026-11-21T01:49:00.000Z of line 11; sort the rows by time, oldest first",
        ),
        (
            12,
            "1795225000,0.1,1",
            "input.csv, line 12: column \"timestamp\": 2026-11-21T01:36:40.000Z is not after",
        ),
        (45, "1795227780,x,1", "input.csv, line 45: column \"cpu\": \"x\" is not a number"),
    ] {
        check_bad(Some(&history), &changed(&input, line, with), "", 1, sentence, Some(line - 2));
        check_bad(
            Some(&changed(&history, line, "1,2,3,4")),
            &input,
            "",
            1,
            &format!("history.csv, line {line}: 4 cells"),
            None,
        );
    }
    // Invalid rows of the history are refused as well.
    check_bad(
        Some(&changed(&history, 50, "1795222080,x,1")),
        &input,
        "",
        1,
        "history.csv, line 50: column \"cpu\"",
        None,
    );
}

#[test]
fn unsuitable_tables_are_refused() {
    let history = table(0, 100);
    let constant = |rows: usize| format!("cpu,memory\n{}", "1,2\n".repeat(rows));
    let plain = |text: &str| -> String {
        text.lines().map(|it| format!("{}\n", it.split_once(',').unwrap().1)).collect()
    };
    let (rows, timeless) = (plain(&history), "--every 60s");
    check_bad(None, "", "", 1, "input.csv: is empty; expected a header with the names of the columns", None);
    check_bad(None, "cpu\n", timeless, 1, "input.csv: has no rows after the header", Some(0));
    check_bad(None, "cpu\n1\n", timeless, 1, "input.csv: 1 row; the first score needs 32", Some(1));
    check_bad(None, &constant(50), timeless, 1, "input.csv: no column changes", Some(50));
    check_bad(Some(&rows), "cpu,memory\n1,2\n", timeless, 1, "input.csv: no column changes", Some(1));
    check_bad(Some(&rows), &constant(50), timeless, 1, "input.csv: no column changes", Some(50));
    check_bad(Some(&constant(50)), &rows, timeless, 1, "history.csv: no column changes", None);
    check_bad(
        Some(&plain(&table(0, 5))),
        &rows,
        timeless,
        1,
        "history.csv: 5 rows; the first score needs 32",
        None,
    );
    check_bad(Some("cpu,memory\n"), &rows, timeless, 1, "history.csv: has no rows after the header", None);
}

#[test]
fn tables_that_do_not_fit() {
    let history = table(0, 100);
    let input = table(100, 50);
    let renamed = |to: &str| changed(&input, 1, to);
    check_bad(
        Some(&history),
        &renamed("timestamp,cpu,load"),
        "",
        1,
        "input.csv, line 1: signal 2 is \"load\", but \"memory\" in history.csv; both need the same columns in the same order",
        None,
    );
    check_bad(
        Some(&history),
        "timestamp,cpu\n1,2\n",
        "",
        1,
        "signal 2 is missing, but \"memory\" in history.csv",
        None,
    );
    let timeless = "cpu,memory\n1,2\n";
    check_bad(
        Some(&history),
        timeless,
        "",
        1,
        "input.csv, line 1: no column \"timestamp\", but history.csv has one",
        None,
    );
    check_bad(
        Some(timeless),
        &input,
        "",
        1,
        "history.csv, line 1: no column \"timestamp\", but input.csv has one",
        None,
    );
    check_bad(
        None,
        timeless,
        "",
        64,
        "input.csv has no column \"timestamp\"; pass the time between rows",
        None,
    );
    check_bad(None, "timestamp,cpu\n5,1\n", "", 1, "input.csv: too few rows to find their interval", None);
    check_bad(
        None,
        &input,
        "--every 5m",
        1,
        "input.csv: rows are 1m apart by their timestamps, not 5m as --every says",
        None,
    );
    check_bad(
        Some(&history),
        &table(99, 50),
        "",
        1,
        "input.csv, line 2: column \"timestamp\": 2026-11-21T01:39:00.000Z is not after 2026-11-21T01:39:00.000Z of history.csv, line 101;",
        Some(0),
    );
    check_bad(None, &input, "--threshold -1", 64, "threshold", None);
    check_bad(None, &input, "--history none.csv", 1, "none.csv: cannot be read: No such file", None);
}

#[test]
fn scores_never_overwrite_an_input() {
    let input = table(0, 50);
    let files = dir(&[("input.csv", input.as_bytes())]);
    std::fs::hard_link(files.path().join("input.csv"), files.path().join("hard.csv")).unwrap();
    std::os::unix::fs::symlink("input.csv", files.path().join("soft.csv")).unwrap();
    for output in ["input.csv", "./input.csv", "hard.csv", "soft.csv"] {
        let found = run(files.path(), &format!("--input input.csv --output {output}"));
        assert_eq!(found.status.code(), Some(64), "{output}");
        assert!(String::from_utf8(found.stderr).unwrap().contains("would overwrite input.csv"), "{output}");
        assert_eq!(std::fs::read_to_string(files.path().join("input.csv")).unwrap(), input);
    }
    let found = run(files.path(), "--input input.csv --state . --output hostnorm.db-wal");
    assert_eq!(found.status.code(), Some(64), "{found:?}");
    let found = run(files.path(), "--input input.csv --output no/where.csv");
    assert_eq!(found.status.code(), Some(1));
    assert!(String::from_utf8(found.stderr).unwrap().starts_with("no/where.csv: scores cannot be written: "));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let files = dir(&[("input.csv", table(0, 20_000).as_bytes())]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    command.env_clear().current_dir(files.path()).args(["replay", "--input", "input.csv"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn labels_give_metrics() {
    let (history, input) = (table(0, 300), table(300, 100));
    let mut labels = vec!["0"; 100];
    labels[40..50].fill("1");
    let files = dir(&[
        ("history.csv", history.as_bytes()),
        ("input.csv", input.as_bytes()),
        ("labels", labels.join("\n").as_bytes()),
        ("short", b"0\n1\n"),
        ("long", "1\n".repeat(101).as_bytes()),
        ("quiet", "0\n".repeat(100).as_bytes()),
    ]);
    let args = "--history history.csv --input input.csv";
    let output = run(files.path(), &format!("{args} --labels labels --output scores.csv"));
    let figures = String::from_utf8(output.stdout).unwrap();
    assert!(figures.contains("vus_pr") && figures.contains("threshold_recall"), "{figures}");
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    // The metrics are those of evaluate, with the default width of buffers.
    let first: Vec<f64> =
        input.lines().skip(1).map(|it| it.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let window = hostnorm::evaluate::period(&first).to_string();
    let mut evaluate = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    evaluate.env_clear().current_dir(files.path()).arg("evaluate");
    let asked = evaluate
        .args(["--labels", "labels", "--scores", "scores.csv", "--vus-window", &window])
        .output()
        .unwrap();
    let without_name = |text: &str| {
        text.lines().skip(1).map(|it| it.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(without_name(&figures), without_name(&String::from_utf8(asked.stdout).unwrap()));
    // If scores are on standard output, metrics are not.
    let output = run(files.path(), &format!("{args} --labels labels"));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), figures);
    assert_eq!(output.stdout, std::fs::read(files.path().join("scores.csv")).unwrap());
    for (labels, sentence) in [
        ("short", "short: 100 rows have a score, but 2 have a label; each row needs both"),
        ("long", "long: 100 rows have a score, but 101 have a label; each row needs both"),
        ("quiet", "quiet: no row is labeled 1; at least one event is required"),
        ("none", "none: cannot be read: No such file or directory"),
    ] {
        let output = run(files.path(), &format!("{args} --labels {labels}"));
        assert!(String::from_utf8(output.stderr).unwrap().starts_with(sentence), "{labels}");
        assert_eq!(output.status.code(), Some(1), "{labels}");
    }
}

#[test]
fn labels_with_times_in_another_unit_get_a_hint() {
    let rows =
        (0..100).map(|row| format!("{},{}\n", 45_000.0 + f64::from(row) / 1440.0, u8::from(row == 50)));
    let labels = "timestamp,label\n".to_owned() + &rows.collect::<String>();
    let files = dir(&[("input.csv", table(0, 100).as_bytes()), ("labels", labels.as_bytes())]);
    let output = run(files.path(), "--input input.csv --labels labels");
    let text = String::from_utf8(output.stderr).unwrap();
    let hint = "labels: the first time, 45000, is before 1973 as Unix time; if it is a number of days";
    assert!(text.starts_with(hint), "{text}");
}
