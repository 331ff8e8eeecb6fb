//! The labels of this host's alerts, as far as they are known here: Prometheus adds those of the target.

use std::collections::BTreeMap;
use std::fmt;

use super::Matcher;
use crate::reading::Subject;

/// The alerts of the shipped rules that tell of an anomaly, with their severities. They are of the host only.
pub const ALERTS: &[(&str, &str)] = &[
    ("HostAnomalous", "warning"),
    ("HostUnusual", "info"),
    ("HostAnomalySevere", "critical"),
    ("HostAnomalyLong", "info"),
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
        write!(f, "{:?} is no label; expected name=value, such as instance=web-1:19797", self.0)
    }
}

impl std::error::Error for ParseLabelError {}

/// Labels of one alert.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlertLabels<'a> {
    /// Name and severity; unknown for rules that are not shipped.
    rule: Option<(&'a str, &'a str)>,
    /// Kind and subject; none for any but the host.
    subject: Option<[&'a str; 2]>,
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

impl<'a> AlertLabels<'a> {
    /// The alerts of a subject. Rules for others than the host are not shipped.
    pub(super) fn of(subject: &'a Subject) -> impl Iterator<Item = Self> + use<'a> {
        let names = [subject.kind().name(), subject.name()];
        let shipped = ALERTS.iter().filter(|_| *subject == Subject::Host);
        let shipped = shipped.map(move |rule| Self { rule: Some(*rule), subject: Some(names) });
        let unknown = Self { rule: None, subject: Some(names) };
        shipped.chain((*subject != Subject::Host).then_some(unknown))
    }

    /// The alerts of any subject but the host.
    pub(super) fn of_any_other() -> std::iter::Once<AlertLabels<'static>> {
        std::iter::once(AlertLabels { rule: None, subject: None })
    }

    /// Whether somebody is told of it. Silences for everything of severity info are common and say nothing about a host.
    pub(super) fn is_loud(self) -> bool {
        self.rule.is_none_or(|(_, severity)| severity != INFO)
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
    pub(super) fn fit(&self, matcher: &Matcher, alert: AlertLabels<'_>) -> LabelFit {
        let is = |value: &str| matcher.matches_any([value].into_iter()).into();
        if let Some(value) = self.labels.get(&matcher.name) {
            return is(value);
        }
        match (matcher.name.as_str(), alert) {
            ("alertname", AlertLabels { rule: Some((name, _)), .. }) => is(name),
            ("severity", AlertLabels { rule: Some((_, severity)), .. }) => is(severity),
            ("kind", AlertLabels { subject: Some([kind, _]), .. }) => is(kind),
            ("subject", AlertLabels { subject: Some([_, subject]), .. }) => is(subject),
            ("kind" | "subject", _) => LabelFit::Matches,
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
