//! The labels of this host's alerts, as far as they are known here: Prometheus adds those of the target.

use std::collections::BTreeMap;
use std::fmt;

use super::SilenceMatcher;
use crate::reading::{Subject, SubjectKind};

/// An alert of the shipped rules that tells of an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShippedAlert {
    /// The label `alertname`.
    pub name: &'static str,
    /// The label `severity`.
    pub severity: &'static str,
    /// Whose anomalies it tells of.
    pub scope: AlertScope,
}

/// Whose anomalies a shipped alert tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertScope {
    /// The host; the alert has the labels `kind` and `subject`.
    Host,
    /// One log; the alert has the labels `kind` and `subject`.
    Log,
    /// All containers, pods and services of the host at once; the alert has neither label.
    Containers,
}

/// The alerts of the shipped rules that tell of the anomaly of a host or of its subjects.
pub const ALERTS: &[ShippedAlert] = &[
    ShippedAlert::new("HostAnomalous", "warning", AlertScope::Host),
    ShippedAlert::new("HostUnusual", "info", AlertScope::Host),
    ShippedAlert::new("HostAnomalySevere", "critical", AlertScope::Host),
    ShippedAlert::new("HostAnomalyLong", "info", AlertScope::Host),
    ShippedAlert::new("LogAnomalous", "warning", AlertScope::Log),
    ShippedAlert::new("ContainerAnomalous", "warning", AlertScope::Containers),
];

/// Largest number of labels in the settings.
pub const TARGET_LABELS_MAX: usize = 32;
/// The label `job` of the shipped scrape configuration.
const JOB: &str = "hostnorm";
/// A severity that wakes nobody.
const INFO: &str = "info";

/// The labels of this host as a target of Prometheus.
#[derive(Debug, Clone, Default)]
pub struct TargetLabels {
    labels: BTreeMap<String, String>,
    /// Name of this host, which is the label `instance` with any port if the settings have none; empty if unknown.
    host_name: String,
}

/// Why a text is no label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseLabelError(String);

impl fmt::Display for ParseLabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a label; expected name=value, such as instance=web-1:19797", self.0)
    }
}

impl std::error::Error for ParseLabelError {}

/// Labels of one alert.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlertLabels<'a> {
    /// The shipped alert; none for an alert of the operator's own rules, whose name and severity are unknown.
    shipped: Option<ShippedAlert>,
    kind: SubjectLabel<'a>,
    subject: SubjectLabel<'a>,
}

/// The value of the label `kind` or `subject`.
#[derive(Debug, Clone, Copy)]
enum SubjectLabel<'a> {
    /// This value; empty for an alert without the label, as in Prometheus.
    Is(&'a str),
    /// The value of some subject that this host may have.
    Any,
}

/// Whether a label has a value that a matcher asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LabelFit {
    Matches,
    Differs,
    Unknown,
}

impl From<bool> for LabelFit {
    fn from(matches: bool) -> Self {
        if matches { Self::Matches } else { Self::Differs }
    }
}

impl ShippedAlert {
    const fn new(name: &'static str, severity: &'static str, scope: AlertScope) -> Self {
        Self { name, severity, scope }
    }
}

impl AlertScope {
    /// The alerts that tell of a subject.
    fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Host => Self::Host,
            Subject::Log(_) => Self::Log,
            Subject::Container(_) | Subject::Pod(_) | Subject::Service(_) => Self::Containers,
        }
    }

    /// The labels `kind` and `subject` of an alert of this scope, for this subject or for any.
    fn labels<'a>(self, subject: Option<&'a Subject>) -> [SubjectLabel<'a>; 2] {
        match (self, subject) {
            (Self::Containers, _) => [SubjectLabel::Is(""), SubjectLabel::Is("")],
            (Self::Host | Self::Log, Some(it)) => {
                [SubjectLabel::Is(it.kind().name()), SubjectLabel::Is(it.name())]
            }
            (Self::Log, None) => [SubjectLabel::Is(SubjectKind::Log.name()), SubjectLabel::Any],
            (Self::Host, None) => Self::Host.labels(Some(&Subject::Host)),
        }
    }
}

impl<'a> AlertLabels<'a> {
    /// The alerts of a subject: those of the shipped rules, and for any subject but the host one of the operator's own
    /// rules, which has the labels `kind` and `subject`.
    pub(super) fn of(subject: &'a Subject) -> impl Iterator<Item = Self> + use<'a> {
        let scope = AlertScope::of(subject);
        let shipped = ALERTS.iter().filter(move |it| it.scope == scope);
        let shipped = shipped.map(move |it| Self::shipped(*it, Some(subject)));
        let [kind, name] = [subject.kind().name(), subject.name()].map(SubjectLabel::Is);
        let own = Self { shipped: None, kind, subject: name };
        shipped.chain((*subject != Subject::Host).then_some(own))
    }

    /// The shipped alerts of any subject.
    pub(super) fn of_shipped_rules() -> impl Iterator<Item = AlertLabels<'static>> {
        ALERTS.iter().map(|it| AlertLabels::shipped(*it, None))
    }

    /// An alert of the operator's own rules, of any subject but the host.
    pub(super) fn of_own_rules() -> std::iter::Once<AlertLabels<'static>> {
        let (kind, subject) = (SubjectLabel::Any, SubjectLabel::Any);
        std::iter::once(AlertLabels { shipped: None, kind, subject })
    }

    fn shipped(alert: ShippedAlert, of: Option<&'a Subject>) -> Self {
        let [kind, subject] = alert.scope.labels(of);
        Self { shipped: Some(alert), kind, subject }
    }

    /// Whether somebody is told of it. Silences for everything of severity info are common and say nothing about a host.
    pub(super) fn notifies_somebody(self) -> bool {
        self.shipped.is_none_or(|it| it.severity != INFO)
    }
}

impl TargetLabels {
    /// The labels of the settings, each `name=value`, for the host with this name.
    ///
    /// # Errors
    /// If a text is no label.
    pub fn new(labels: &[String], host_name: &str) -> Result<Self, ParseLabelError> {
        let read = |text: &String| {
            let (name, value) = text.split_once('=').ok_or_else(|| ParseLabelError(text.clone()))?;
            let name = name.trim();
            let is_name = !name.is_empty() && !name.chars().any(|it| it.is_whitespace() || it.is_control());
            is_name.then(|| (name.into(), value.trim().into())).ok_or_else(|| ParseLabelError(text.clone()))
        };
        let labels = labels.iter().take(TARGET_LABELS_MAX).map(read).collect::<Result<_, _>>()?;
        Ok(Self { labels, host_name: host_name.into() })
    }

    /// Whether the label that the matcher names has such a value in this alert.
    pub(super) fn fit(&self, matcher: &SilenceMatcher, alert: AlertLabels<'_>) -> LabelFit {
        let is = |value: &str| matcher.matches_any([value].into_iter()).into();
        if let Some(value) = self.labels.get(&matcher.name) {
            return is(value);
        }
        let of_subject = |label| match label {
            SubjectLabel::Is(value) => is(value),
            SubjectLabel::Any => LabelFit::Matches,
        };
        match (matcher.name.as_str(), alert.shipped) {
            ("alertname", Some(it)) => is(it.name),
            ("severity", Some(it)) => is(it.severity),
            ("kind", _) => of_subject(alert.kind),
            ("subject", _) => of_subject(alert.subject),
            ("job", _) => is(JOB),
            ("instance", _) if !self.host_name.is_empty() => matcher.matches_host(&self.host_name).into(),
            _ => LabelFit::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_a_name() {
        let read = |text: &str| TargetLabels::new(&[text.to_owned()], "web-1").map(|it| it.labels);
        assert_eq!(read("instance = web-1:9100").unwrap()["instance"], "web-1:9100");
        assert_eq!(read("team=").unwrap()["team"], "");
        assert_eq!(read("a=b=c").unwrap()["a"], "b=c");
        for text in ["", "instance", "=a", "a b=c"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
