//! Enforces the layers: a module uses only layers below it. Limits the size of files.

use std::path::{Path, PathBuf};

use crate::project_files::{files, root};

mod import_cycles;

/// The library, which lists all layers, and the program, which joins the top ones.
const MAPS: &[&str] = &["lib", "main"];

/// From the bottom up. A module uses its own row and the rows above it in this table.
const LAYERS: &[&[&str]] = &[
    &[
        "version",
        "duration",
        "byte_size",
        "roc",
        "learned_state_codec",
        "alert_budget",
        "url_credentials",
        "secret_text",
        "control_characters",
    ],
    &["metric"],
    &["reading"],
    &["time_zone"],
    &["signal", "grace", "maintenance", "silence", "cost_limit", "episode_pattern", "counter_reset"],
    &["log_line", "log_mask"],
    &["log_template"],
    &["log_stats"],
    &["window"],
    &["detect", "drift", "forecast"],
    &["culprit"],
    &["impact"],
    &["report"],
    &["episode"],
    &["alert"],
    &["episode_text"],
    &["explanation"],
    &["training", "evaluate", "simulate"],
    &["model_registry"],
    &["scorer"],
    &["selftest"],
    &["engine", "replay"],
    &["settings_search"],
    &[
        "clock",
        "control_command",
        "third_party_forest",
        "whole_file",
        "open_files",
        "file_size_limit",
        "thread_limit",
        "yaml_text",
        "log_stream",
        "host_name",
    ],
    &["remote", "host_time_zone", "request_cpu"],
    &["sources", "table", "backfill", "alertmanager_silences", "store", "telemetry", "sd_notify", "mcp"],
    &["stored_explanation", "scene", "logs"],
    &["http"],
    &["dataset", "remediate"],
    &["config"],
    &["sampler"],
    &["cli"],
    &["commands"],
];

/// Forbidden in the core: runtime, files, clocks, sockets, unseeded randomness, log.
const FORBIDDEN_IN_CORE: &[&str] = &[
    "tokio::",
    "hyper::",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "thread_rng",
    "from_os_rng",
    "tracing::",
    "println!",
];

/// The lowest row of the shell.
const SHELL: &str = "clock";

/// The only users of a crate, separated by spaces.
const OWNERS: &[(&str, &str)] = &[
    ("clap::", "cli"),
    ("figment::", "config"),
    ("yaml_serde::", "yaml_text config backfill http remediate"),
    ("ureq::", "remote telemetry"),
    ("hyper::", "http telemetry"),
    ("listenfd::", "http"),
    ("form_urlencoded::", "http"),
    ("maud::", "http"),
    ("rustls::", "http"),
    ("tokio_rustls::", "http"),
    ("x509_parser::", "http"),
    ("bcrypt::", "http"),
    ("use ring::", "http"),
    ("rpassword::", "commands"),
    ("clap_complete::", "cli"),
    ("clap_mangen::", "cli"),
    ("tracing_subscriber::", "telemetry"),
    ("tracing_opentelemetry::", "telemetry"),
    ("opentelemetry::", "telemetry"),
    ("opentelemetry_sdk::", "telemetry"),
    ("opentelemetry_otlp::", "telemetry"),
    ("opentelemetry_http::", "telemetry"),
    ("csv_core::", "table"),
    ("jiff::", "table explanation maintenance alertmanager_silences time_zone remediate logs"),
    ("lzma_rust2::", "table"),
    ("postcard::", "learned_state_codec"),
    ("extended_isolation_forest::", "third_party_forest"),
    ("rusqlite::", "store remediate"),
    ("glob::", "logs"),
    ("sdjournal::", "logs"),
];

/// Names that do not describe their content.
const EMPTY_NAMES: &[&str] =
    &["utils", "util", "helpers", "helper", "common", "misc", "manager", "handler", "service", "processor"];

/// A longer file holds more than one idea.
const LINES_MAX: usize = 400;

/// Files that may be longer, with the reason.
const LONG: &[(&str, &str)] = &[];

#[test]
fn modules_use_only_lower_layers() {
    let mut wrong = Vec::new();
    each_line(|place, module, line| {
        let Some(own_row) = row_of(module) else { return };
        for used in crates_used(line) {
            let Some(row) = row_of(&used) else {
                // `crate::CONSTANT` or an item of the root itself; there are none of those.
                wrong.push(format!("{place}: {used} is in no row of LAYERS"));
                continue;
            };
            if own_row < row || (own_row == row && used != module) {
                wrong.push(format!("{place}: {module} uses {used}, which stands above or beside it"));
            }
        }
        if own_row < row_of(SHELL).unwrap() {
            for word in FORBIDDEN_IN_CORE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{place}: {word} in the core"));
            }
        }
        for (word, owner) in OWNERS {
            if line.contains(word) && !owner.split(' ').any(|it| it == module) {
                wrong.push(format!("{place}: only {owner} knows {word}"));
            }
        }
    });
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_has_a_row_and_a_descriptive_name() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let module = module_of(&path);
        if row_of(&module).is_none() && !MAPS.contains(&module.as_str()) {
            wrong.push(format!("{}: {module} is in no row of LAYERS", path.display()));
        }
        for part in path.strip_prefix(src()).unwrap().with_extension("").iter() {
            if EMPTY_NAMES.contains(&&*part.to_string_lossy()) {
                wrong.push(format!("{}: says nothing of what is inside", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn files_are_not_too_long() {
    let mut wrong = Vec::new();
    for path in rust_files() {
        let name = path.strip_prefix(src()).unwrap().to_string_lossy().into_owned();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        let may_be_long = LONG.iter().any(|(long, _)| *long == name);
        if (lines > LINES_MAX) != may_be_long {
            wrong.push(format!("src/{name}: {lines} lines; split it, or set LONG right"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn finds_the_modules_of_a_line() {
    for (line, expect) in [
        ("use crate::metric::{Metric, Type};", vec!["metric"]),
        ("use crate::{clock, sources::Roots};", vec!["clock", "sources"]),
        ("fn of(a: crate::reading::Labels, b: crate::signal::Unit) {}", vec!["reading", "signal"]),
        ("use super::engine::Engine;", vec!["engine"]),
        ("use super::{Error, Source};", vec![]),
        ("let crate_name = 1;", vec![]),
    ] {
        assert_eq!(crates_used(line), expect, "{line}");
    }
}

/// Calls `look` with path, module and text of each line that is no comment, with groups of `use` on one line.
fn each_line(mut look: impl FnMut(&str, &str, &str)) {
    for path in rust_files() {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut group: Option<(usize, String)> = None;
        for (idx, line) in text.lines().enumerate() {
            let line = line.split_once("//").map_or(line, |(code, _)| code).trim();
            let (number, line) = match group.take() {
                Some((number, before)) => (number, before + line),
                None => (idx + 1, line.to_owned()),
            };
            if line.contains("crate::{") && !line.contains(';') {
                group = Some((number, line));
                continue;
            }
            look(&format!("{}:{number}", path.display()), &module_of(&path), &line);
        }
    }
}

/// The modules of this crate in a line.
fn crates_used(line: &str) -> Vec<String> {
    let word =
        |text: &str| text.chars().take_while(|it| it.is_alphanumeric() || *it == '_').collect::<String>();
    let mut used = Vec::new();
    // In a top-level file, `super` is the crate.
    used.extend(line.split("super::").skip(1).map(word).filter(|it| row_of(it).is_some()));
    for rest in line.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => used.push(word(rest)),
            Some(group) => {
                // The first word after each comma outside inner braces.
                let mut depth = 0;
                let mut start = true;
                for (idx, character) in group.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        ' ' => (),
                        _ if start => {
                            used.push(word(&group[idx..]));
                            start = false;
                        }
                        _ => (),
                    }
                }
            }
        }
    }
    used
}

fn row_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

fn src() -> PathBuf {
    root().join("src")
}

fn module_of(path: &Path) -> String {
    let first = path.strip_prefix(src()).unwrap().iter().next().unwrap().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files() -> Vec<PathBuf> {
    let mut files = files(&src());
    files.retain(|it| it.extension().is_some_and(|it| it == "rs"));
    files
}
