//! Documentation generated from the code: `UPDATE=1 cargo test` rewrites it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use hostnorm::commands::run;
use hostnorm::config::{Setting, default_file, settings};
use hostnorm::cost_limit::OptionalFeature;
use hostnorm::culprit::{self, Resource};
use hostnorm::detect::DETECTORS;
use hostnorm::grace::GraceReason;
use hostnorm::http;
use hostnorm::impact::{EpisodeSeverity, RESOURCES};
use hostnorm::logs;
use hostnorm::metric::{Metric, MetricType};
use hostnorm::reading::SubjectKind;
use hostnorm::report::DeviationDirection;
use hostnorm::report::WithheldReason;
use hostnorm::sampler;
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::sources::SOURCES;
use hostnorm::store;
use hostnorm::telemetry::{self, otlp_traces};

use crate::project_files::{files, root};

const GENERATED: &str =
    "<!-- Written by tests/it/docs.rs from the code; UPDATE=1 cargo test writes it anew. -->";

#[test]
fn the_default_file_is_current() {
    golden("docs/hostnorm.yaml", &default_file());
}

#[test]
fn the_settings_are_current() {
    golden("docs/configuration.md", &configuration());
}

#[test]
fn the_metrics_are_current() {
    let mut lists = vec![(
        "Scores and server",
        "Scores, anomalies and what explains them, and the HTTP server",
        http::METRICS,
    )];
    lists.extend(SOURCES.iter().map(|it| (it.name, it.help, it.metrics)));
    lists.push(("Store", "The store on disk", store::METRICS));
    lists.push(("Sampler", "The sampling loop, training, self-tests and subjects", sampler::METRICS));
    lists.push(("Settings", "Reloads of the settings", run::METRICS));
    lists.push(("Own log", "The log that hostnorm writes", telemetry::METRICS));
    lists.push(("Logs", "Reading of the logs in the settings", logs::METRICS));
    lists.push(("Traces", "Spans sent by OTLP", otlp_traces::METRICS));
    golden("docs/metrics.md", &metrics(&lists));
}

#[test]
fn the_help_is_current() {
    let whole = help_of(&[]);
    let known: BTreeSet<&str> = paragraphs(&whole).into_iter().map(|(_, body)| body).collect();
    let mut text =
        format!("$ hostnorm --help\n\n{whole}\nBelow, options that hostnorm --help lists are left out.\n");
    let mut waiting = commands_in(&whole, &[]);
    waiting.reverse();
    while let Some(command) = waiting.pop() {
        let help = help_of(&command);
        writeln!(text, "\n$ hostnorm {} --help", command.join(" ")).unwrap();
        let mut heading = None;
        for (new, body) in paragraphs(&help) {
            heading = new.or(heading);
            if !known.contains(body) {
                let line = heading.take().map(|it| format!("{it}\n")).unwrap_or_default();
                write!(text, "\n{line}{body}\n").unwrap();
            }
        }
        waiting.extend(commands_in(&help, &command).into_iter().rev());
    }
    golden("docs/help.txt", &text);
}

/// The paragraphs of a help, each with the heading that it begins with.
fn paragraphs(help: &str) -> Vec<(Option<&str>, &str)> {
    let is_heading = |it: &str| it.ends_with(':') && !it.starts_with(' ');
    let each = help.trim_end().split("\n\n");
    each.map(|it| match it.split_once('\n') {
        Some((heading, body)) if is_heading(heading) => (Some(heading), body),
        _ => (None, it),
    })
    .collect()
}

/// The help of a command; of the program itself without words.
fn help_of(words: &[String]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    // Without a terminal, lines are 100 characters wide.
    let output = command.env_clear().stdin(Stdio::null()).args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that this help of a command lists, each with the words before it.
fn commands_in(help: &str, words: &[String]) -> Vec<Vec<String>> {
    let lines = help.lines().skip_while(|it| *it != "Commands:").skip(1).take_while(|it| !it.is_empty());
    // A line with more spaces continues the text of the previous command.
    let names = lines.filter(|it| !it.starts_with("   ")).filter_map(|it| it.split_whitespace().next());
    names.map(|it| [words, &[it.to_owned()]].concat()).collect()
}

#[test]
fn the_api_is_current() {
    let document = http::openapi();
    golden("docs/openapi.json", &format!("{document:#}\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let text = std::fs::read_to_string(path).unwrap();
    let text = with_section(&text, "routes", &routes(&document));
    golden("docs/api.md", &with_section(&text, "spellings", &spellings()));
}

#[test]
fn the_tests_that_the_table_of_other_systems_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let text = read("docs/api.md");
    let (_, table) = text.split_once("| request there | request here | test |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|it| it.starts_with('|')).collect();
    assert!(rows.len() >= 23, "{rows:?}");
    for row in rows {
        let cell = row.trim_end_matches('|').rsplit(" | ").next().unwrap().trim();
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        let (name, path) = match names[..] {
            [name] => (name, "tests/it/http/api.rs"),
            [name, path] => (name, path),
            _ => panic!("{row}"),
        };
        let text = read(path);
        let is_test = match text.split_once(&format!("\nfn {name}() {{")) {
            Some((before, _)) => {
                before.lines().rev().take_while(|it| it.starts_with("#[")).any(|it| it == "#[test]")
            }
            None => text.contains(&format!("\ndef {name}(")),
        };
        assert!(is_test, "no test {name} in {path}");
    }
}

/// The commands in a page, in lines of their own or in a sentence.
fn runbook_commands(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| match line.strip_prefix("    ") {
        Some(command) => vec![command],
        None => line.split('`').skip(1).step_by(2).collect(),
    })
}

/// A command says where it is run, and is one that hostnorm has.
#[test]
fn the_commands_of_the_runbooks_exist_and_say_where_they_are_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/runbooks");
    let mut found = BTreeSet::new();
    for page in std::fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
        let text = std::fs::read_to_string(&page).unwrap();
        let is_own = |it: &&str| it.starts_with("hostnorm ") && !it.starts_with("hostnorm_");
        let commands: Vec<&str> = runbook_commands(&text).filter(is_own).collect();
        let place = text.lines().find(|it| it.contains("](../install/kubernetes.md#commands)"));
        assert!(commands.is_empty() || place.is_some(), "{}: no place for {commands:?}", page.display());
        assert!(place.is_none_or(|it| it.contains("as root")), "{}", page.display());
        // Those that are copied come after it.
        let copied = text.find("\n    hostnorm ").unwrap_or(usize::MAX);
        let at = text.find("](../install/kubernetes.md#commands)").unwrap_or(usize::MAX);
        assert!(at <= copied, "{}: a command before its place", page.display());
        found.extend(commands.into_iter().map(str::to_owned));
    }
    for command in &found {
        let mut words =
            command.replace('…', "2026-11-21T10:00:00Z").replace("EPISODE", "2026-11-21T10:00:00Z");
        // The second of two equal times is later.
        if let Some(idx) = words.find("--to ") {
            words.replace_range(idx.., "--to 2026-11-21T12:00:00Z");
        }
        let words = words.split(' ').map(std::ffi::OsString::from).collect::<Vec<_>>();
        assert!(hostnorm::cli::parse(words).is_ok(), "{command}");
    }
    assert!(found.len() >= 9, "{found:?}");
}

#[test]
fn each_situation_of_the_compatibility_page_has_a_test_that_exists() {
    let text = page("docs/compatibility.md");
    let is_row = |it: &&str| it.starts_with("| ") && !it.starts_with("| situation | ");
    let rows: Vec<&str> = text.lines().filter(is_row).collect();
    let mut situations = BTreeSet::new();
    for row in &rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [situation, behavior, test] = cells[..] else { panic!("{row}") };
        assert!(situations.insert(situation) && behavior.ends_with('.'), "{row}");
        assert_tests_exist(test);
    }
    assert!(rows.len() >= 68 + 21, "{} situations", rows.len());
}

fn page(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|it| panic!("{}: {it}", path.display()))
}

/// Checks that there is each test of a cell of a table, `path::name`.
fn assert_tests_exist(cell: &str) {
    for test in cell.split(", ") {
        let (path, name) = test.trim_matches('`').split_once("::").unwrap_or_else(|| panic!("{cell}"));
        let start = if path.ends_with(".py") { format!("def {name}(") } else { format!("fn {name}(") };
        assert!(page(path).contains(&start), "no test {name} in {path}");
    }
}

#[test]
fn each_behavior_under_attack_has_a_test_that_exists() {
    let text = page("SECURITY.md");
    let (_, table) = text.split_once("| situation | behavior | test |").unwrap();
    let rows: Vec<&str> = table.lines().skip(2).take_while(|it| it.starts_with('|')).collect();
    for row in &rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, behavior, test] = cells[..] else { panic!("{row}") };
        assert!(behavior.ends_with('.'), "{row}");
        assert_tests_exist(test);
    }
    assert!(rows.len() >= 15, "{} situations", rows.len());
}

/// The recall that is printed with a model looks like that of a blind one, so the page explains it in the same words.
#[test]
fn the_page_about_the_method_is_whole() {
    let text = page("docs/model-card.md");
    let sections: Vec<&str> = text.lines().filter_map(|it| it.strip_prefix("## ")).collect();
    let expect = ["The method", "Data of the evaluation", "Figures", "Limits", "Forbidden uses"];
    assert_eq!(sections, expect);
    let source = page("src/commands/models/output.rs");
    let (_, rest) = source.split_once("const TYPICAL_RECALL: &str =").unwrap();
    let printed = rest.split('"').nth(1).unwrap();
    assert!(text.contains(printed), "docs/model-card.md does not say {printed:?}");
}

/// The files of `<img>` and `<source>`, which no test of links sees.
fn pictures(text: &str) -> impl Iterator<Item = &str> {
    let after = |mark| text.split(mark).skip(1).filter_map(|it: &str| it.split('"').next());
    after(" src=\"").chain(after(" srcset=\"")).filter(|it| !it.contains("://"))
}

#[test]
fn each_picture_is_shown_and_exists() {
    let mut texts = String::new();
    for path in files(root()).into_iter().filter(|it| it.extension().is_some_and(|it| it == "md")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for picture in pictures(&text) {
            assert!(path.parent().unwrap().join(picture).is_file(), "{}: no {picture}", path.display());
        }
        texts.push_str(&text);
    }
    for path in files(&root().join("docs")).iter().filter(|it| it.extension().is_some_and(|it| it == "png")) {
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(texts.contains(&*name), "no page shows {name}");
    }
}

#[test]
fn each_fuzz_target_is_listed() {
    let text = page("CONTRIBUTING.md");
    let (_, table) = text.split_once("| target | parsers |\n").unwrap();
    let rows = table.lines().skip(1).take_while(|it| it.starts_with('|'));
    let listed: BTreeSet<String> = rows.map(|it| it.split('`').nth(1).unwrap().to_owned()).collect();
    let targets = files(&root().join("fuzz/fuzz_targets"));
    let targets: BTreeSet<String> =
        targets.iter().map(|it| it.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(listed, targets);
}

/// The text with this between the marks of a section.
fn with_section(text: &str, name: &str, content: &str) -> String {
    let (before, rest) = text.split_once(&format!("<!-- {name}: ")).unwrap();
    let (mark, rest) = rest.split_once('\n').unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    format!("{before}<!-- {name}: {mark}\n\n{content}\n<!-- end -->{after}")
}

/// A row for each route of the API.
fn routes(document: &serde_json::Value) -> String {
    let mut text = "| route | parameters, *required* | response |\n|---|---|---|\n".to_owned();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_command = operation["description"].as_str().is_some_and(|it| it.contains("socket"));
            let parameters = operation["parameters"].as_array().unwrap().iter();
            let parameters = parameters.filter(|it| it["in"] == "query").map(|it| {
                let name = it["name"].as_str().unwrap();
                if it["required"] == true { format!("*`{name}`*") } else { format!("`{name}`") }
            });
            let body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let body = body.and_then(|it| it.rsplit('/').next()).into_iter().flat_map(|it| {
                let fields = document["components"]["schemas"][it]["properties"].as_object().unwrap();
                fields.keys().map(|it| format!("`{it}` in the body")).collect::<Vec<_>>()
            });
            let parameters: Vec<String> = parameters.chain(body).collect();
            let summary = operation["summary"].as_str().unwrap();
            let mark = if is_command { ", *command*" } else { "" };
            let (method, parameters) = (method.to_uppercase(), parameters.join(", "));
            writeln!(text, "| `{method} {path}`{mark} | {parameters} | {} |", sentence(summary)).unwrap();
        }
    }
    text
}

/// A row for each name that another system uses for a signal.
fn spellings() -> String {
    let mut text = "| name | signal |\n|---|---|\n".to_owned();
    for (spelling, signal) in http::spellings() {
        writeln!(text, "| `{spelling}` | `{signal}` |").unwrap();
    }
    text
}

fn configuration() -> String {
    let mut text = format!(
        "# Settings\n\n{GENERATED}\n\n\
         A setting has the value of the first of these places that sets it:\n\n\
         1. a flag. Its name is the key with `-` for each `_`, as in `--web.listen-address=:19797`; only `web.config_file` differs: `--web.config.file`. A boolean is set by `--metrics.raw` or `--no-metrics.raw`\n\
         2. an environment variable, such as `HOSTNORM_WEB__LISTEN_ADDRESS=:19797`. Empty variables are ignored. The items of a list are separated by commas\n\
         3. for traces, a standard variable of OpenTelemetry ([tracing.md](tracing.md))\n\
         4. the YAML file in `--config.file` or `HOSTNORM_CONFIG__FILE`; [hostnorm.yaml](hostnorm.yaml) is an example with all defaults\n\
         5. the default\n\n\
         To check settings, run `hostnorm check --config.file FILE`. It reports all errors, and exits with 0 if there are none, else with 64. If the web configuration file is on this host, it also reports the errors of this file. `hostnorm check --print` shows the settings in effect, each with the place it comes from.\n\
         Unknown keys and invalid values are errors. hostnorm ignores the variables that Kubernetes sets for a service named hostnorm, such as `HOSTNORM_SERVICE_HOST`.\n\n\
         Durations are written as in Prometheus: `100ms`, `15s`, `5m`, `1h30m`, `7d`.\n"
    );
    let defaults = default_file();
    let mut section = None;
    for setting in settings() {
        if section.as_deref() != Some(setting.section()) {
            section = Some(setting.section().to_owned());
            let title = if setting.section().is_empty() { "Detection" } else { setting.section() };
            let intro = if is_detector(&setting) { DETECTORS_ELSEWHERE } else { "" };
            let header = "| key | default | takes | meaning |\n|---|---|---|---|\n";
            write!(text, "\n## {title}\n\n{intro}{header}").unwrap();
        }
        let default = default_in(&defaults, &setting);
        let words = setting.takes.words();
        // The format of a duration is explained above the tables.
        let takes = words.split(" such as").next().unwrap_or_default().replace('|', "\\|");
        let default = default.replace('|', "\\|");
        let mut help = sentence(&setting.help);
        if is_detector(&setting) {
            help.truncate(help.find(". ").map_or(help.len(), |it| it + 1));
        }
        writeln!(text, "| `{}` | `{default}` | {takes} | {help} |", setting.key).unwrap();
    }
    text
}

/// What stands above the table of detectors: another page has what they measure.
const DETECTORS_ELSEWHERE: &str = "[What each detector measures](metrics.md#detectors)\n\n";

fn is_detector(setting: &Setting) -> bool {
    setting.section() == "detectors"
}

/// The default of a setting in the default file.
fn default_in(defaults: &str, setting: &Setting) -> String {
    let mut sections: Vec<&str> = Vec::new();
    for line in defaults.lines().filter(|it| !it.trim_start().starts_with('#')) {
        let Some((name, value)) = line.split_once(':') else { continue };
        sections.truncate((line.len() - line.trim_start().len()) / 2);
        sections.push(name.trim());
        if !value.is_empty() && sections.join(".") == setting.key {
            return value.trim().to_owned();
        }
    }
    panic!("{} is not in the default file", setting.key);
}

/// One table for each list of metrics, then one for the signals.
fn metrics(lists: &[(&str, &str, &[&Metric])]) -> String {
    let mut text = format!("# Metrics\n\n{GENERATED}\n");
    for (name, help, metrics) in lists {
        write!(text, "\n## {name}\n\n{}\n\n", sentence(help)).unwrap();
        text.push_str(&table(metrics));
    }
    text.push_str("\n## Signals\n\nThe values of the label `signal`. A distance from the expected value does not count if it is smaller than the noise floor. A signal that stops changing, stops counting or vanishes is reported nevertheless.\n\n");
    text.push_str(
        "| signal | kind | unit | noise floor | collector | meaning |\n|---|---|---|---|---|---|\n",
    );
    for source in SOURCES {
        // The signals of several kinds differ in the kind only.
        for of_name in source.signals.chunk_by(|one, other| one.name == other.name) {
            let Signal { name, help, unit, floor, .. } = &of_name[0];
            let kind = of_name.iter().map(|it| it.kind.name()).collect::<Vec<_>>().join(", ");
            let (unit, collector, help) = (unit_of(*unit), source.name, sentence(help));
            writeln!(text, "| `{name}` | {kind} | {unit} | {floor} | {collector} | {help} |").unwrap();
        }
    }
    text.push_str("\n## Detectors\n\nThe values of the label `detector`. The score of each detector is divided by the threshold of that detector, so 1 is its threshold.\n\n");
    text.push_str("| detector | votes | meaning |\n|---|---|---|\n");
    for row in DETECTORS.each() {
        let votes = if row.votes { "yes" } else { "no" };
        writeln!(text, "| `{}` | {votes} | {} |", row.name, sentence(row.help)).unwrap();
    }
    text.push_str(&label_values());
    text
}

/// The values of the labels that have a list in the code.
fn label_values() -> String {
    let signals = SOURCES.iter().flat_map(|it| it.signals);
    let users: BTreeSet<Resource> =
        signals.filter_map(|it| culprit::resource_of(it.name)).map(|(resource, _)| resource).collect();
    let rows = [
        ("kind", "each metric of a subject", SubjectKind::ALL.map(SubjectKind::name).to_vec()),
        (
            "direction",
            "`anomaly_contribution`",
            [DeviationDirection::High, DeviationDirection::Low].map(DeviationDirection::name).to_vec(),
        ),
        (
            "resource",
            "`anomaly_impact_ratio`, `anomaly_impact_expected_ratio`",
            RESOURCES.map(Resource::name).to_vec(),
        ),
        ("resource", "`anomaly_culprit_info`", users.into_iter().map(Resource::name).collect()),
        ("severity", "`anomaly_severity_info`", EpisodeSeverity::ALL.map(EpisodeSeverity::name).to_vec()),
        ("reason", "`anomaly_alert_withheld_info`", WithheldReason::ALL.map(WithheldReason::name).to_vec()),
        ("reason", "`hostnorm_grace_active`", GraceReason::ALL.map(GraceReason::name).to_vec()),
        ("feature", "`hostnorm_feature_active`", OptionalFeature::ORDER.map(OptionalFeature::name).to_vec()),
    ];
    let mut text = "\n## Values of labels\n\nLabels such as `device` have names of the host. The values of other labels, such as `outcome`, are in the meaning of their metric above.\n\n| label | of | values |\n|---|---|---|\n".to_owned();
    for (label, of, values) in rows {
        writeln!(text, "| `{label}` | {of} | `{}` |", values.join("`, `")).unwrap();
    }
    text
}

/// Metrics of the host in the lists of sources whose signals are all of other subjects.
const OF_HOST: [&str; 3] =
    ["hostnorm_cgroups", "hostnorm_cgroups_omitted", "hostnorm_cpu_throttled_seconds_total"];

/// The labels that the exposition adds to metrics of subjects other than the host.
fn subject_labels(metric: &Metric) -> &'static [&'static str] {
    let source = SOURCES.iter().find(|it| it.metrics.iter().any(|it| it.name == metric.name));
    let signals = source.map_or(&[][..], |it| it.signals);
    let is_of_others = !signals.is_empty() && signals.iter().all(|it| it.kind != SubjectKind::Host);
    if is_of_others && !OF_HOST.contains(&metric.name) { &["kind", "subject"] } else { &[] }
}

fn table(metrics: &[&Metric]) -> String {
    let mut text = "| name | type | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in metrics {
        let ty = match metric.ty {
            MetricType::Gauge => "gauge",
            MetricType::Counter => "counter",
            MetricType::Histogram => "histogram",
        };
        let labels = subject_labels(metric).iter().chain(metric.labels);
        let labels: Vec<_> = labels.map(|it| format!("`{it}`")).collect();
        let (labels, help) = (labels.join(", "), sentence(metric.help));
        writeln!(text, "| `{}` | {ty} | {labels} | {help} |", metric.name).unwrap();
    }
    text
}

/// Unit of a signal.
fn unit_of(unit: SignalUnit) -> &'static str {
    match unit {
        SignalUnit::Ratio => "ratio",
        SignalUnit::Bytes => "bytes",
        SignalUnit::BytesPerSecond => "bytes per second",
        SignalUnit::PerSecond => "per second",
        SignalUnit::Count => "count",
        SignalUnit::Seconds => "seconds",
        SignalUnit::Bits => "bits",
    }
}

/// Help with the full stop that the code omits, escaped for a table.
fn sentence(help: &str) -> String {
    let stop = if help.ends_with('.') { "" } else { "." };
    format!("{}{stop}", help.replace('|', "\\|").replace('<', "&lt;"))
}

/// The text of a file; `UPDATE=1` rewrites it.
fn golden(path: &str, expect: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expect).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expect, "{} differs; UPDATE=1 cargo test writes it anew", path.display());
}
