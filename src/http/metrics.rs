//! Converts a report to metric families: scores, hostnorm's own metrics, raw values.
//!
//! Devices and signals come and go, so nothing is registered: each report is converted anew.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

mod episodes;
mod exposition_options;

use episodes::{
    ALERT_WITHHELD_INFO, CULPRIT_INFO, EPISODE_INFO, EPISODE_INFO_DROPPED, EPISODES, IMPACT, IMPACT_EXPECTED,
    SEVERITY_INFO,
};
pub use exposition_options::{BuildInfo, ExpositionOptions, SUBJECT_SERIES_MAX};

use super::metric_families::{FamilyOrder, MetricFamilies, SubjectLabels};
use super::request_metrics::{
    REQUEST_SECONDS, REQUESTS, UNTRACED, WEB_CONFIG_SUCCEEDED_AT, WEB_CONFIG_SUCCESSFUL,
};
use super::series_count::SERIES_LEVEL;
use super::server_counters::ServerCounters;
use super::tick_histogram::TICK_SECONDS;
use crate::cost_limit::SERIES_LEVEL_MAX;
use crate::detect::DETECTORS;
use crate::grace::ActiveGracePeriods;
use crate::metric::Metric;
use crate::reading::{Subject, SubjectKind, SubjectTurnover};
use crate::report::{self, Assessment, ExpectedValue, Report, ScoreDetails, SignalState};

static SCORE: Metric = Metric::gauge(
    "anomaly_score",
    "Score of the subject: below 1 is normal, 1 is the unusual level, 2 is the alert level by default. On a new host, the alert level is lower, 1.33 at first; the setting alert_level or a budget moves it. The value is the highest score within the setting score_hold; absent during warm-up",
)
.by(&["kind", "subject"]);
static IS_ANOMALY: Metric = Metric::gauge(
    "is_anomaly",
    "Whether the subject is in an anomaly (1) or not (0); absent during warm-up. An anomaly starts at a score of 1, or of 2 in a grace period or maintenance window. It ends when the score has been below 0.7 for 30 s (settings resolve.below and resolve.for)",
)
.by(&["kind", "subject"]);
static ALERT: Metric = Metric::gauge(
    "anomaly_alert",
    "Whether the anomaly is worth an alert (1), by its score, the budget and its impact, or not (0); absent during warm-up",
)
.by(&["kind", "subject"]);
static THRESHOLD: Metric = Metric::gauge(
    "anomaly_threshold",
    "Raw score at which each level begins; the label level is unusual or alert. Do not compare it with anomaly_score, which is divided by the value of level unusual. Both values are higher in the first hours, which have few points. In the first two weeks, the value of level unusual is higher, and that of level alert is not. A budget moves the value of level alert",
)
.by(&["kind", "subject", "level"]);
static READY: Metric =
    Metric::gauge("anomaly_ready", "Whether the subject is being scored (1) or still warming up (0)")
        .by(&["kind", "subject"]);
static READY_AT: Metric = Metric::gauge(
    "anomaly_ready_timestamp_seconds",
    "Unix time of the subject's first score, past or expected, in seconds",
)
.by(&["kind", "subject"]);
static BORROWED: Metric = Metric::gauge(
    "anomaly_borrowed_statistics",
    "Subjects that are scored with borrowed statistics: a new subject with those of its kind, a new host with those of a similar host. Always 1, absent once the subject has its own statistics",
)
.by(&["kind", "subject"]);
static CONFIDENCE: Metric = Metric::gauge(
    "anomaly_confidence_ratio",
    "Share of the voting detectors that agree with the majority, 0 to 1",
)
.by(&["kind", "subject"]);
static DETECTOR_SCORE: Metric = Metric::gauge(
    "anomaly_detector_score",
    "Score of one detector; 1 is its threshold, absent while it abstains. The label model is current, or shadow for the shadow model",
)
.by(&["kind", "subject", "detector", "model"]);
static SHADOW_SCORE: Metric = Metric::gauge(
    "anomaly_shadow_score",
    "Score with the shadow model, without score_hold; 1 is the unusual level, absent without a shadow model",
)
.by(&["kind", "subject"]);
static DRIFT: Metric = Metric::gauge(
    "anomaly_drift_score",
    "Distance of the signal's values of the last day from the values that the model was trained on; absent with too little data. At 1, the model is retrained",
)
.by(&["kind", "subject", "signal"]);
static DETECTOR_VOTE: Metric = Metric::gauge(
    "anomaly_detector_vote",
    "Whether the detector votes for an anomaly (1) or against it (0); absent while it abstains or if it has no vote",
)
.by(&["kind", "subject", "detector"]);
static CONTRIBUTION: Metric = Metric::gauge(
    "anomaly_contribution",
    "Part of anomaly_score that the signal causes, in the same unit, negative if it lowers the score. Exposed are the largest five, or three for containers, pods and services. The label direction says on which side of the expected value the signal is",
)
.by(&["kind", "subject", "signal", "direction"]);
static ABSENT: Metric = Metric::gauge(
    "anomaly_absent_signal",
    "Signals that stopped changing (flat_line), fell to 0 and stayed there (stopped) or disappeared (vanished); always 1",
)
.by(&["kind", "subject", "signal", "absence"]);
static BUDGET_SPENT: Metric = Metric::gauge(
    "anomaly_budget_spent_ratio",
    "Alerts in the last period of the budget, divided by the allowed number; absent without a budget",
)
.by(&["kind", "subject"]);
static GRACE: Metric = Metric::gauge(
    "hostnorm_grace_active",
    "Whether a grace period is active (1) or not (0); during grace, an episode starts only at a score of 2",
)
.by(&["reason"]);
static SIGNAL: Metric = Metric::gauge(
    "anomaly_signal",
    "Mean of the signal over the current window, in its unit: see the list of signals",
)
.by(&["kind", "subject", "signal"]);
static EXPECTED: Metric =
    Metric::gauge("anomaly_expected", "Expected value of the signal, in its unit; absent during warm-up")
        .by(&["kind", "subject", "signal"]);
static LOWER: Metric = Metric::gauge(
    "anomaly_lower_bound",
    "Lower end of the signal's normal range, in its unit; absent during warm-up",
)
.by(&["kind", "subject", "signal"]);
static UPPER: Metric = Metric::gauge(
    "anomaly_upper_bound",
    "Upper end of the signal's normal range, in its unit; absent during warm-up",
)
.by(&["kind", "subject", "signal"]);
static FULL_SECONDS: Metric = Metric::gauge(
    "anomaly_forecast_full_seconds",
    "Time until the memory is full, or until the first filesystem has no space or no inodes left, in seconds; the label bound is earliest or likely. Absent while the use is flat, or if its past does not support a forecast",
)
.by(&["kind", "subject", "signal", "bound"]);
static BUILD_INFO: Metric =
    Metric::gauge("hostnorm_build_info", "Build information: version, revision and Rust version; always 1")
        .by(&["version", "revision", "rustversion"]);
static LAST_SAMPLE: Metric = Metric::gauge(
    "hostnorm_last_reading_timestamp_seconds",
    "Unix time of the last reading, in seconds; readings follow the setting interval, not the scrapes",
);
static COLLECTOR_SUCCESS: Metric =
    Metric::gauge("hostnorm_collector_success", "Whether the collector succeeded in the last reading")
        .by(&["collector"]);
static COLLECTOR_DURATION: Metric = Metric::gauge(
    "hostnorm_collector_duration_seconds",
    "Duration of the collector in the last reading, in seconds",
)
.by(&["collector"]);
static COLLECTOR_OMITTED: Metric = Metric::gauge(
    "hostnorm_collector_items_omitted",
    "Lines, names and values that the last reading lacks, because they are malformed, impossible or missing in a file of the kernel, or exceed a maximum",
)
.by(&["collector"]);
static SCRAPES: Metric =
    Metric::counter("hostnorm_scrapes_total", "Scrapes served, by exposition format: openmetrics or text")
        .by(&["format"]);
static DROPPED: Metric = Metric::counter(
    "hostnorm_http_connections_evicted_total",
    "Connections closed to make room for new ones, because too many were open",
);

/// All that this module exposes of its own accord, in the order of exposition.
pub static METRICS: &[&Metric] = &[
    &SCORE,
    &IS_ANOMALY,
    &ALERT,
    &THRESHOLD,
    &EPISODES,
    &EPISODE_INFO,
    &EPISODE_INFO_DROPPED,
    &CULPRIT_INFO,
    &IMPACT,
    &IMPACT_EXPECTED,
    &SEVERITY_INFO,
    &ALERT_WITHHELD_INFO,
    &READY,
    &READY_AT,
    &BORROWED,
    &CONFIDENCE,
    &DETECTOR_SCORE,
    &SHADOW_SCORE,
    &DETECTOR_VOTE,
    &CONTRIBUTION,
    &ABSENT,
    &BUDGET_SPENT,
    &GRACE,
    &SIGNAL,
    &EXPECTED,
    &LOWER,
    &UPPER,
    &DRIFT,
    &FULL_SECONDS,
    &BUILD_INFO,
    &LAST_SAMPLE,
    &COLLECTOR_SUCCESS,
    &COLLECTOR_DURATION,
    &COLLECTOR_OMITTED,
    &SCRAPES,
    &DROPPED,
    &UNTRACED,
    &REQUESTS,
    &REQUEST_SECONDS,
    &WEB_CONFIG_SUCCESSFUL,
    &WEB_CONFIG_SUCCEEDED_AT,
    &TICK_SECONDS,
    &SERIES_LEVEL,
];

/// Largest number of contributions of a subject that comes and goes.
const CONTRIBUTIONS_MAX: usize = 3;
/// One report as metric families.
#[derive(Debug, Clone)]
pub(super) struct ReportExposition {
    pub(super) report: Arc<Report>,
    pub(super) options: Arc<ExpositionOptions>,
    pub(super) counts: Arc<ServerCounters>,
    /// How much is left out, see [`SERIES_LEVEL_MAX`](crate::cost_limit::SERIES_LEVEL_MAX).
    pub(super) level: usize,
}

impl Collector for ReportExposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = MetricFamilies::new(encoder);
        self.subjects(&mut families)?;
        self.explanations(&mut families)?;
        self.signals(&mut families)?;
        self.itself(&mut families)?;
        self.values(&mut families)
    }
}

impl ReportExposition {
    fn assessments(&self) -> impl Iterator<Item = ([&str; 2], &Assessment)> {
        self.shown().map(|(subject, it)| (names(subject), it))
    }

    /// Assessments of which anything is exposed.
    fn shown(&self) -> impl Iterator<Item = (&Subject, &Assessment)> {
        let are_groups_shown = self.level < 3;
        self.report.assessments.iter().filter(move |(it, _)| are_groups_shown || is_permanent(it))
    }

    /// Assessments of which everything is exposed.
    fn detailed(&self) -> impl Iterator<Item = ([&str; 2], &Assessment)> {
        let assessments = self.shown().filter(|(subject, _)| self.shows_all_of(subject));
        assessments.map(|(subject, it)| (names(subject), it))
    }

    fn shows_all_of(&self, subject: &Subject) -> bool {
        // The settings name each log, so there are few.
        let is_chosen = self.options.raw_subjects || subject.kind() == SubjectKind::Log;
        is_permanent(subject) || (is_chosen && self.level < 1)
    }

    fn score_details(&self) -> impl Iterator<Item = ([&str; 2], &ScoreDetails)> {
        self.detailed().filter_map(|(names, it)| Some((names, it.details.as_ref()?)))
    }

    fn subjects(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        families
            .add(&SCORE, self.assessments().filter_map(|(it, of)| Some((it, of.details.as_ref()?.score))))?;
        let judged = || self.assessments().filter(|(_, it)| it.ready);
        families.add(&IS_ANOMALY, judged().map(|(names, it)| (names, one_if(it.episode.is_some()))))?;
        families.add(&ALERT, judged().map(|(names, it)| (names, one_if(it.is_alert()))))?;
        let alerts = self.detailed().filter_map(|(names, it)| Some((names, it.alert?)));
        let levels = alerts.flat_map(|([kind, subject], it)| {
            let raw = [("unusual", it.threshold), ("alert", it.level * it.threshold)];
            raw.map(|(level, raw)| ([kind, subject, level], raw))
        });
        families.add(&THRESHOLD, levels)?;
        let counted = self.detailed().filter(|(_, it)| it.ready);
        families.add(&EPISODES, counted.map(|(names, it)| (names, it.episodes as f64)))?;
        self.episodes(families)?;
        self.impacts(families)?;
        families.add(&READY, self.assessments().map(|(names, it)| (names, one_if(it.ready))))?;
        families.add(&READY_AT, self.detailed().map(|(names, it)| (names, it.ready_at.0)))?;
        let borrowed = self.assessments().filter(|(_, it)| it.uses_kind_prior).map(|(names, _)| (names, 1.0));
        families.add(&BORROWED, borrowed)?;
        families
            .add(&CONFIDENCE, self.score_details().filter_map(|(names, it)| Some((names, it.confidence?))))
    }

    fn explanations(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let detectors = || {
            self.score_details().flat_map(|([kind, subject], details)| {
                let described = details.detectors.described();
                described.map(move |(row, score)| ([kind, subject, row.name], row, *score))
            })
        };
        let current = detectors()
            .filter_map(|([kind, subject, name], _, score)| Some(([kind, subject, name, "current"], score?)));
        let shadows = || self.score_details().filter_map(|(names, it)| Some((names, it.shadow.as_ref()?)));
        let forest = DETECTORS.forest.name;
        let tried = shadows().map(|([kind, subject], it)| ([kind, subject, forest, "shadow"], it.forest));
        families.add(&DETECTOR_SCORE, current.chain(tried))?;
        families.add(&SHADOW_SCORE, shadows().map(|(names, it)| (names, it.score)))?;
        let votes = detectors().filter_map(|(names, row, it)| Some((names, one_if(row.vote(it)?))));
        families.add(&DETECTOR_VOTE, votes)?;
        let of_group = if self.level < 2 { CONTRIBUTIONS_MAX } else { 0 };
        let contributions = self.shown().flat_map(|(of, assessment)| {
            let [kind, subject] = names(of);
            let most = if self.shows_all_of(of) { usize::MAX } else { of_group };
            let largest = assessment.details.iter().flat_map(move |it| it.contributions.iter().take(most));
            largest.map(move |it| ([kind, subject, it.signal.name, it.direction.name()], it.value))
        });
        families.add(&CONTRIBUTION, contributions)?;
        let absent = self.detailed().flat_map(|([kind, subject], assessment)| {
            assessment.absent.iter().map(move |it| ([kind, subject, it.signal.name, it.kind.name()], 1.0))
        });
        families.add(&ABSENT, absent)?;
        let spent = self.detailed().filter_map(|(names, it)| Some((names, it.alert?.budget_spent?)));
        families.add(&BUDGET_SPENT, spent)?;
        let grace = self.report.grace.iter().flat_map(ActiveGracePeriods::rows);
        families.add(&GRACE, grace.map(|(reason, active)| ([reason.name()], one_if(active))))
    }

    fn signals(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let signals = || {
            self.detailed().flat_map(|([kind, subject], assessment)| {
                assessment.signals.iter().map(move |it| ([kind, subject, it.signal.name], it))
            })
        };
        families.add(&SIGNAL, signals().map(|(names, it)| (names, it.value)))?;
        let expected = |part: fn(&ExpectedValue) -> f64| {
            let value = move |it: &SignalState| it.expected.as_ref().map(part);
            signals().filter_map(move |(names, it)| Some((names, value(it)?)))
        };
        families.add(&EXPECTED, expected(|it| it.value))?;
        families.add(&LOWER, expected(|it| it.lower))?;
        families.add(&UPPER, expected(|it| it.upper))?;
        families.add(&DRIFT, signals().filter_map(|(names, it)| Some((names, it.drift?))))?;
        let full = self.detailed().flat_map(|([kind, subject], assessment)| {
            assessment.filling.iter().flat_map(move |it| {
                let bounds = it.time_until_full.bounds();
                bounds.map(move |(bound, seconds)| ([kind, subject, it.signal.name, bound], seconds))
            })
        });
        families.add(&FULL_SECONDS, full)
    }

    fn itself(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let BuildInfo { version, revision, rust_version } = self.options.build;
        families.add(&BUILD_INFO, [([version, revision, rust_version], 1.0)])?;
        let reading = &self.report.reading;
        families.add(&LAST_SAMPLE, [([""; 0], reading.at.0)])?;
        let collections = || reading.collections.iter();
        families.add(&COLLECTOR_SUCCESS, collections().map(|it| ([it.source], one_if(it.success))))?;
        families.add(&COLLECTOR_DURATION, collections().map(|it| ([it.source], it.seconds)))?;
        families.add(&COLLECTOR_OMITTED, collections().map(|it| ([it.source], it.omitted as f64)))?;
        let [openmetrics, text, dropped, untraced] = self.counts.rows();
        families.add(&SCRAPES, [(["openmetrics"], openmetrics as f64), (["text"], text as f64)])?;
        families.add(&DROPPED, [([""; 0], dropped as f64)])?;
        families.add(&UNTRACED, [([""; 0], untraced as f64)])?;
        self.counts.requests.encode(families)?;
        self.counts.web_config.encode(families)?;
        self.counts.ticks.encode(families)
    }

    /// What was measured. A reading is ordered by subject and source, a page by metric.
    fn values(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let Report { reading, own, .. } = &*self.report;
        let ExpositionOptions { sources, raw, .. } = &*self.options;
        let raw = *raw && self.level < SERIES_LEVEL_MAX;
        let limits = self.counts.series.rows(self.level, self.options.series_max);
        let read = reading.subjects.iter().flat_map(|(subject, it)| it.iter().map(move |it| (subject, it)));
        let shown =
            |it: &Metric| raw || it.name.starts_with("process_") || report::CIRCUMSTANCES.contains(&it);
        let read = read.filter(|(subject, it)| {
            (self.shows_all_of(subject) && shown(it.metric)) || self.identifies_anomalous(subject, it.metric)
        });
        let mut ranks = FamilyOrder::new(sources);
        let rows = own.iter().chain(&limits).map(|it| (&Subject::Host, it)).chain(read);
        let mut rows: Vec<_> = rows.map(|(subject, it)| (ranks.of(it.metric), subject, it)).collect();
        rows.sort_by_key(|it| it.0);
        for family in rows.chunk_by(|one, other| one.0 == other.0) {
            let samples = family.iter().map(|(_, subject, sample)| {
                let of = (**subject != Subject::Host).then(|| names(subject));
                (SubjectLabels { subject: of, values: sample.labels.values() }, sample.value)
            });
            families.add(family[0].2.metric, samples)?;
        }
        Ok(())
    }
}

fn is_permanent(subject: &Subject) -> bool {
    subject.kind().turnover() == SubjectTurnover::Permanent
}

fn names(subject: &Subject) -> [&str; 2] {
    [subject.kind().name(), subject.name()]
}

fn one_if(yes: bool) -> f64 {
    f64::from(u8::from(yes))
}
