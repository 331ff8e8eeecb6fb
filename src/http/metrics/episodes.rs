//! The families of current episodes: description and culprits.

use std::fmt;

use super::{ReportExposition, names};
use crate::culprit::CULPRITS_MAX;
use crate::episode_text;
use crate::http::metric_families::MetricFamilies;
use crate::metric::Metric;
use crate::reading::Subject;
use crate::report::Assessment;

pub(super) static EPISODES: Metric = Metric::counter(
    "anomaly_episodes_total",
    "Episodes of the subject, including the current one; absent during warm-up",
)
.by(&["kind", "subject"]);
pub(super) static EPISODE_INFO: Metric = Metric::gauge(
    "anomaly_episode_info",
    "Identifier and description of the current episode; always 1, absent outside of episodes. The description is updated one minute after the start, and then at most every 10 minutes. It is also updated when other processes are named, which happens seconds after the start and after a new peak of the score",
)
.by(&["kind", "subject", "episode", "description"]);
pub(super) static EPISODE_INFO_DROPPED: Metric = Metric::gauge(
    "anomaly_episode_info_omitted",
    "Current episodes without anomaly_episode_info, because more than 100 are current",
);
pub(super) static CULPRIT_INFO: Metric = Metric::gauge(
    "anomaly_culprit_info",
    "Up to three processes, containers or services whose use of a deviating resource grew most over their usual use in the current episode; always 1, absent if nobody stands out. A process has a series with culprit_kind process, and its container or service has one, too. If no process has half of the growth of its container or service, only the container or service has a series. The label rank is 1 to 3: first those named at the start of the episode, from the largest growth to the smallest, then later ones",
)
.by(&["kind", "subject", "resource", "culprit_kind", "culprit", "rank"]);
pub(super) static IMPACT: Metric = Metric::gauge(
    "anomaly_impact_ratio",
    "Part of the subject's work that waits for the resource: 0 if no work waits, 1 if all work waits; absent if it cannot be read. Containers, pods and services have it during episodes only, or always with cgroup.raw",
)
.by(&["kind", "subject", "resource"]);
pub(super) static IMPACT_EXPECTED: Metric = Metric::gauge(
    "anomaly_impact_expected_ratio",
    "Usual value of anomaly_impact_ratio, the mean over the last hour outside of episodes; absent in the first minute, and for containers, pods and services without cgroup.raw",
)
.by(&["kind", "subject", "resource"]);
pub(super) static SEVERITY_INFO: Metric = Metric::gauge(
    "anomaly_severity_info",
    "Severity of the current episode, by its highest impact so far minus the usual impact: info, warning from 0.1, critical from 0.5; always 1. Logs have no impact, so their severity is info",
)
.by(&["kind", "subject", "severity"]);
pub(super) static ALERT_WITHHELD_INFO: Metric = Metric::gauge(
    "anomaly_alert_withheld_info",
    "Why the anomaly is no alert although its score or impact would make it one: the label reason is first_week (the subject was often like this in its first week), earlier_days (it was like this on earlier days or, on a new host, twice before) or maintenance; always 1",
)
.by(&["kind", "subject", "reason"]);

/// Largest number of series of `anomaly_episode_info`, because each new description is a new series in Prometheus.
const EPISODE_INFO_MAX: usize = 100;

impl ReportExposition {
    /// The current episodes; if there are too many, the earliest, so that none loses its series to a later one.
    pub(super) fn episodes(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        let mut running: Vec<_> = self
            .shown()
            .filter_map(|(subject, it)| Some((it.episode?.since, subject, it.description.as_deref()?)))
            .collect();
        if running.len() > EPISODE_INFO_MAX {
            running.sort_by(|one, other| one.0.0.total_cmp(&other.0.0));
        }
        let over = running.split_off(running.len().min(EPISODE_INFO_MAX)).len();
        let ids: Vec<_> =
            running.iter().map(|(since, subject, _)| episode_text::id(subject, *since)).collect();
        let series = running.iter().zip(&ids).map(|((_, subject, description), id)| {
            let [kind, name] = names(subject);
            ([kind, name, id, description], 1.0)
        });
        families.add(&EPISODE_INFO, series)?;
        families.add(&EPISODE_INFO_DROPPED, [([""; 0], over as f64)])?;
        self.culprits(families)
    }

    /// Whether a metric has the identity, as in Kubernetes, of a subject in an episode: a rule needs it to act on the subject.
    pub(super) fn identifies_anomalous(&self, subject: &Subject, metric: &Metric) -> bool {
        let in_episode = || self.report.assessments.get(subject).is_some_and(|it| it.episode.is_some());
        self.level < 2 && metric.name.ends_with("_info") && in_episode()
    }

    /// How much work waits, and how urgent the current episodes thereby are.
    pub(super) fn impacts(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        // Outside of episodes, the impact on many containers would be many series that nobody looks at.
        let shown = || {
            let in_episode = self.level < 2;
            let is_shown = move |(subject, it): &(&Subject, &Assessment)| {
                (in_episode && it.episode.is_some()) || self.shows_all_of(subject)
            };
            self.shown().filter(is_shown).map(|(subject, it)| (names(subject), it))
        };
        let ratios = shown().flat_map(|([kind, subject], it)| {
            it.impact.iter().map(move |it| ([kind, subject, it.resource.name()], it.ratio))
        });
        families.add(&IMPACT, ratios)?;
        let expected = self.detailed().flat_map(|([kind, subject], it)| {
            let known = it.impact.iter().filter_map(|it| Some((it.resource.name(), it.usual?)));
            known.map(move |(resource, usual)| ([kind, subject, resource], usual))
        });
        families.add(&IMPACT_EXPECTED, expected)?;
        let severities =
            shown().filter_map(|([kind, subject], it)| Some(([kind, subject, it.severity?.name()], 1.0)));
        families.add(&SEVERITY_INFO, severities)?;
        let withheld = self.detailed().filter_map(|([kind, subject], it)| {
            let reason = it.alert?.withheld?;
            Some(([kind, subject, reason.name()], 1.0))
        });
        families.add(&ALERT_WITHHELD_INFO, withheld)
    }

    /// Each culprit as a process, and as the container or service that it belongs to or is.
    fn culprits(&self, families: &mut MetricFamilies<'_>) -> fmt::Result {
        const RANKS: [&str; CULPRITS_MAX] = ["1", "2", "3"];
        let known = self.detailed().filter_map(|(names, it)| Some((names, it.scene.as_ref()?)));
        let mut series = Vec::new();
        for ([kind, subject], scene) in known {
            let mut named: Vec<[&str; 2]> = Vec::new();
            for (culprit, rank) in scene.culprits.iter().zip(RANKS) {
                let process = culprit.process.as_deref().map(|it| ["process", it]);
                let owner = culprit.owner.as_ref().map(|it| [it.kind.name(), it.name.as_str()]);
                for [culprit_kind, name] in owner.into_iter().chain(process) {
                    // Two processes of one service are one service, with the rank of the first.
                    if !named.contains(&[culprit_kind, name]) {
                        named.push([culprit_kind, name]);
                        let resource = culprit.resource.name();
                        series.push(([kind, subject, resource, culprit_kind, name, rank], 1.0));
                    }
                }
            }
        }
        families.add(&CULPRIT_INFO, series)
    }
}
