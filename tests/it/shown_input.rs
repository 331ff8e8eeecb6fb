//! What users give and see again: no secret is repeated, and nothing that a terminal acts on, in any setting, source or
//! command.

use std::path::Path;
use std::process::Command;

use hostnorm::config::{
    ConfigProblems, FlagValue, LoadedConfig, Setting, SettingType, effective_settings_yaml, settings,
};
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
fn shown(loaded: Result<LoadedConfig, ConfigProblems>) -> String {
    loaded.map_or_else(|problems| format!("{problems}"), |loaded| effective_settings_yaml(&loaded))
}

fn load_flag(setting: &Setting, value: &str) -> Result<LoadedConfig, ConfigProblems> {
    let (key, flag, words) = (setting.key.to_string(), setting.flag(), vec![value.to_owned()]);
    LoadedConfig::new(None, [], vec![FlagValue { key, flag, words }])
}

fn of_flag(setting: &Setting, value: &str) -> String {
    shown(load_flag(setting, value))
}

fn of_variable(name: &str, value: &str) -> String {
    shown(LoadedConfig::new(None, [(name.into(), value.into())], Vec::new()))
}

fn load_file(text: &str) -> Result<LoadedConfig, ConfigProblems> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hostnorm.yaml");
    std::fs::write(&file, text).unwrap();
    LoadedConfig::new(Some(&file), [], Vec::new())
}

fn of_file(text: &str) -> String {
    shown(load_file(text))
}

/// A file with one setting, in block style.
fn yaml(setting: &Setting, value: &str) -> String {
    let sections: Vec<_> = setting.sections().collect();
    let above: String =
        sections.iter().enumerate().map(|(depth, it)| format!("{}{it}:\n", "  ".repeat(depth))).collect();
    format!("{above}{}{}: {value}\n", "  ".repeat(sections.len()), setting.name())
}

#[test]
#[ignore = "takes half a minute; ./check runs it"]
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

/// Values of which each setting that holds credentials takes at least one, beside addresses.
const CREDENTIALS: [&str; 4] =
    ["s3cret", "anna:s3cret", "Authorization: Bearer s3cret", "service.token=s3cret"];

/// Whether a setting may hold a secret, by its key.
fn holds_secret(setting: &Setting) -> bool {
    ["endpoint", ".url", ".from"].iter().any(|it| setting.key.ends_with(it)) || is_secret(setting)
}

/// Whether the value of a setting is a secret, by its key, or a part of it that is no password in a URL.
fn is_secret(setting: &Setting) -> bool {
    [".user", "headers", "attributes"].iter().any(|it| setting.key.ends_with(it))
}

#[test]
fn debug_output_of_settings_shows_no_secret() {
    for setting in settings().iter().filter(|it| holds_secret(it)) {
        let mut is_valid_once = false;
        for value in CREDENTIALS.map(str::to_owned).into_iter().chain(addresses()) {
            let Ok(loaded) = load_flag(setting, &value) else { continue };
            is_valid_once = true;
            let text = format!("{loaded:?}");
            assert!(!text.contains(SECRET), "{}: {value}: {text}", setting.key);
            let has_type = !is_secret(setting) || text.contains("<secret>");
            assert!(has_type, "{} is no SecretText: {text}", setting.key);
        }
        assert!(is_valid_once, "no valid value for {}", setting.key);
    }
    let of_log = "{user: 'anna:s3cret', headers: ['Authorization: Bearer s3cret']}";
    for kind in ["loki", "victorialogs"] {
        let source = format!("{kind}: {{url: 'http://h', query: '{{a=\"b\"}}', connection: {of_log}}}");
        let loaded = load_file(&format!("logs:\n- {{name: a, {source}}}\n")).unwrap();
        let text = format!("{loaded:?}");
        assert!(!text.contains(SECRET) && text.contains("<secret>"), "{text}");
        assert!(!effective_settings_yaml(&loaded).contains(SECRET), "{kind}");
    }
}

/// `hostnorm check --print` knows secrets by their keys; what is one by its type has to be among them.
#[test]
fn what_is_a_secret_by_its_type_is_not_printed() {
    let mut secrets = 0;
    for setting in settings() {
        for value in CREDENTIALS {
            let Ok(loaded) = load_flag(&setting, value) else { continue };
            if format!("{:?}", loaded.config).contains("<secret>") {
                secrets += 1;
                let text = effective_settings_yaml(&loaded);
                assert!(!text.contains(SECRET), "{}: {value}: {text}", setting.key);
            }
        }
    }
    assert!(secrets > 0);
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
#[ignore = "takes half a minute; ./check runs it"]
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

/// The commands that read tables, each with a file of [`write_tables`] at one of the places where it reads one.
const TABLE_COMMANDS: [&str; 9] = [
    "replay --input t.csv",
    "replay --history t.csv --input t.csv",
    "train --output o.csv --from csv:t.csv",
    "train --search --history t.csv",
    "validate t.csv",
    "evaluate --labels plain.label --scores score.csv",
    "evaluate --labels label.csv --scores plain.score",
    "evaluate --data . --scores scores",
    "evaluate --data . --replay",
];

/// Writes a row for each of these times and values: as a table of a signal, as scores and as labels; and the other files
/// that the commands need.
fn write_tables(dir: &Path, rows: &[(String, String)]) {
    let write = |path: &str, text: &str| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let table = |name: &str, value: &dyn Fn(usize) -> String| {
        let row = |(idx, (time, _)): (usize, &(String, String))| format!("{time},{}\n", value(idx));
        format!("timestamp,{name}\n") + &rows.iter().enumerate().map(row).collect::<String>()
    };
    let label = |idx: usize| u8::from(idx == 20).to_string();
    let plain: String = (0..rows.len()).map(|idx| label(idx) + "\n").collect();
    let signal = table("cpu_busy_ratio", &|idx| rows[idx].1.clone());
    let score = table("score", &|idx| rows[idx].1.clone());
    for path in ["t.csv", "data/a.test.csv"] {
        write(path, &signal);
    }
    for path in ["score.csv", "scores/a.csv"] {
        write(path, &score);
    }
    write("label.csv", &table("label", &label));
    for path in ["plain.label", "plain.score", "labels/a.label"] {
        write(path, &plain);
    }
    let calm: String = (0..40).map(|idx| format!("0.{}\n", 1 + idx % 7)).collect();
    write("data/a.train.csv", &format!("cpu_busy_ratio\n{calm}"));
    write("manifest.json", r#"{"series": [{"set": "it", "name": "a", "per_day": 100, "vus_window": 4}]}"#);
}

/// Rows of these times, with ordinary values.
fn rows_at(times: impl Iterator<Item = String>) -> Vec<(String, String)> {
    times.enumerate().map(|(idx, time)| (time, format!("0.{}", 1 + idx % 7))).collect()
}

/// What each command that reads tables says of these rows. `is_meant` says which of the commands.
fn said_of(rows: &[(String, String)], is_meant: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
    let dir = tempfile::tempdir().unwrap();
    write_tables(dir.path(), rows);
    let commands = TABLE_COMMANDS.into_iter().filter(|it| is_meant(it));
    commands.map(|it| (it, output(dir.path(), &it.split(' ').collect::<Vec<_>>()))).collect()
}

#[test]
fn wrong_times_get_the_same_hint_in_each_command() {
    type TimeOfRow = fn(u64) -> String;
    let times: [(&str, TimeOfRow); 6] = [
        ("T00:00:00Z, or with an offset", |row| format!("2026{:02}{:02}", 1 + row / 28, 1 + row % 28)),
        ("T10:00:00Z, or with an offset", |row| format!("2026112110{row:02}")),
        ("; if it is a Windows file time, divide by", |row| (134_397_288_000_000_000 + row).to_string()),
        ("; sort the rows by time, oldest first", |row| (1_795_255_200 - 60 * row).to_string()),
        (" has no offset from UTC; append Z, or an offset such as +02:00", |row| {
            format!("2026-11-21 10:{row:02}:00")
        }),
        ("; divide milliseconds by 1000", |row| (1_795_255_200_000 + 60_000 * row).to_string()),
    ];
    for (hint, time) in times {
        for (command, text) in said_of(&rows_at((0..40).map(time)), |_| true) {
            assert!(text.contains(hint), "{command}: {text}");
        }
    }
}

#[test]
fn equal_times_at_midnight_are_refused_by_each_command() {
    for (command, text) in said_of(&rows_at((0..40).map(|_| "0".to_owned())), |_| true) {
        assert!(text.contains("1970-01-01T00:00:00.000Z is not after"), "{command}: {text}");
    }
}

#[test]
fn a_leap_second_is_in_order_in_each_command() {
    let time = |row: u64| match row {
        0..=50 => format!("2016-12-31T23:59:{:02}Z", 10 + row),
        _ => format!("2017-01-01T00:00:{:02}Z", row - 51),
    };
    // A table is not its own history, whatever its times.
    for (command, text) in said_of(&rows_at((0..70).map(time)), |it| !it.starts_with("replay --history")) {
        let is_refused = ["is not after", "neither a Unix time"].iter().any(|it| text.contains(it));
        assert!(!is_refused && !text.is_empty(), "{command}: {text}");
    }
}

#[test]
fn numbers_of_days_get_the_same_hint_in_each_command() {
    let rows = rows_at((0..3_000_u32).map(|row| (45_000.0 + f64::from(row) / 2_880.0).to_string()));
    for (command, text) in said_of(&rows, |_| true) {
        assert!(text.contains("(days - 25569) * 86400"), "{command}: {text}");
    }
    // Times of another kind follow the first rows. A table is not its own history, and rows of two days are no history.
    let mut rows = rows;
    for (row, at) in rows.iter_mut().skip(5).zip(1_795_255_200_u32..) {
        row.0 = at.to_string();
    }
    let is_meant = |it: &str| !it.starts_with("replay --history") && !it.starts_with("train");
    for (command, text) in said_of(&rows, is_meant) {
        assert!(text.contains("(days - 25569) * 86400"), "{command}: {text}");
    }
}

#[test]
fn formatted_numbers_get_the_same_hint_in_each_command() {
    let mut rows = rows_at((0..40_u64).map(|row| (1_795_255_200 + 60 * row).to_string()));
    for (cell, hint) in [
        ("\"0,9\"", "; write the decimal point, 0.9"),
        ("50 %", "; write 50"),
        ("1 234", "; write 1234"),
        ("\u{2212}7.5", "; write -7.5"),
        ("5 ms", "; write the number without its unit, such as 5"),
        ("\"1.234,5 %\"", "; write 1234.5"),
    ] {
        cell.clone_into(&mut rows[20].1);
        // A label is 0 or 1.
        for (command, text) in said_of(&rows, |it| !it.contains("label.csv")) {
            assert!(text.contains(hint), "{command}: {cell}: {text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Secrets as they are made, in each place of an address, in the settings that have one.
    #[test]
    #[ignore = "takes ten seconds or more; ./check runs it"]
    fn no_address_shows_its_secret(secret in "[A-Za-z0-9!$'()*+,;:@/_~.-]{6,20}", place in 0_usize..3) {
        // Whatever stands in the rest of the output by itself.
        prop_assume!(secret.chars().filter(char::is_ascii_alphanumeric).count() >= 6);
        let address = match place {
            0 => format!("http://user:{secret}@host:1/"),
            1 => format!("http://host/path?token={secret}"),
            _ => format!("prometheus:http://{secret}:{secret}@host?u=a&p={secret}"),
        };
        let is_text = |it: &Setting| {
            it.key != ATTRIBUTES && matches!(it.takes, SettingType::Text | SettingType::TextList | SettingType::Logs)
        };
        for setting in settings().iter().filter(|it| is_text(it)) {
            for text in [of_flag(setting, &address), of_variable(&setting.variable(), &address)] {
                prop_assert!(!text.contains(&secret), "{}: {}: {}", setting.key, address, text);
            }
        }
    }
}
