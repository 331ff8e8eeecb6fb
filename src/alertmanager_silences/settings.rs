//! The settings of the section `alertmanager`.

use serde::{Deserialize, Serialize};

use crate::duration::HumanDuration;
use crate::remote::{self, ServerConnection};
use crate::silence::{TARGET_LABELS_MAX, TargetLabels};
use crate::url_credentials::AddressText;

/// Shortest time between two requests.
const INTERVAL_MIN: HumanDuration = HumanDuration::seconds(1);
/// Longest time between two requests; silences are dropped 15 minutes after an answer.
const INTERVAL_MAX: HumanDuration = HumanDuration::minutes(5);
/// Suffixes of URLs copied from a browser or from other programs.
const SUFFIXES: [&str; 2] = ["/api/v2/silences", "/api/v2"];

/// The Alertmanager that is asked for silences, and access to it. Secrets are named by file, not stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
// The table of settings refuses unknown keys; serde cannot, beside a flattened field.
#[serde(default)]
pub struct AlertmanagerSettings {
    /// Address of the server, with the path prefix under which it is reachable, if any; empty for none.
    pub url: AddressText,
    /// Time between two requests.
    pub interval: HumanDuration,
    /// Labels of this host's alerts, each `name=value`.
    pub alert_labels: Vec<String>,
    /// Credentials, TLS options and headers; their keys stand beside the others.
    #[serde(flatten)]
    pub connection: ServerConnection,
}

impl Default for AlertmanagerSettings {
    fn default() -> Self {
        Self {
            url: AddressText::default(),
            interval: HumanDuration::minutes(1),
            alert_labels: Vec::new(),
            connection: ServerConnection::default(),
        }
    }
}

impl AlertmanagerSettings {
    /// Whether a server is named.
    pub fn is_set(&self) -> bool {
        !self.url.is_empty()
    }

    /// The address below which the API is.
    pub(super) fn api_base_url(&self) -> &str {
        // Pages of the server are behind a fragment.
        let url = self.url.split_once('#').map_or(&*self.url, |(url, _)| url);
        let mut url = url.trim_end_matches('/');
        for suffix in SUFFIXES {
            url = url.strip_suffix(suffix).unwrap_or(url);
        }
        url.trim_end_matches('/')
    }

    /// The first invalid setting: its key and the problem.
    pub fn error(&self) -> Option<(&'static str, String)> {
        if !self.is_set() {
            return None;
        }
        let api = self.api_base_url();
        // The text may contain a password, so it is not repeated.
        if !remote::is_base_url(api) {
            let expected = "is no URL; expected http:// or https://, host, port and a prefix, such as http://localhost:9093";
            return Some(("alertmanager.url", expected.into()));
        }
        if api.contains('@') {
            let reason =
                "has a user or password; set alertmanager.user and alertmanager.password_file instead";
            return Some(("alertmanager.url", reason.into()));
        }
        if !(INTERVAL_MIN..=INTERVAL_MAX).contains(&self.interval) {
            let text =
                format!("{} is out of range; expected {INTERVAL_MIN} to {INTERVAL_MAX}", self.interval);
            return Some(("alertmanager.interval", text));
        }
        if self.alert_labels.len() > TARGET_LABELS_MAX {
            let text = format!("{} labels; expected at most {TARGET_LABELS_MAX}", self.alert_labels.len());
            return Some(("alertmanager.alert_labels", text));
        }
        let labels = TargetLabels::new(&self.alert_labels, "").err();
        labels.map(|error| ("alertmanager.alert_labels", error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> AlertmanagerSettings {
        AlertmanagerSettings { url: url.into(), ..AlertmanagerSettings::default() }
    }

    #[test]
    fn the_api_is_below_the_url() {
        for (url, expect) in [
            ("http://am:9093", "http://am:9093"),
            ("http://am:9093/", "http://am:9093"),
            ("https://example.com/alertmanager/", "https://example.com/alertmanager"),
            ("https://example.com/alertmanager/#/silences", "https://example.com/alertmanager"),
            ("http://am:9093/api/v2/silences", "http://am:9093"),
            ("http://am:9093/api/v2/", "http://am:9093"),
        ] {
            assert_eq!(settings(url).error(), None, "{url}");
            assert_eq!(settings(url).api_base_url(), expect, "{url}");
        }
    }

    #[test]
    fn invalid_settings_are_found_at_the_start() {
        let check = |settings: AlertmanagerSettings, expect: Option<&str>| {
            assert_eq!(settings.error().map(|(key, _)| key), expect, "{settings:?}");
        };
        check(AlertmanagerSettings::default(), None);
        for url in ["am:9093", "http://", "ftp://am", "http://am:9093/?x=1", "http://u:p@am:9093"] {
            check(settings(url), Some("alertmanager.url"));
        }
        let alert_labels = vec!["instance".to_owned()];
        check(
            AlertmanagerSettings { alert_labels, ..settings("http://am") },
            Some("alertmanager.alert_labels"),
        );
        let interval = HumanDuration::minutes(6);
        check(AlertmanagerSettings { interval, ..settings("http://am") }, Some("alertmanager.interval"));
    }
}
