//! The `/metrics` page of a report, as golden files; `UPDATE=1 cargo test` rewrites them.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hostnorm::commands::run;
use hostnorm::culprit::{
    ContainerOrService, ContainerOrServiceKind, Culprit, EpisodeScene, Resource, UsageMeasure,
};
use hostnorm::detect::{PerDetector, absence};
use hostnorm::forecast::TimeUntilFull;
use hostnorm::grace::{GraceDurations, GraceReason, GraceTrigger, GraceWatcher};
use hostnorm::http::{
    BuildInfo, ExpositionOptions, METRICS, MetricsFormat, RenderedReport, SUBJECT_SERIES_MAX, ServerCounters,
};
use hostnorm::impact::{EpisodeSeverity, RESOURCES, ResourceImpact};
use hostnorm::logs;
use hostnorm::metric::{Metric, MetricType};
use hostnorm::reading::{
    CollectorResult, MetricLabels, Reading, Subject, SubjectKind, SubjectValues, Timestamp,
};
use hostnorm::report::{
    AbsentSignal, AlertState, Assessment, Contribution, DeviationDirection, Episode, ExpectedValue,
    FillingSignal, Report, ScoreDetails, ShadowScore, SignalState, TickTiming, TraceIds, WithheldReason,
};
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::telemetry::{self, otlp_traces};
use hostnorm::{sampler, sources, store};

const OPENMETRICS: MetricsFormat = MetricsFormat::OpenMetrics { content_type: "" };

static LOAD: Metric = Metric::gauge("hostnorm_load1", "Load average over one minute");
static SIZE: Metric =
    Metric::gauge("hostnorm_filesystem_size_bytes", "Size of the filesystem").by(&["device", "mountpoint"]);
static RECEIVED: Metric =
    Metric::counter("hostnorm_network_receive_bytes_total", "Bytes received").by(&["device"]);
static GROUP_INFO: Metric = Metric::gauge("hostnorm_cgroup_info", "Identity").by(&["runtime", "id"]);
static GROUP_MEMORY: Metric = Metric::gauge("hostnorm_cgroup_memory_bytes", "Memory of the group");
static RESIDENT: Metric = Metric::gauge("process_resident_memory_bytes", "Resident memory of hostnorm");
static WORKING_SET: Metric =
    Metric::gauge("hostnorm_container_memory_bytes", "Memory in use by the container");
static TICKS: Metric = Metric::counter("hostnorm_ticks_total", "Readings taken");

static BUSY: Signal = signal("cpu_busy_ratio", "CPU usage");
static USED: Signal = signal("memory_used_ratio", "memory used");

const fn signal(name: &'static str, title: &'static str) -> Signal {
    Signal {
        kind: SubjectKind::Host,
        name,
        title,
        help: "A share",
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        formula: |_| None,
    }
}

/// The reading of every page of these tests: quotes, backslashes and line ends in labels, integers, tiny, huge and
/// negative values, metrics out of order, and one that no table contains.
fn reading() -> Reading {
    let mut reading = Reading::new(Timestamp(1_790_000_000.25));
    reading.collections = vec![
        CollectorResult { source: "load", success: true, seconds: 0.000_012_5, omitted: 0 },
        CollectorResult { source: "filesystem", success: false, seconds: 5.0, omitted: 0 },
    ];
    let host = reading.host();
    host.set_by(&SIZE, &MetricLabels::new(["/dev/sda1", "/"]), 1_000_204_886_016.0);
    host.set_by(&RECEIVED, &MetricLabels::new(["eth0"]), 1.5);
    host.set_by(&SIZE, &MetricLabels::new(["C:\\", "a \"quoted\"\nmount # {point} λ"]), 1e20);
    host.set(&LOAD, 0.1);
    host.set_by(&RECEIVED, &MetricLabels::new([""]), 9_007_199_254_740_993.0);
    host.set(&RESIDENT, 4_194_304.0);
    for name in ["web", "db\"\\\n"] {
        let container = reading.subjects.entry(Subject::Container(name.into())).or_default();
        container.set(&WORKING_SET, -1e-9);
    }
    reading
}

/// Metrics added by the sampler.
fn own() -> SubjectValues {
    let mut own = SubjectValues::default();
    own.set(&TICKS, 42.0);
    own
}

fn learning() -> Report {
    let signals = vec![SignalState {
        signal: &BUSY,
        value: 0.5,
        expected: None,
        expected_by_detector: Default::default(),
        drift: None,
    }];
    let assessment = Assessment { ready_at: Timestamp(1_790_000_600.0), signals, ..Assessment::default() };
    Report {
        reading: Arc::new(reading()),
        own: own(),
        assessments: [(Subject::Host, assessment)].into(),
        ..Report::default()
    }
}

/// A process of a container, one with a name that must be escaped, and a service as a whole.
fn scene() -> EpisodeScene {
    let culprit = |process: Option<&str>, owner, resource| Culprit {
        resource,
        process: process.map(Into::into),
        owner,
        share: 0.5,
        value: 2.0,
        usual: 0.5,
        measure: UsageMeasure::Cpu,
    };
    let owner = |kind, name: &str| Some(ContainerOrService { kind, name: name.into() });
    let culprits = vec![
        culprit(Some("java"), owner(ContainerOrServiceKind::Container, "checkout"), Resource::Cpu),
        culprit(Some("a \"quoted\"\\ name"), None, Resource::Tasks),
        culprit(None, owner(ContainerOrServiceKind::Service, "build.service"), Resource::Io),
    ];
    EpisodeScene { culprits, ..EpisodeScene::default() }
}

fn anomaly() -> Report {
    let details = ScoreDetails {
        score: 2.5,
        instant_score: 2.25,
        confidence: Some(2.0 / 3.0),
        detectors: PerDetector {
            zscore: Some(3.0),
            distance: Some(1.5),
            forest: Some(0.75),
            ..PerDetector::default()
        },
        contributions: vec![
            Contribution { signal: &BUSY, direction: DeviationDirection::High, value: 2.75 },
            Contribution { signal: &USED, direction: DeviationDirection::Low, value: -0.25 },
        ],
        causes: Vec::new(),
        shadow: Some(ShadowScore { score: 1.75, forest: 1.125 }),
    };
    let expected = Some(ExpectedValue { value: 0.125, lower: 0.0, upper: 0.25 });
    let expected_by_detector = PerDetector::default();
    let host = Assessment {
        ready: true,
        details: Some(details),
        episode: Some(Episode { since: Timestamp(1_789_999_990.0), peak: 2.5, lasted: 0.0 }),
        description: Some("Anomaly on host: CPU usage 97 % (expected 13 %, range 0–25 %)".into()),
        episodes: 3,
        ready_at: Timestamp(1_789_999_000.5),
        signals: vec![
            SignalState { signal: &BUSY, value: 0.96875, expected, expected_by_detector, drift: Some(1.25) },
            SignalState { signal: &USED, value: 0.5, expected: None, expected_by_detector, drift: None },
        ],
        absent: vec![AbsentSignal {
            signal: &USED,
            kind: absence::AbsenceKind::FlatLine,
            seconds: 720.0,
            usual: 30.0,
        }],
        alert: Some(AlertState {
            is_active: true,
            level: 2.25,
            threshold: 2.5,
            budget_spent: Some(0.5),
            withheld: None,
        }),
        scene: Some(Arc::new(scene())),
        impact: vec![
            ResourceImpact { resource: Resource::Cpu, ratio: 0.75, usual: Some(0.125) },
            ResourceImpact { resource: Resource::Network, ratio: 0.0, usual: None },
        ],
        severity: Some(EpisodeSeverity::Critical),
        filling: vec![FillingSignal {
            signal: &USED,
            device: Some("/data".into()),
            time_until_full: TimeUntilFull { earliest_seconds: 7_200.25, likely_seconds: Some(10_800.0) },
        }],
        ..Assessment::default()
    };
    let details = Some(ScoreDetails { score: 0.0, ..ScoreDetails::default() });
    let quiet = Assessment { ready: true, details, ..Assessment::default() };
    let assessments =
        [(Subject::Host, host), (Subject::Container("db\"\\\n".into()), quiet)].into_iter().collect();
    let cues: &[GraceTrigger] = &[GraceTrigger { reason: GraceReason::Upgrade, last_seen: |_, _| Some(0.0) }];
    let grace =
        GraceWatcher::new(cues, GraceDurations::default()).step(&Reading::default(), &Reading::default());
    let trace =
        TraceIds { trace_id: "0af7651916cd43dd8448eb211c80319c".into(), span_id: "b7ad6b7169203331".into() };
    let before = Some(TickTiming { at: Timestamp(1_789_999_999.25), seconds: 0.001_5, trace: Some(trace) });
    Report { reading: Arc::new(reading()), own: own(), assessments, grace, before, ..Report::default() }
}

fn options(raw: bool) -> ExpositionOptions {
    let build = BuildInfo { version: "1.2.3", revision: "abcdef0", rust_version: "1.95.0" };
    ExpositionOptions {
        sources: vec![&LOAD, &SIZE, &RECEIVED, &RESIDENT, &WORKING_SET],
        raw,
        raw_subjects: raw,
        series_max: None,
        build,
    }
}

fn render(report: &Arc<Report>, options: ExpositionOptions) -> RenderedReport {
    let counts = ServerCounters::default();
    counts.openmetrics.store(7, Ordering::Relaxed);
    if let Some(took) = &report.before {
        counts.ticks.record(took);
    }
    RenderedReport::new(Arc::clone(report), Arc::new(options), Arc::new(counts))
}

fn check(name: &str, report: Report, options: ExpositionOptions) {
    let report = Arc::new(report);
    let page = render(&report, options.clone());
    let other_page = render(&Arc::new(Report::clone(&report)), options);
    for (format, suffix) in [(OPENMETRICS, "om"), (MetricsFormat::Text, "txt")] {
        let text = page.body(format, false);
        assert_eq!(text, other_page.body(format, false), "equal reports give equal bytes");
        assert_eq!(page.body(format, true), other_page.body(format, true), "compressed, too");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.{suffix}"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text == golden, "{} differs; UPDATE=1 rewrites it:\n{}", path.display(), str(&text));
    }
}

fn str(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn there_is_no_score_during_warmup() {
    check("learning", learning(), options(true));
}

#[test]
fn an_anomaly_with_its_details() {
    check("anomaly", anomaly(), options(true));
}

#[test]
fn without_raw_values_scores_and_self_metrics_remain() {
    check("without_raw", anomaly(), options(false));
}

#[test]
fn a_service_has_few_series_and_a_log_all() {
    let mut report = anomaly();
    let host = report.assessments[&Subject::Host].clone();
    let details = host.details.clone().map(|it| {
        let contributions = it.contributions.iter().cycle().take(5).cloned().collect();
        ScoreDetails { contributions, ..it }
    });
    let impact = RESOURCES.map(|resource| ResourceImpact { resource, ratio: 0.5, usual: Some(0.25) });
    let alert = host.alert.map(|it| AlertState {
        is_active: false,
        withheld: Some(WithheldReason::EarlierDays),
        ..it
    });
    let web = Assessment { details, uses_kind_prior: true, impact: impact.into(), alert, ..host };
    let service = Subject::Service("web".into());
    let mut reading = Reading::clone(&report.reading);
    let values = reading.subjects.entry(service.clone()).or_default();
    let identity = ["systemd", "web.service"];
    values.set_by(&GROUP_INFO, &MetricLabels::new(identity), 1.0);
    values.set(&GROUP_MEMORY, 5e6);
    report.reading = Arc::new(reading);
    report.assessments.insert(service, web.clone());
    report.assessments.insert(Subject::Log("web".into()), web);
    let count = |kind: &str, raw_subjects: bool| {
        let report = Arc::new(Report::clone(&report));
        let page = render(&report, ExpositionOptions { raw_subjects, ..options(true) });
        let text = page.body(OPENMETRICS, false);
        str(&text).lines().filter(|it| it.contains(&format!(r#"kind="{kind}",subject="web""#))).count()
    };
    assert_eq!(count("service", false), SUBJECT_SERIES_MAX);
    let few = ExpositionOptions { raw_subjects: false, ..options(true) };
    let page = render(&Arc::new(Report::clone(&report)), few).body(OPENMETRICS, false);
    let withheld = r#"anomaly_alert_withheld_info{kind="log",subject="web",reason="earlier_days"} 1"#;
    assert!(str(&page).contains(withheld));
    assert!(
        str(&page).contains("hostnorm_cgroup_info{") && !str(&page).contains("hostnorm_cgroup_memory_bytes{")
    );
    let all = count("service", true);
    assert!(all > 15, "{all}");
    // The settings name each log, so there are few.
    let values = report.reading.subjects[&Subject::Service("web".into())].iter().count();
    assert_eq!([count("log", false), count("log", true)], [all - values; 2]);
}

#[test]
fn pages_stay_within_the_limit_of_series() {
    let mut report = anomaly();
    let details = report.assessments[&Subject::Host].details.clone();
    let mut reading = reading();
    for idx in 0..40 {
        let subject = Subject::Container(format!("app-{idx:02}").into());
        let values = reading.subjects.entry(subject.clone()).or_default();
        for device in 0..20 {
            values.set_by(&RECEIVED, &MetricLabels::new([format!("eth{device}").as_str()]), 1.0);
        }
        let assessment = Assessment { ready: true, details: details.clone(), ..Assessment::default() };
        report.assessments.insert(subject, assessment);
    }
    report.reading = Arc::new(reading);
    let report = Arc::new(report);
    let page = |series_max: u64, raw: bool| {
        let options = ExpositionOptions { series_max: Some(series_max), raw, ..options(true) };
        let text = render(&report, options).body(OPENMETRICS, false);
        let text = str(&text).to_owned();
        let count = text.lines().filter(|it| !it.starts_with('#')).count();
        let level = text
            .lines()
            .find_map(|it| it.strip_prefix("hostnorm_series_reduction_level "))
            .unwrap()
            .to_owned();
        assert!(text.contains(&format!("hostnorm_limit{{resource=\"series\"}} {series_max}\n")), "{text}");
        (text, count as u64, level)
    };
    let (text, all, level) = page(100_000, true);
    assert!(text.contains(r#"eth7",kind="container"#) || text.contains(r#"device="eth7""#), "{text}");
    assert_eq!(level, "0");
    // Raw values of containers go first, then their contributions, then all of them, then raw values of the host.
    let (text, without_raw, level) = page(all - 1, true);
    assert!(level == "1" && !text.contains("eth7") && text.contains("app-07"), "{level}");
    let (text, without_contributions, level) = page(without_raw - 1, true);
    assert_eq!(level, "2");
    assert!(
        !text.lines().any(|it| it.starts_with("anomaly_contribution{") && it.contains("app-07")),
        "{text}"
    );
    assert!(text.lines().any(|it| it.starts_with("anomaly_score{") && it.contains("app-07")));
    let (text, without_groups, level) = page(without_contributions - 1, true);
    assert!(level == "3" && !text.contains("app-07") && text.contains("hostnorm_load1 "), "{level}");
    let (text, least, level) = page(without_groups - 1, true);
    assert!(level == "4" && !text.contains("hostnorm_load1 ") && text.contains("anomaly_score{"), "{level}");
    let counts = [all, without_raw, without_contributions, without_groups, least];
    assert!(counts.is_sorted_by(|one, other| one > other), "{counts:?}");
}

#[test]
fn an_empty_report_is_a_page() {
    check(
        "empty",
        Report::default(),
        ExpositionOptions { build: options(true).build, ..ExpositionOptions::default() },
    );
}

#[test]
fn values_that_are_not_finite_are_absent() {
    let mut report = anomaly();
    for assessment in report.assessments.values_mut() {
        assessment.ready_at = Timestamp(f64::NAN);
        assessment.details.as_mut().unwrap().score = f64::INFINITY;
    }
    let page = render(&Arc::new(report), options(true));
    let text = page.body(OPENMETRICS, false);
    for absent in [" NaN\n", " inf\n", "\nanomaly_score", "\nanomaly_ready_at"] {
        assert!(!str(&text).contains(absent), "{absent}");
    }
}

/// Rules that `promtool check metrics` does not check, for every metric that hostnorm can expose.
#[test]
fn metrics_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for metric in METRICS
        .iter()
        .chain(sampler::METRICS)
        .chain(store::METRICS)
        .chain(run::METRICS)
        .chain(telemetry::METRICS)
        .chain(logs::METRICS)
        .chain(otlp_traces::METRICS)
        .copied()
        .chain(sources::metrics())
    {
        let Metric { name, help, ty, labels, .. } = metric;
        assert!(names.insert(*name), "{name} is declared twice");
        assert_eq!(
            name.ends_with("_total"),
            *ty == MetricType::Counter,
            "{name}: counters, and only they, end in _total"
        );
        assert!(
            ["anomaly_", "is_anomaly", "hostnorm_", "process_"].iter().any(|it| name.starts_with(it)),
            "{name}"
        );
        let snake =
            |it: &str| it.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_');
        assert!(snake(name) && labels.iter().all(|it| snake(it)), "{name}");
        assert!(!["percent", "_ms", "minute"].iter().any(|it| name.contains(it)), "{name}: base units");
        assert!(!help.is_empty() && !help.ends_with('.'), "{name}: the encoder adds the full stop");
        assert!(!help.contains(['\\', '"', '\n']), "{name}: the encoder does not escape help");
        let taken = ["job", "instance", "namespace", "pod", "container", "node", "type", "le", "quantile"];
        assert!(!labels.iter().any(|it| taken.contains(it)), "{name}: a label that scrapers set");
    }
}
