//! The settings of the section `backfill`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{HistorySource, LOOKBACK_MAX, LOOKBACK_MIN};
use crate::duration::HumanDuration;
use crate::remote::ServerConnection;
use crate::url_credentials::AddressText;

/// The server with the history for the first start, and access to it. Secrets are named by file, not stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
// The table of settings refuses unknown keys; serde cannot, beside a flattened field.
#[serde(default)]
pub struct BackfillSettings {
    /// Kind and address of the server; empty for no backfill.
    pub from: AddressText,
    /// Length of the history to learn.
    pub lookback: HumanDuration,
    /// This host in the labels of the server; empty if the server has only one.
    pub host: String,
    /// Further conditions on series: matchers of Prometheus, or a condition in InfluxQL; empty for none.
    #[serde(rename = "match")]
    pub selector: String,
    /// File with the metric names of the server; empty for the built-in mapping.
    pub mapping: PathBuf,
    /// Credentials, TLS options and headers; their keys stand beside the others.
    #[serde(flatten)]
    pub connection: ServerConnection,
}

impl Default for BackfillSettings {
    fn default() -> Self {
        Self {
            from: AddressText::default(),
            lookback: HumanDuration::days(1),
            host: String::new(),
            selector: String::new(),
            mapping: PathBuf::new(),
            connection: ServerConnection::default(),
        }
    }
}

impl BackfillSettings {
    /// The first invalid setting: its key and the problem.
    pub fn error(&self) -> Option<(&'static str, String)> {
        if self.from.is_empty() {
            return None;
        }
        match self.from.parse::<HistorySource>() {
            // The text may contain a password.
            Err(error) => Some(("backfill.from", error.to_string())),
            Ok(_) if !(LOOKBACK_MIN..=LOOKBACK_MAX).contains(&self.lookback) => Some((
                "backfill.lookback",
                format!("{} is out of range; expected {LOOKBACK_MIN} to {LOOKBACK_MAX}", self.lookback),
            )),
            Ok(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_validated_at_the_start() {
        let check = |from: &str, lookback: HumanDuration, expect: Option<&str>| {
            let settings = BackfillSettings { from: from.into(), lookback, ..BackfillSettings::default() };
            assert_eq!(settings.error().map(|(key, _)| key), expect, "{from} {lookback}");
        };
        check("", HumanDuration::default(), None);
        check("prometheus:http://localhost:9090", HumanDuration::days(1), None);
        check("localhost:9090", HumanDuration::days(1), Some("backfill.from"));
        check("csv:h.csv", HumanDuration::minutes(59), Some("backfill.lookback"));
        check("csv:h.csv", HumanDuration::days(91), Some("backfill.lookback"));
    }
}
