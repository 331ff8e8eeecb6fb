//! The files for Prometheus fit the code: every metric in them exists, and every alert has a runbook. What pages say about
//! the chart is there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hostnorm::commands::run;
use hostnorm::http;
use hostnorm::logs;
use hostnorm::metric::{Metric, MetricType};
use hostnorm::sampler;
use hostnorm::selftest::{AUC_MIN, RECALL_MIN};
use hostnorm::sources::SOURCES;
use hostnorm::store;
use hostnorm::telemetry::{self, otlp_traces};

use crate::project_files::{files, root};

/// Words that look like metrics and are none: files, users and names of secrets.
const OTHERS: &[&str] = &["hostnorm_password"];

const PREFIXES: &[&str] = &["hostnorm_", "anomaly_", "is_anomaly", "process_"];

/// The text of each file below a directory, with its name.
fn texts_of(folder: &str) -> Vec<(String, String)> {
    let text = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, std::fs::read_to_string(&path).unwrap())
    };
    files(&root().join(folder)).into_iter().map(text).collect()
}

fn metrics() -> BTreeSet<&'static str> {
    let sources = SOURCES.iter().flat_map(|it| it.metrics);
    let own = [
        http::METRICS,
        sampler::METRICS,
        store::METRICS,
        run::METRICS,
        telemetry::METRICS,
        logs::METRICS,
        otlp_traces::METRICS,
    ];
    sources.chain(own.into_iter().flatten()).flat_map(|it| series(it)).collect()
}

/// The series of a metric; a histogram has several.
fn series(metric: &'static Metric) -> Vec<&'static str> {
    match metric.ty {
        MetricType::Gauge | MetricType::Counter => vec![metric.name],
        MetricType::Histogram => {
            // Leaking a few names in a test is fine.
            let ends = ["_bucket", "_count", "_sum"];
            ends.map(|end| &*format!("{}{end}", metric.name).leak()).to_vec()
        }
    }
}

/// The words of a line that look like metrics, without parts of paths and recorded names.
fn named(line: &str) -> impl Iterator<Item = &str> {
    let part = |it: char| it.is_ascii_alphanumeric() || "_:.-/".contains(it);
    let words = line.split(move |it: char| !part(it)).map(|it| it.trim_end_matches(['.', ':']));
    words
        .filter(|it| PREFIXES.iter().any(|prefix| it.starts_with(prefix)))
        .filter(|it| !it.contains([':', '.', '-', '/']) && !it.ends_with('_'))
}

/// Names in a text that do not exist, with their position.
fn unknown(file: &str, text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let lines = text.lines().zip(1..);
    let named = lines.flat_map(|(line, number)| named(line).map(move |it| (number, it)));
    let unknown = named.filter(|(_, it)| !known.contains(it) && !OTHERS.contains(it));
    unknown.map(|(number, it)| format!("{file}:{number}: there is no metric {it}")).collect()
}

#[test]
fn every_named_metric_exists() {
    let known = metrics();
    let texts = [texts_of("prometheus"), texts_of("docs/runbooks"), texts_of("docs/model-card.md")].concat();
    let wrong: Vec<_> = texts.iter().flat_map(|(file, text)| unknown(file, text, &known)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_missing_metric_is_reported_with_its_line() {
    let known = BTreeSet::from(["anomaly_score", "is_anomaly"]);
    let text = "expr: anomaly_score > 1 and is_anomaly == 1\n\nexpr: anomaly_scores{job=\"a\"} > 1\n\
                see fleet:is_anomaly:sum, anomaly_.+ and /etc/hostnorm_x/is_anomaly.md";
    let expect = ["rules.yml:3: there is no metric anomaly_scores"];
    assert_eq!(unknown("rules.yml", text, &known), expect);
}

#[test]
fn every_used_recording_rule_exists() {
    let rules = std::fs::read_to_string(root().join("prometheus/hostnorm-rules.yml")).unwrap();
    let quoted = |key: &str| -> BTreeSet<String> {
        let values = rules.lines().filter_map(|it| it.trim().strip_prefix(key)?.strip_prefix(": \""));
        values.map(|it| it.trim_end_matches('"').to_owned()).collect()
    };
    let recorded = quoted("- record");
    assert!(!recorded.is_empty());
    let part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let mut texts = texts_of("docs/runbooks");
    texts.push(("prometheus/hostnorm-rules.yml".into(), rules.clone()));
    for (file, text) in &texts {
        let words = text
            .lines()
            .zip(1..)
            .flat_map(|(line, number)| line.split(|it| !part(it)).map(move |it| (number, it)));
        let levels = ["fleet:", "fleet_signal:", "host_signal:", "subject:"];
        for (number, word) in words.filter(|(_, it)| levels.iter().any(|level| it.starts_with(level))) {
            let known = recorded.contains(word) || !word.trim_end_matches(':').contains(':');
            assert!(known, "{file}:{number}: nothing records {word}");
        }
    }
}

#[test]
fn each_alert_has_a_runbook_and_each_runbook_an_alert() {
    let rules = std::fs::read_to_string(root().join("prometheus/hostnorm-rules.yml")).unwrap();
    let alerts = rules.lines().filter_map(|it| it.trim().strip_prefix("- alert: \""));
    let alerts: BTreeSet<String> = alerts.map(|it| it.trim_end_matches('"').to_owned()).collect();
    let texts = texts_of("docs/runbooks");
    let name = |path: &str| Path::new(path).file_stem().unwrap().to_str().unwrap().to_owned();
    let runbooks: BTreeSet<String> = texts.iter().map(|(path, _)| name(path)).collect();
    assert_eq!(alerts, runbooks);
    for (path, text) in &texts {
        for part in ["## First checks\n\n1. ", "\n2. ", "\n3. ", "## Silence", "ccept", "orget"] {
            assert!(text.contains(part), "{path} does not say {part:?}");
        }
    }
}

#[test]
fn the_runbook_of_a_blind_host_has_the_figures_of_the_self_test() {
    let text = std::fs::read_to_string(root().join("docs/runbooks/HostnormBlind.md")).unwrap();
    let expect = format!(
        "It passes if at least {:.0} % of them are detected and no detector's AUC is below {AUC_MIN}.",
        100.0 * RECALL_MIN
    );
    assert!(text.contains(&expect), "{expect}");
}

/// The schema of a value of the chart, such as `store.type`.
fn schema_of(key: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(root().join("helm/hostnorm/values.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    schema.pointer(&format!("/properties/{}", key.replace('.', "/properties/"))).cloned()
}

/// A restriction has its source, and what a row says to set is there.
#[test]
fn the_table_of_distributions_is_whole() {
    let text = std::fs::read_to_string(root().join("docs/install/kubernetes.md")).unwrap();
    let (_, table) = text.split_once("| distribution | restrictions | values to set |\n").unwrap();
    let mut named = Vec::new();
    for row in table.lines().skip(1).take_while(|it| it.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [names, restriction, values] = cells[..] else { panic!("{row}") };
        let restricts = !names.contains("kubeadm") && !names.contains("Fargate");
        assert_eq!(restriction.contains("([source](https://"), restricts, "{row}");
        assert!(!values.is_empty(), "{row}");
        for code in values.split('`').skip(1).step_by(2) {
            if let Some((_, file)) = code.split_once("--values ") {
                assert!(root().join(file).is_file(), "{row}: there is no {file}");
            }
            if let Some((key, value)) = code.split_once('=') {
                let schema = schema_of(key).unwrap_or_else(|| panic!("{row}: the chart has no {key}"));
                let takes = schema["enum"].as_array().is_none_or(|it| it.iter().any(|it| it == value));
                assert!(takes, "{row}: {schema}");
            }
        }
        named.extend(names.split(", "));
    }
    let expect = "kubeadm, EKS, AKS, GKE Standard, GKE Autopilot, OpenShift, k3s, RKE2, Talos, Bottlerocket, Fargate, virtual-kubelet";
    assert_eq!(named.join(", "), expect);
}

/// A row for each alert: its severity, its duration, and the first sentence of its runbook.
fn alerts() -> String {
    let rules = std::fs::read_to_string(root().join("prometheus/hostnorm-rules.yml")).unwrap();
    let rules: serde_json::Value = yaml_serde::from_str(&rules).unwrap();
    let mut table = "| alert | severity | after | what it means |\n|---|---|---|---|\n".to_owned();
    for rule in rules["groups"].as_array().unwrap().iter().flat_map(|it| it["rules"].as_array().unwrap()) {
        let Some(alert) = rule["alert"].as_str() else { continue };
        let runbook = std::fs::read_to_string(root().join(format!("docs/runbooks/{alert}.md"))).unwrap();
        let meaning = runbook.lines().nth(2).unwrap().split(". ").next().unwrap().trim_end_matches('.');
        let meaning = meaning.replace("](", "](runbooks/");
        let (severity, after) = (rule["labels"]["severity"].as_str().unwrap(), rule["for"].as_str().unwrap());
        let link = format!("[{alert}](runbooks/{alert}.md)");
        writeln!(table, "| {link} | {severity} | {after} | {meaning}. |").unwrap();
    }
    table
}

/// `UPDATE=1` rewrites the table.
#[test]
fn the_table_of_alerts_is_current() {
    let path = root().join("docs/alerts.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let opening = page.find("<!-- alerts:").unwrap();
    let begin = opening + page[opening..].find('\n').unwrap() + 1;
    let end = page.find("<!-- end of alerts -->").unwrap();
    let expect = format!("{}{}{}", &page[..begin], alerts(), &page[end..]);
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(&path, &expect).unwrap();
    }
    assert!(
        page == expect,
        "docs/alerts.md: the table of alerts differs; UPDATE=1 cargo test writes it anew"
    );
}
