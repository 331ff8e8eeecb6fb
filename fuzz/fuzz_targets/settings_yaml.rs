//! Settings: a file, variables and flags; and the file of names for backfill. The first byte chooses.
#![no_main]

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::LazyLock;

use hostnorm::backfill::MetricNameMapping;
use hostnorm::config::{FlagValue, LoadedConfig, effective_settings_yaml};
use hostnorm::sources;
use libfuzzer_sys::fuzz_target;

/// Longest line of a message: values are shortened in it.
const LINE_CHARS_MAX: usize = 1000;

/// A directory for the files, as both readers take a path.
static DIRECTORY: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a directory for temporary files"));

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    // Loading all settings takes a hundred times as long as loading a few.
    let again = choice & 4 != 0;
    match choice % 4 {
        0 => check(LoadedConfig::new(Some(&file(bytes)), [], Vec::new()), again),
        1 => check(LoadedConfig::new(None, variables(bytes), Vec::new()), again),
        2 => check(LoadedConfig::new(None, [], flags(bytes)), again),
        _ => {
            let metrics: Vec<_> = sources::metrics().collect();
            if let Err(error) = MetricNameMapping::read(&file(bytes), &metrics) {
                check_message(&error.to_string());
            }
        }
    }
});

fn file(bytes: &[u8]) -> PathBuf {
    let path = DIRECTORY.path().join("file.yaml");
    std::fs::write(&path, bytes).expect("a file that can be written");
    path
}

/// Settings that load are loaded again from what is printed of them, except for secrets, which are not printed.
fn check(loaded: Result<LoadedConfig, impl std::fmt::Display>, again: bool) {
    match loaded {
        Err(problems) => check_message(&problems.to_string()),
        Ok(_) if !again => (),
        Ok(loaded) => {
            let printed = effective_settings_yaml(&loaded);
            let again = LoadedConfig::new(Some(&file(printed.as_bytes())), [], Vec::new());
            let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
            if loaded.config.otlp.headers.is_empty() {
                assert_eq!(again.config, loaded.config, "{printed}");
            }
        }
    }
}

fn check_message(message: &str) {
    assert!(!message.trim().is_empty());
    for line in message.replace(&*DIRECTORY.path().to_string_lossy(), "").lines() {
        assert!(line.chars().count() <= LINE_CHARS_MAX, "{line}");
    }
}

/// Each line `NAME=value` is a variable of hostnorm, or one of OpenTelemetry if it starts with `OTEL`.
fn variables(bytes: &[u8]) -> Vec<(OsString, OsString)> {
    let text = String::from_utf8_lossy(bytes);
    let pairs = text.lines().filter_map(|it| it.split_once('=')).filter(|it| it.0 != "CONFIG__FILE");
    let name =
        |name: &str| if name.starts_with("OTEL") { name.into() } else { format!("HOSTNORM_{name}").into() };
    pairs.map(|(key, value)| (name(key), value.into())).collect()
}

/// Each line `key=word,word` is a flag.
fn flags(bytes: &[u8]) -> Vec<FlagValue> {
    let text = String::from_utf8_lossy(bytes);
    let flag = |(key, words): (&str, &str)| FlagValue {
        key: key.into(),
        flag: key.replace('_', "-"),
        words: words.split(',').map(str::to_owned).collect(),
    };
    text.lines().filter_map(|it| it.split_once('=')).map(flag).collect()
}
