//! Alertmanager's webhook, version 4.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::http::ReceiveError;
use crate::remote::quoted;

/// Most alerts of a notification. A sender with more sets `max_alerts`, or groups by more labels.
pub const ALERTS_MAX: usize = 20_000;
/// The version of the format.
const VERSION: &str = "4";
/// Longest value of a label or annotation that is kept, in bytes.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// Most labels, and most annotations, of an alert.
const VALUES_MAX: usize = 100;
/// Longest identifier or time of an alert, in bytes.
const WORD_BYTES_MAX: usize = 64;

/// A notification about a group of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    version: String,
    /// The receiver in Alertmanager's settings.
    #[serde(default)]
    pub receiver: String,
    /// The address of Alertmanager.
    #[serde(default, rename = "externalURL")]
    pub external_url: String,
    /// Alerts that were left out because of the receiver's `max_alerts`.
    #[serde(default)]
    pub truncated_alerts: u64,
    /// The alerts.
    pub alerts: Vec<Alert>,
}

/// One alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// Whether it fires.
    pub status: AlertStatus,
    /// Its labels, which identify it.
    pub labels: BTreeMap<String, String>,
    /// Its texts.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// When it began, as Alertmanager writes it.
    pub starts_at: String,
    /// When it ended, if it did.
    #[serde(default)]
    pub ends_at: String,
    /// Where the expression of its rule is shown.
    #[serde(default, rename = "generatorURL")]
    pub generator_url: String,
    /// A hash of its labels.
    pub fingerprint: String,
}

/// Whether an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertStatus {
    /// It fires.
    Firing,
    /// It is over.
    Resolved,
}

impl AlertStatus {
    /// The word in the format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl Notification {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// If it is not a notification of this version, or has too many alerts.
    pub fn parse(body: &[u8]) -> Result<Self, ReceiveError> {
        let malformed = |reason: String| Err(ReceiveError::Malformed(reason));
        let mut notification: Self = match serde_json::from_slice(body) {
            Ok(notification) => notification,
            Err(error) => {
                let error = quoted(&error.to_string());
                return malformed(format!(
                    "the body is not a notification of Alertmanager's webhook: {error}; use webhook_configs"
                ));
            }
        };
        if notification.version != VERSION {
            let version = quoted(&notification.version);
            return malformed(format!(
                "the version of the notification is {version:?}, expected {VERSION:?}; use Alertmanager 0.11 or newer"
            ));
        }
        let count = notification.alerts.len();
        if count > ALERTS_MAX {
            return Err(ReceiveError::TooLarge(format!(
                "the notification has {count} alerts, the maximum is {ALERTS_MAX}; set max_alerts of the receiver, or group by more labels"
            )));
        }
        for (idx, alert) in notification.alerts.iter_mut().enumerate() {
            if let Some(reason) = alert.problem() {
                return malformed(format!("alert {idx} of the notification {reason}"));
            }
            alert.shorten();
        }
        Ok(notification)
    }
}

impl Alert {
    /// A label; empty if it is missing, which means the same to Prometheus.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// An annotation; empty if it is missing.
    pub fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }

    /// The alert in one sentence: its description, else its summary, else its name.
    pub fn sentence(&self) -> &str {
        let texts = [self.annotation("description"), self.annotation("summary"), self.label("alertname")];
        texts.into_iter().find(|it| !it.trim().is_empty()).unwrap_or("an alert without a name").trim()
    }

    fn problem(&self) -> Option<&'static str> {
        let is_word = |it: &str| it.len() <= WORD_BYTES_MAX && it.bytes().all(|it| it.is_ascii_graphic());
        let is_fingerprint = |it: &str| it.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if self.fingerprint.is_empty() || !is_word(&self.fingerprint) || !is_fingerprint(&self.fingerprint) {
            return Some("has a malformed fingerprint; expected letters and digits, at most 64");
        }
        if self.starts_at.is_empty() || !is_word(&self.starts_at) || !is_word(&self.ends_at) {
            return Some("has a malformed startsAt or endsAt; expected times such as 2026-01-02T03:04:05Z");
        }
        if self.labels.len() > VALUES_MAX || self.annotations.len() > VALUES_MAX {
            return Some("has more than 100 labels or annotations; remove some");
        }
        None
    }

    fn shorten(&mut self) {
        let values = self.labels.values_mut().chain(self.annotations.values_mut());
        for value in values.chain([&mut self.generator_url]) {
            value.truncate(value.floor_char_boundary(VALUE_BYTES_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(alert: &str) -> String {
        format!("{{\"version\":\"4\",\"groupKey\":\"g\",\"status\":\"firing\",\"alerts\":[{alert}]}}")
    }

    const ALERT: &str = r#"{"status":"firing","labels":{"alertname":"A"},"annotations":{},"startsAt":"2026-01-02T03:04:05Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://p/graph","fingerprint":"c0ffee"}"#;

    #[test]
    fn errors_say_what_is_wrong() {
        let check = |body: &str, expect: &str| {
            let Err(ReceiveError::Malformed(reason)) = Notification::parse(body.as_bytes()) else {
                panic!("{body} is malformed");
            };
            assert!(reason.contains(expect), "{reason}");
        };
        check("", "is not a notification");
        check("{}", "missing field `version`");
        check("{\"version\":\"3\",\"alerts\":[]}", "is \"3\", expected \"4\"");
        check(&body(&ALERT.replace("c0ffee", "")), "alert 0 of the notification has a malformed fingerprint");
        check(&body(&ALERT.replace("c0ffee", "../x")), "malformed fingerprint");
        check(&body(&ALERT.replace("firing", "burning")), "unknown variant");
        check(&body(&ALERT.replace("2026-01-02T03:04:05Z", "")), "malformed startsAt");
    }

    #[test]
    fn long_values_are_cut() {
        let long = ALERT.replace("\"A\"", &format!("\"{}\"", "é".repeat(5000)));
        let read = Notification::parse(body(&long).as_bytes()).unwrap();
        assert_eq!(read.alerts[0].label("alertname").len(), VALUE_BYTES_MAX);
    }

    #[test]
    fn more_alerts_than_the_maximum_are_refused() {
        let check = |count: usize, expect: bool| {
            let alerts = vec![ALERT; count].join(",");
            assert_eq!(Notification::parse(body(&alerts).as_bytes()).is_ok(), expect, "{count}");
        };
        check(10_000, true);
        check(ALERTS_MAX, true);
        check(ALERTS_MAX + 1, false);
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "[\\PC\"{}\\[\\],:]{0,200}") {
            let _ = Notification::parse(text.as_bytes());
            let _ = Notification::parse(body(&text).as_bytes());
        }

        #[test]
        fn what_alertmanager_sends_is_read(
            labels in prop::collection::btree_map("[a-z]{1,8}", "\\PC{0,20}", 0..5),
            fingerprint in "[0-9a-f]{16}",
        ) {
            let alert = Alert {
                status: AlertStatus::Resolved,
                labels,
                annotations: BTreeMap::new(),
                starts_at: "2026-01-02T03:04:05.678+02:00".into(),
                ends_at: "2026-01-02T03:05:05Z".into(),
                generator_url: String::new(),
                fingerprint,
            };
            let read = Notification::parse(body(&serde_json::to_string(&alert).unwrap()).as_bytes()).unwrap();
            prop_assert_eq!(read.alerts, vec![alert]);
        }
    }
}
