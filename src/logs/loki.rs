//! Lines of a Loki server, by its HTTP API.

use serde::{Deserialize, Serialize};

use super::remote_log::{self, LogPageRange, LogServer, RemoteLine, RemoteLogErrorKind};
use crate::duration::HumanDuration;
use crate::remote::ServerConnection;

pub(in crate::logs) mod response;

/// Lines of a Loki server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LokiSettings {
    /// Address of the server, such as `http://localhost:3100`, without user and password.
    pub url: String,
    /// A `LogQL` query for lines, such as `{app="nginx"}`.
    pub query: String,
    /// How far to read back when the log is read for the first time, and after an outage.
    pub lookback: HumanDuration,
    /// Time between two requests.
    pub poll: HumanDuration,
    /// The tenant, sent as `X-Scope-OrgID`; empty for none.
    pub tenant: String,
    /// Credentials, TLS and headers.
    pub connection: ServerConnection,
}

impl Default for LokiSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            query: String::new(),
            lookback: HumanDuration::minutes(5),
            poll: HumanDuration::seconds(5),
            tenant: String::new(),
            connection: ServerConnection::default(),
        }
    }
}

impl LokiSettings {
    /// The key and the reason of the first invalid value; none if all are valid.
    pub fn error(&self) -> Option<(&'static str, String)> {
        if let Some(error) = remote_log::settings_error(self) {
            return Some(error);
        }
        if !self.query.trim_start().starts_with('{') {
            let reason =
                format!("{:?} is not a query for lines; expected one such as {{app=\"nginx\"}}", self.query);
            return Some(("query", reason));
        }
        let is_tenant = self.tenant.bytes().all(|it| it.is_ascii_graphic());
        (!is_tenant)
            .then(|| ("tenant", format!("{:?} has spaces or letters that no header has", self.tenant)))
    }
}

impl LogServer for LokiSettings {
    fn url(&self) -> &str {
        &self.url
    }

    fn connection(&self) -> ServerConnection {
        let mut connection = self.connection.clone();
        if !self.tenant.is_empty() {
            connection.headers.push(format!("X-Scope-OrgID: {}", self.tenant).into());
        }
        connection
    }

    fn lookback(&self) -> HumanDuration {
        self.lookback
    }

    fn poll(&self) -> HumanDuration {
        self.poll
    }

    fn path(&self) -> &'static str {
        "/loki/api/v1/query_range"
    }

    fn query(&self, range: &LogPageRange) -> Vec<(&'static str, String)> {
        vec![
            ("query", self.query.clone()),
            ("start", range.start.to_string()),
            ("end", range.end.to_string()),
            ("limit", range.limit.to_string()),
            ("direction", "forward".to_owned()),
        ]
    }

    fn lines(&self, body: &[u8]) -> Result<Vec<RemoteLine>, RemoteLogErrorKind> {
        response::lines(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let good = || LokiSettings {
            url: "http://localhost:3100".into(),
            query: "{app=\"nginx\"} |= \"error\"".into(),
            ..LokiSettings::default()
        };
        let check = |settings: LokiSettings, expect: Option<&str>| {
            assert_eq!(settings.error().map(|(key, _)| key), expect, "{settings:?}");
        };
        check(good(), None);
        check(LokiSettings { url: "localhost:3100".into(), ..good() }, Some("url"));
        check(LokiSettings { url: "http://localhost:3100/?x=1".into(), ..good() }, Some("url"));
        let secret = LokiSettings { url: "http://anna:geheim@h".into(), ..good() };
        assert!(!format!("{:?}", secret.error()).contains("geheim"));
        check(secret, Some("url"));
        check(LokiSettings { query: String::new(), ..good() }, Some("query"));
        check(LokiSettings { query: "rate({app=\"nginx\"}[1m])".into(), ..good() }, Some("query"));
        check(LokiSettings { lookback: HumanDuration::seconds(1), ..good() }, Some("lookback"));
        check(LokiSettings { poll: HumanDuration::millis(1), ..good() }, Some("poll"));
        let long =
            LokiSettings { poll: HumanDuration::seconds(60), lookback: HumanDuration::seconds(30), ..good() };
        check(long, Some("lookback"));
        check(LokiSettings { tenant: "a b".into(), ..good() }, Some("tenant"));
    }

    #[test]
    fn the_tenant_is_a_header() {
        let settings = LokiSettings { tenant: "team-a".into(), ..LokiSettings::default() };
        assert_eq!(settings.connection().headers, ["X-Scope-OrgID: team-a".into()]);
    }
}
