//! What users give and see again: no secret is repeated, and nothing that a terminal acts on, in any setting, source or
//! command.

use std::path::Path;
use std::process::Command;

use hostnorm::config::{FlagValue, LoadedConfig, Setting, SettingType, effective_settings_yaml, settings};
use proptest::prelude::*;

/// What must not be seen.
const SECRET: &str = "s3cret";

/// Runs the program; gives all that it prints.
fn output(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    let output = command.env_clear().current_dir(dir).args(args).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// Addresses with secrets, also malformed ones.
fn addresses() -> Vec<String> {
    let mut found = Vec::new();
    for rest in [
        "http://u:s3cret@h:1/x",
        "http://h/?u=bob&p=s3cret",
        "https://h:3100/x?token=s3cret",
        "http://h/#access_token=s3cret",
        "h:3100/db?token=s3cret",
        "http://u:my s3cret@h/",
        "http://h/?token=s3cret with spaces",
        "ftp://h/?a=1;token=s3cret",
        "http://u:s3cret@h/?q=user@host&token=s3cret",
    ] {
        found.extend(["", "prometheus:", "influxdb:", "csv:"].map(|kind| format!("{kind}{rest}")));
    }
    found
}

/// Names and values, of which the names are shown: no addresses.
const ATTRIBUTES: &str = "otlp.resource_attributes";

/// The errors of settings, or all that `hostnorm check --print` shows of them.
fn shown(loaded: Result<LoadedConfig, hostnorm::config::ConfigProblems>) -> String {
    loaded.map_or_else(|problems| format!("{problems}"), |loaded| effective_settings_yaml(&loaded))
}

fn of_flag(setting: &Setting, value: &str) -> String {
    let words = vec![value.to_owned()];
    shown(LoadedConfig::new(
        None,
        [],
        vec![FlagValue { key: setting.key.to_string(), flag: setting.flag(), words }],
    ))
}

fn of_variable(name: &str, value: &str) -> String {
    shown(LoadedConfig::new(None, [(name.into(), value.into())], Vec::new()))
}

fn of_file(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hostnorm.yaml");
    std::fs::write(&file, text).unwrap();
    shown(LoadedConfig::new(Some(&file), [], Vec::new()))
}

/// A file with one setting, in block style.
fn yaml(setting: &Setting, value: &str) -> String {
    let sections: Vec<_> = setting.sections().collect();
    let above: String =
        sections.iter().enumerate().map(|(depth, it)| format!("{}{it}:\n", "  ".repeat(depth))).collect();
    format!("{above}{}{}: {value}\n", "  ".repeat(sections.len()), setting.name())
}

#[test]
fn no_setting_repeats_the_secret_of_an_address() {
    for setting in settings().iter().filter(|it| it.key != ATTRIBUTES) {
        for address in addresses() {
            let quoted = format!("\"{address}\"");
            for text in [
                of_flag(setting, &address),
                of_variable(&setting.variable(), &address),
                of_file(&yaml(setting, &quoted)),
                of_file(&yaml(setting, &format!("[{quoted}]"))),
                of_file(&yaml(setting, &format!("{{url: {quoted}, password: s3cret, pasword: s3cret}}"))),
                of_file(&yaml(
                    setting,
                    &format!("[{{name: a, loki: {{url: {quoted}, connection: {{pasword: s3cret}}}}}}]"),
                )),
            ] {
                assert!(!text.contains(SECRET), "{}: {address}: {text}", setting.key);
            }
        }
    }
}

#[test]
fn no_header_or_attribute_is_repeated() {
    let pairs =
        ["Authorization: Bearer s3cret", "s3cret", "Bearer s3cret: x", "a=s3cret", "token=s3cret,=s3cret"];
    let has_pairs = |it: &Setting| it.key.ends_with("headers") || it.key.ends_with("attributes");
    for setting in settings().iter().filter(|it| has_pairs(it)) {
        for pair in pairs {
            for text in [of_flag(setting, pair), of_variable(&setting.variable(), pair)] {
                // What is before the separator is a name.
                let is_name = text.contains(&format!("{SECRET}:"));
                assert!(is_name || !text.contains(SECRET), "{}: {pair}: {text}", setting.key);
            }
        }
    }
    for name in ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES"] {
        for value in ["Authorization=Bearer s3cret", "http://h/?token=s3cret", "=s3cret"] {
            let is_pair = !name.ends_with("ENDPOINT") || value.contains('/');
            let text = of_variable(name, value);
            assert!(!is_pair || !text.contains(SECRET), "{name}: {value}: {text}");
        }
    }
}

/// A file of another program is refused in few lines, and at once: each key is looked up once.
#[test]
fn thousands_of_unknown_keys_are_counted() {
    let text: String = (0..20_000).map(|it| format!("key{it}: {it}\n")).collect();
    let found = of_file(&text);
    assert_eq!(found.lines().count(), 21, "{found}");
    assert!(found.lines().next().unwrap().contains("key0: unknown setting"), "{found}");
    assert_eq!(found.lines().last(), Some("and 19980 more"));
}

/// Keys that are misspelled or at the wrong place: their names are shown, and no value.
#[test]
fn unknown_keys_are_named_without_their_values() {
    for (text, expect) in [
        ("backfill:\n  pasword: s3cret\n", "backfill.pasword: unknown setting"),
        ("tokenn: s3cret\n", "tokenn: unknown setting"),
        ("logs:\n- {name: a, loki: {url: 'http://h', password: s3cret}}\n", "unknown key \"password\""),
        ("logs:\n- {name: a, token: s3cret, journald: {}}\n", "unknown key \"token\""),
        (
            "logs:\n- {name: a, loki: {url: 'http://h:3100/?token=s3cret', query: '{a=\"b\"}'}}\n",
            "\"http://h:3100/?…\"",
        ),
        ("logs: {a: {token: s3cret}}\n", "expected a list of logs"),
        ("maintenance: [{cron: '* * * * *', duration: 1h, secret: s3cret}]\n", "unknown key \"secret\""),
    ] {
        let found = of_file(text);
        assert!(found.contains(expect) && !found.contains(SECRET), "{text}{found}");
    }
}

#[test]
fn no_command_repeats_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    for address in addresses() {
        for args in [
            &["train", "--from", &address] as &[&str],
            &["train", &address],
            &[&address],
            &["replay", "--every", &address],
            &["check", "--otlp.endpoint", &address, "--print"],
            &["check", "--alertmanager.url", &address],
            &["check", "--backfill.from", &address],
        ] {
            // A file of this name would be asked for by it.
            if args.contains(&"train") && address.starts_with("csv:") {
                continue;
            }
            let text = output(dir.path(), args);
            assert!(!text.contains(SECRET), "{args:?}: {text}");
        }
    }
}

#[test]
fn control_characters_are_shown_escaped() {
    let dir = tempfile::tempdir().unwrap();
    let name = "a\u{1b}[31m\u{9b}2J\u{7}b.csv";
    std::fs::write(dir.path().join(name), "timestamp;a\n1;2\n").unwrap();
    let absent = "no\u{1b}]0;title\u{7}.csv";
    for args in [
        &["validate", "--input", name] as &[&str],
        &["validate", name],
        &["validate", absent],
        &["evaluate", "--labels", name, "--scores", absent],
        &["replay", "--input", name],
        &["replay", "--input", absent],
        &["replay", "--history", name, "--input", name],
        &["train", "--output", "o.csv", "--from", &format!("csv:{name}")],
        &["train", "--output", "o.csv", "--from", &format!("csv:{absent}")],
        &["train", "--search", "--history", name],
        &["check", "--config.file", absent],
        &["check", "--config.file", name],
        &["check", "--interval", "1\u{1b}[2Js"],
        &["check", "--log.level", "\u{1b}[2J"],
        &["check", "--path.procfs", absent],
        &["check", "--storage.path", absent, "--print"],
        &["status", "--web.listen-address", "\u{1b}[2J"],
        &["explain", "\u{1b}[2J"],
        &["--\u{1b}[2J"],
        &["\u{1b}[2J"],
        &["train", "--from", "\u{1b}[2J"],
    ] {
        let text = output(dir.path(), args);
        let acts = text.chars().find(|it| it.is_control() && !matches!(it, '\n' | '\t'));
        assert!(acts.is_none() && !text.is_empty(), "{args:?}: {text:?}");
    }
}

/// The one reader of tables says in each command what separates cells.
#[test]
fn tables_with_other_separators_get_the_same_hint() {
    let dir = tempfile::tempdir().unwrap();
    for (file, separator, decimal, hint) in [
        (
            "semi.csv",
            ';',
            ',',
            "; cells are separated by commas, not by semicolons, and numbers have a decimal point",
        ),
        (
            "dots.csv",
            ';',
            '.',
            "; cells are separated by commas, not by semicolons, and numbers have a decimal point",
        ),
        ("tabs.csv", '\t', '.', "; cells are separated by commas, not by tabs"),
        ("bars.csv", '|', '.', "; cells are separated by commas, not by vertical bars"),
    ] {
        for header in ["timestamp^cpu_busy_ratio", "timestamp^cpu, busy^load", "cpu^timestamp"] {
            let cells = header.split('^').count();
            let header = header.replace('^', &separator.to_string());
            let row = |idx: u32| vec![format!("{idx}{decimal}5"); cells].join(&separator.to_string());
            let rows: Vec<_> = (1..40).map(row).collect();
            std::fs::write(dir.path().join(file), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
            let from = format!("csv:{file}");
            for args in [
                &["replay", "--input", file] as &[&str],
                &["replay", "--history", file, "--input", file],
                &["train", "--output", "o.csv", "--from", &from],
                &["train", "--search", "--history", file],
                &["validate", file],
            ] {
                let text = output(dir.path(), args);
                assert!(text.contains(hint.trim_start_matches("; ")), "{args:?} {header:?}: {text}");
            }
        }
    }
}

#[test]
fn numbers_of_days_get_the_same_hint() {
    let dir = tempfile::tempdir().unwrap();
    let row = |idx: u32| format!("{},0.{}5\n", 45_000.0 + f64::from(idx) / 2_880.0, idx % 7);
    let rows: String = (0..3_000).map(row).collect();
    std::fs::write(dir.path().join("days.csv"), format!("timestamp,cpu_busy_ratio\n{rows}")).unwrap();
    for args in [
        &["replay", "--input", "days.csv"] as &[&str],
        &["train", "--output", "o.csv", "--from", "csv:days.csv"],
        &["train", "--search", "--history", "days.csv"],
        &["validate", "days.csv"],
    ] {
        let text = output(dir.path(), args);
        assert!(text.contains("(days - 25569) * 86400"), "{args:?}: {text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Secrets as they are made, in each place of an address, in the settings that have one.
    #[test]
    fn no_address_shows_its_secret(secret in "[A-Za-z0-9!$'()*+,;:@/_~.-]{6,20}", place in 0_usize..3) {
        // Whatever stands in the rest of the output by itself.
        prop_assume!(secret.chars().filter(char::is_ascii_alphanumeric).count() >= 6);
        let address = match place {
            0 => format!("http://user:{secret}@host:1/"),
            1 => format!("http://host/path?token={secret}"),
            _ => format!("prometheus:http://{secret}:{secret}@host?u=a&p={secret}"),
        };
        let is_text = |it: &Setting| {
            it.key != ATTRIBUTES && matches!(it.takes, SettingType::Text | SettingType::Texts | SettingType::Logs)
        };
        for setting in settings().iter().filter(|it| is_text(it)) {
            for text in [of_flag(setting, &address), of_variable(&setting.variable(), &address)] {
                prop_assert!(!text.contains(&secret), "{}: {}: {}", setting.key, address, text);
            }
        }
    }
}
