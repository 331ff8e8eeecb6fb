//! Silences of Alertmanager: times in which somebody who knows about this host wants no messages from it.
//!
//! Which subjects are silenced is part of the reading, so that a replay of stored readings knows it. An episode goes on as
//! usual and is marked; its points are not learned, unless the silence says that the state is expected. Alertmanager
//! withholds the messages itself, so no alert is withheld here.

use std::collections::BTreeMap;

use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Subject, Timestamp};

mod silence_matcher;
mod target_labels;

pub use silence_matcher::{REGEX_BYTES_MAX, SilenceMatcher};
pub use target_labels::{ALERTS, AlertScope, ParseLabelError, ShippedAlert, TARGET_LABELS_MAX, TargetLabels};

use target_labels::{AlertLabels, LabelFit};

/// Which subjects are silenced.
pub static SILENCED: Metric = Metric::gauge(
    "hostnorm_silenced",
    "Subjects whose alerts a silence of Alertmanager matches; always 1, absent without such a silence. The label expected is true if the silence says that the state is expected; points of an anomaly are learned only then",
)
.by(&["kind", "subject", "expected"]);

/// Metrics of silences that are part of readings.
pub static METRICS: &[&Metric] = &[&SILENCED];

/// Largest number of silences for this host that are held; the rest is ignored and counted.
pub const SILENCES_MAX: usize = 64;
/// Seconds after the last answer of the server until its silences are dropped.
pub const MEMORY_SECONDS: f64 = 900.0;
/// Largest number of subjects whose matches are remembered.
const SUBJECTS_MAX: usize = 1024;

/// One silence.
#[derive(Debug, Clone)]
pub struct Silence {
    /// All of them must match.
    pub matchers: Vec<SilenceMatcher>,
    /// From when on it counts.
    pub starts: Timestamp,
    /// From when on it does not count any more.
    pub ends: Timestamp,
    /// Whether its comment, a matcher or an annotation says that the state is expected.
    pub is_expected: bool,
}

/// Whether a silence can match an alert of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SilenceApplicability {
    /// It can.
    Matches,
    /// It cannot.
    Differs,
    /// Nobody knows, because the value of this label is unknown here; it counts as no match.
    Unknown(String),
}

/// How a subject is silenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubjectSilence {
    /// Whether its state is expected, so that it is learned.
    pub is_expected: bool,
}

/// Whether a comment has the word "expected".
pub fn says_expected(comment: &str) -> bool {
    comment.split(|it: char| !it.is_alphanumeric()).any(|it| it.eq_ignore_ascii_case("expected"))
}

impl Silence {
    /// Whether it can match an alert of any subject of this host.
    pub fn fit(&self, target: &TargetLabels) -> SilenceApplicability {
        match self.fit_of(AlertLabels::of_own_rules(), target) {
            SilenceApplicability::Matches => SilenceApplicability::Matches,
            // Which labels own rules add is unknown, and no setting could say it.
            SilenceApplicability::Differs | SilenceApplicability::Unknown(_) => {
                self.fit_of(AlertLabels::of_shipped_rules(), target)
            }
        }
    }

    /// Whether it matches an alert of this subject.
    fn applies_to(&self, subject: &Subject, target: &TargetLabels) -> bool {
        self.fit_of(AlertLabels::of(subject), target) == SilenceApplicability::Matches
    }

    fn fit_of<'a>(
        &self,
        alerts: impl Iterator<Item = AlertLabels<'a>>,
        target: &TargetLabels,
    ) -> SilenceApplicability {
        let mut unknown = None;
        for alert in alerts.filter(|it| it.notifies_somebody() || self.names_alerts()) {
            match self.fit_alert(alert, target) {
                SilenceApplicability::Matches => return SilenceApplicability::Matches,
                SilenceApplicability::Unknown(label) => unknown = Some(label),
                SilenceApplicability::Differs => {}
            }
        }
        unknown.map_or(SilenceApplicability::Differs, SilenceApplicability::Unknown)
    }

    fn fit_alert(&self, alert: AlertLabels<'_>, target: &TargetLabels) -> SilenceApplicability {
        let mut unknown = None;
        for matcher in &self.matchers {
            match target.fit(matcher, alert) {
                LabelFit::Matches => {}
                LabelFit::Differs => return SilenceApplicability::Differs,
                LabelFit::Unknown => unknown = Some(matcher.name.clone()),
            }
        }
        unknown.map_or(SilenceApplicability::Matches, SilenceApplicability::Unknown)
    }

    /// Whether it says which alerts it is for.
    fn names_alerts(&self) -> bool {
        self.matchers.iter().any(|it| it.name == "alertname")
    }

    fn is_active(&self, at: Timestamp) -> bool {
        (self.starts.0..self.ends.0).contains(&at.0)
    }
}

/// How a subject is silenced at the time of a reading.
pub fn state(reading: &Reading, subject: &Subject) -> Option<SubjectSilence> {
    let values = reading.host_values()?;
    let mut samples = values.each(&SILENCED).filter(|it| {
        let [kind, name, _] = it.labels.values() else { return false };
        **kind == *subject.kind().name() && **name == *subject.name()
    });
    let sample = samples.next()?;
    Some(SubjectSilence { is_expected: sample.labels.values().last().is_some_and(|it| &**it == "true") })
}

/// The silences for this host as last read from the server.
#[derive(Debug, Clone, Default)]
pub struct SilenceCalendar {
    target: TargetLabels,
    silences: Vec<Silence>,
    /// Time of the server's last answer.
    answered_at: Timestamp,
    /// Which silences match each subject seen so far.
    of_subject: BTreeMap<Subject, SubjectSilences>,
}

#[derive(Debug, Clone)]
struct SubjectSilences {
    silences: Vec<usize>,
    /// The labels of the series for a state that is not expected, and for one that is.
    labels: [MetricLabels; 2],
}

impl SilenceCalendar {
    /// A calendar without silences, for a target with these labels.
    pub fn new(target: TargetLabels) -> Self {
        Self { target, ..Self::default() }
    }

    /// Takes the server's answer.
    pub fn update(&mut self, mut silences: Vec<Silence>, at: Timestamp) {
        silences.truncate(SILENCES_MAX);
        (self.silences, self.answered_at) = (silences, at);
        self.of_subject.clear();
    }

    /// Adds the silenced subjects to a reading.
    pub fn add_to(&mut self, reading: &mut Reading) {
        let at = reading.at;
        if at.0 - self.answered_at.0 > MEMORY_SECONDS {
            self.silences.clear();
            self.of_subject.clear();
        }
        if self.silences.is_empty() {
            return;
        }
        let subjects: Vec<Subject> = reading.subjects.keys().cloned().collect();
        for subject in subjects {
            if self.of_subject.len() >= SUBJECTS_MAX {
                self.of_subject.clear();
            }
            let (silences, target) = (&self.silences, &self.target);
            let found = self
                .of_subject
                .entry(subject)
                .or_insert_with_key(|subject| SubjectSilences::of(subject, silences, target));
            let active = found.silences.iter().filter_map(|idx| silences.get(*idx));
            let active = active.filter(|it| it.is_active(at)).map(|it| it.is_expected);
            if let Some(is_expected) = active.reduce(|one, other| one || other) {
                let labels = &found.labels[usize::from(is_expected)];
                reading.host().set_by(&SILENCED, labels, 1.0);
            }
        }
    }

    /// The end of the active silences of the host itself, if there are any.
    pub fn host_until(&self, at: Timestamp) -> Option<Timestamp> {
        let of_host = self.silences.iter().filter(|it| it.applies_to(&Subject::Host, &self.target));
        let ends = of_host.filter(|it| it.is_active(at)).map(|it| it.ends.0);
        ends.reduce(f64::max).map(Timestamp)
    }
}

impl SubjectSilences {
    fn of(subject: &Subject, silences: &[Silence], target: &TargetLabels) -> Self {
        let matching = silences.iter().enumerate().filter(|(_, it)| it.applies_to(subject, target));
        let labels =
            ["false", "true"].map(|it| MetricLabels::new([subject.kind().name(), subject.name(), it]));
        Self { silences: matching.map(|(idx, _)| idx).collect(), labels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    static VALUE: Metric = Metric::gauge("value", "A value");

    fn matcher(text: &str) -> SilenceMatcher {
        let operator = ["!=", "!~", "=~", "="].into_iter().find(|it| text.contains(it)).unwrap();
        let (name, value) = text.split_once(operator).unwrap();
        SilenceMatcher::new(name, value, operator.ends_with('~'), !operator.starts_with('!')).unwrap()
    }

    fn silence(matchers: &str, from: f64, to: f64, comment: &str) -> Silence {
        Silence {
            matchers: matchers.split_whitespace().map(matcher).collect(),
            starts: Timestamp(from),
            ends: Timestamp(to),
            is_expected: says_expected(comment),
        }
    }

    fn target() -> TargetLabels {
        TargetLabels::new(&["team=db".to_owned()], "web-1").unwrap()
    }

    #[test]
    fn a_silence_matches_as_alertmanager_does() {
        let check = |matchers: &str, expect: &str| {
            let found = match silence(matchers, 0.0, 1.0, "").fit(&target()) {
                SilenceApplicability::Matches => "yes".to_owned(),
                SilenceApplicability::Differs => "no".to_owned(),
                SilenceApplicability::Unknown(label) => label,
            };
            assert_eq!(found, expect, "{matchers}");
        };
        check("alertname=HostAnomalous instance=web-1:9100", "yes");
        check("alertname=HostAnomalous instance=web-1 job=hostnorm kind=host subject=host", "yes");
        check("alertname=HostAnomalous severity=critical", "no");
        check("alertname=~Host.* severity=critical team=~d[bc]", "yes");
        check("instance=web-10:9100", "no");
        check("instance=~web-.*", "yes");
        check("instance=~web", "no"); // anchored
        check("instance!=web-2:9100", "yes");
        check("instance!~web-.*", "no");
        check("alertname!=HostAnomalous team!=web", "yes");
        check("team=", "no");
        check("alertname=HostnormDown instance=web-1:9100", "no");
        check("alertname=HostnormDown cluster=a", "no");
        check("kind=container subject=shop", "yes");
        check("alertname=HostAnomalous kind=container", "no");
        check("alertname=LogAnomalous instance=web-1:9100 subject=nginx", "yes");
        check("alertname=LogAnomalous kind=container", "no");
        check("alertname=ContainerAnomalous instance=web-1:9100", "yes");
        // The alert is one for all containers of the host, so it has no label for one of them.
        check("alertname=ContainerAnomalous kind=container", "no");
        check("alertname=ContainerAnomalous severity=critical", "no");
        check("alertname=LogAnomalous cluster=a", "cluster");
        check("cluster=a", "cluster");
        // Nobody knows whether the label is missing.
        check("cluster!=a", "cluster");
        // A silence for all alerts of severity info says nothing about this host.
        check("severity=info", "no");
        check("severity=info alertname=HostUnusual", "yes");
        check("severity=warning", "yes");
    }

    #[test]
    fn an_unknown_host_name_matches_no_instance() {
        let target = TargetLabels::new(&[], "").unwrap();
        let fit = silence("instance=:9100", 0.0, 1.0, "").fit(&target);
        assert_eq!(fit, SilenceApplicability::Unknown("instance".into()));
        let target = TargetLabels::new(&["instance=10.0.0.1:9100".into()], "web-1").unwrap();
        assert_eq!(silence("instance=web-1:9100", 0.0, 1.0, "").fit(&target), SilenceApplicability::Differs);
        assert_eq!(
            silence("instance=10.0.0.1:9100", 0.0, 1.0, "").fit(&target),
            SilenceApplicability::Matches
        );
    }

    /// The silenced subjects in a reading of the host and one container, expected ones in upper case.
    fn noted(calendar: &mut SilenceCalendar, at: f64) -> String {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set(&VALUE, 1.0);
        let shop = Subject::Container("shop".into());
        reading.subjects.entry(shop.clone()).or_default().set(&VALUE, 1.0);
        calendar.add_to(&mut reading);
        let word = |subject: &Subject| {
            let it = state(&reading, subject)?;
            let name = subject.name();
            Some(if it.is_expected { name.to_uppercase() } else { name.to_owned() })
        };
        [Subject::Host, shop].iter().filter_map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn silenced_subjects_are_in_the_reading_from_start_to_end() {
        let mut calendar = SilenceCalendar::new(target());
        assert_eq!(noted(&mut calendar, 100.0), "");
        let silences = [
            silence("alertname=HostAnomalous", 100.0, 200.0, "disk is being replaced"),
            silence("kind=container", 120.0, 160.0, "Load test, EXPECTED."),
            silence("kind=host", 150.0, 160.0, "expected"),
        ];
        calendar.update(silences.into(), Timestamp(90.0));
        for (at, expect) in [
            (99.0, ""),
            (100.0, "host"),
            (120.0, "host SHOP"),
            (150.0, "HOST SHOP"),
            (160.0, "host"),
            (200.0, ""),
        ] {
            assert_eq!(noted(&mut calendar, at), expect, "at {at}");
        }
        assert_eq!(calendar.host_until(Timestamp(155.0)), Some(Timestamp(200.0)));
        assert_eq!(calendar.host_until(Timestamp(200.0)), None);
    }

    #[test]
    fn a_silence_by_the_name_of_an_alert_marks_its_subjects() {
        let subjects = [
            Subject::Host,
            Subject::Container("shop".into()),
            Subject::Log("nginx".into()),
            Subject::Log("ssh".into()),
            Subject::Pod("shop/web".into()),
            Subject::Service("cron".into()),
        ];
        let check = |matchers: &str, expect: &str| {
            let it = silence(&format!("{matchers} instance=web-1:19797"), 0.0, 1.0, "");
            let found = subjects.iter().filter(|subject| it.applies_to(subject, &target()));
            let names: Vec<_> = found.map(|it| it.name()).collect();
            assert_eq!(names.join(" "), expect, "{matchers}");
            let fits = it.fit(&target()) == SilenceApplicability::Matches;
            assert_eq!(fits, !names.is_empty(), "a silence that marks a subject is read: {matchers}");
        };
        check("alertname=HostAnomalous", "host");
        check("alertname=LogAnomalous", "nginx ssh");
        check("alertname=LogAnomalous subject=nginx", "nginx");
        check("alertname=ContainerAnomalous", "shop shop/web cron");
        check("alertname=ContainerAnomalous subject=shop", "");
        check("alertname=~.*Anomalous", "host shop nginx ssh shop/web cron");
        check("severity=warning", "host shop nginx ssh shop/web cron");
        check("severity=critical", "host");
        check("alertname=HostnormDown", "");
        // These match alerts of own rules, which have the labels kind and subject.
        check("kind=container", "shop");
        check("subject=shop/web", "shop/web");
    }

    #[test]
    fn silences_of_a_server_that_is_gone_are_dropped() {
        let mut calendar = SilenceCalendar::new(target());
        calendar.update(vec![silence("kind=host", 0.0, 1e9, "")], Timestamp(100.0));
        assert_eq!(noted(&mut calendar, 100.0 + MEMORY_SECONDS), "host");
        assert_eq!(noted(&mut calendar, 101.0 + MEMORY_SECONDS), "");
        calendar.update(vec![silence("kind=host", 0.0, 1e9, "")], Timestamp(5_000.0));
        assert_eq!(noted(&mut calendar, 5_000.0), "host");
    }

    #[test]
    fn only_the_word_itself_says_expected() {
        for (comment, expect) in [
            ("expected", true),
            ("Backup (Expected): weekly", true),
            ("unexpected load", false),
            ("expectedly", false),
            ("", false),
        ] {
            assert_eq!(says_expected(comment), expect, "{comment}");
        }
    }
}
