//! The settings of silences.

use super::row;
use crate::config::{Setting, SettingType};

pub(super) static SETTINGS: &[Setting] = &[
    row(
        "alertmanager.url",
        SettingType::Text,
        "Alertmanager to ask for silences of this host, such as http://localhost:9093, with its path prefix if it has one, but without /api/v2. An anomaly during a silence is marked. It is not learned, unless the comment of the silence has the word expected, or the silence has an annotation or a matcher of this name. Empty for none",
    ),
    row("alertmanager.interval", SettingType::Duration, "Time between two requests for silences, 1s to 5m"),
    row(
        "alertmanager.alert_labels",
        SettingType::TextList,
        "Labels that Prometheus adds to the alerts of this host, such as instance=web-1:19797. By default, job is hostnorm, and instance is the name of this host with any port. hostnorm also knows the labels alertname, severity, kind, subject and expected. It ignores silences with a matcher for any other label",
    ),
    row("alertmanager.user", SettingType::Text, "User name at Alertmanager; empty for none"),
    row("alertmanager.password_file", SettingType::Text, "File with the user's password"),
    row("alertmanager.token_file", SettingType::Text, "File with a bearer token"),
    row(
        "alertmanager.headers",
        SettingType::TextList,
        "Further HTTP headers, such as 'X-Scope-OrgID: tenant'",
    ),
    row(
        "alertmanager.ca_file",
        SettingType::Text,
        "CA certificates to trust instead of those of the host, in PEM",
    ),
    row("alertmanager.cert_file", SettingType::Text, "Client certificate, in PEM"),
    row("alertmanager.key_file", SettingType::Text, "Key of the client certificate, in PEM"),
    row(
        "alertmanager.insecure_skip_verify",
        SettingType::Bool,
        "Accept any certificate. Anyone on the network path to Alertmanager can then silence this host",
    ),
];
