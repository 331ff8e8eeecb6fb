//! The settings of the section `backfill`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{HistorySource, LOOKBACK_MAX, LOOKBACK_MIN};
use crate::duration::HumanDuration;
use crate::remote::ServerConnection;

/// The server with the history for the first start, and access to it. Secrets are named by file, not stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackfillSettings {
    /// Kind and address of the server; empty for no backfill.
    pub from: String,
    /// Length of the history to learn.
    pub lookback: HumanDuration,
    /// This host in the labels of the server; empty if the server has only one.
    pub host: String,
    /// This host in the labels of the server; empty if the server has only one host.
    #[serde(rename = "match")]
    pub selector: String,
    /// File with the metric names of the server; empty for the built-in mapping.
    pub mapping: PathBuf,
    /// User name; empty for none.
    pub user: String,
    /// File with the password.
    pub password_file: PathBuf,
    /// File with a token for `Authorization`.
    pub token_file: PathBuf,
    /// Additional headers, `Name: value`.
    pub headers: Vec<String>,
    /// Certificates of additional trusted authorities.
    pub ca_file: PathBuf,
    /// Client certificate.
    pub cert_file: PathBuf,
    /// Private key of the client certificate.
    pub key_file: PathBuf,
    /// Whether any server certificate is accepted.
    pub insecure: bool,
}

impl Default for BackfillSettings {
    fn default() -> Self {
        Self {
            from: String::new(),
            lookback: HumanDuration::days(1),
            host: String::new(),
            selector: String::new(),
            mapping: PathBuf::new(),
            user: String::new(),
            password_file: PathBuf::new(),
            token_file: PathBuf::new(),
            headers: Vec::new(),
            ca_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            insecure: false,
        }
    }
}

impl BackfillSettings {
    /// The credentials and TLS options among these settings.
    pub fn access(&self) -> ServerConnection {
        ServerConnection {
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            token_file: self.token_file.clone(),
            headers: self.headers.clone(),
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            insecure: self.insecure,
        }
    }

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
