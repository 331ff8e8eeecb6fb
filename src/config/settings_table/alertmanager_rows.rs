//! The settings of silences.

use super::row;
use crate::config::{Setting, ValueType};

pub(super) static SETTINGS: &[Setting] = &[
    row(
        "alertmanager.url",
        ValueType::Text,
        "Alertmanager to ask for silences of this host, such as http://localhost:9093, with the prefix of its API if there is one. Anomalies in a silence are marked, and not learned unless the comment of the silence has the word expected. Empty for none",
    ),
    row("alertmanager.interval", ValueType::Duration, "Time between two requests for silences, 1s to 5m"),
    row(
        "alertmanager.labels",
        ValueType::Texts,
        "Label that Prometheus adds to this host's alerts, such as instance=web-1:19797. By default, job is hostnorm, and instance is the name of this host with any port. A silence with a matcher for another label is ignored",
    ),
    row("alertmanager.user", ValueType::Text, "User name at Alertmanager; empty for none"),
    row("alertmanager.password_file", ValueType::Text, "File with the user's password"),
    row("alertmanager.token_file", ValueType::Text, "File with a bearer token"),
    row("alertmanager.headers", ValueType::Texts, "Further HTTP headers, such as 'X-Scope-OrgID: tenant'"),
    row(
        "alertmanager.ca_file",
        ValueType::Text,
        "CA certificates to trust in addition to those of the host, in PEM",
    ),
    row("alertmanager.cert_file", ValueType::Text, "Client certificate, in PEM"),
    row("alertmanager.key_file", ValueType::Text, "Key of the client certificate, in PEM"),
    row(
        "alertmanager.insecure",
        ValueType::Switch,
        "Accept any certificate. Anyone between here and Alertmanager can then silence this host",
    ),
];
