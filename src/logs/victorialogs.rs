//! Lines of a VictoriaLogs server, by its HTTP API.

use serde::{Deserialize, Serialize};

use super::remote_log::{self, LogPageRange, LogServer, RemoteLine, RemoteLogErrorKind};
use crate::duration::HumanDuration;
use crate::remote::ServerConnection;

pub(in crate::logs) mod response;

/// Lines of a VictoriaLogs server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VictoriaLogsSettings {
    /// Address of the server, such as `http://localhost:9428`, without user and password.
    pub url: String,
    /// A `LogsQL` query for lines, such as `{app="nginx"}`.
    pub query: String,
    /// How far to read back when the log is read for the first time, and after an outage.
    pub lookback: HumanDuration,
    /// Time between two requests.
    pub poll: HumanDuration,
    /// The tenant's `AccountID`.
    pub account_id: u32,
    /// The tenant's `ProjectID`.
    pub project_id: u32,
    /// Credentials, TLS and headers.
    pub connection: ServerConnection,
}

impl Default for VictoriaLogsSettings {
    fn default() -> Self {
        Self {
            url: String::new(),
            query: String::new(),
            lookback: HumanDuration::minutes(5),
            poll: HumanDuration::seconds(5),
            account_id: 0,
            project_id: 0,
            connection: ServerConnection::default(),
        }
    }
}

impl VictoriaLogsSettings {
    /// The key and the reason of the first invalid value; none if all are valid.
    pub fn error(&self) -> Option<(&'static str, String)> {
        let no_query = || {
            let is_empty = self.query.trim().is_empty();
            is_empty.then(|| ("query", "is empty; expected a query such as {app=\"nginx\"}, or *".to_owned()))
        };
        remote_log::settings_error(self).or_else(no_query)
    }
}

impl LogServer for VictoriaLogsSettings {
    fn url(&self) -> &str {
        &self.url
    }

    fn connection(&self) -> ServerConnection {
        let mut connection = self.connection.clone();
        if (self.account_id, self.project_id) != (0, 0) {
            connection.headers.push(format!("AccountID: {}", self.account_id).into());
            connection.headers.push(format!("ProjectID: {}", self.project_id).into());
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
        "/select/logsql/query"
    }

    fn query(&self, range: &LogPageRange) -> Vec<(&'static str, String)> {
        // The argument `limit` would return the newest lines; pages begin with the oldest.
        let query = format!("{} | sort by (_time) limit {}", self.query, range.limit);
        vec![("query", query), ("start", range.start.to_string()), ("end", range.end.to_string())]
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
        let good = || VictoriaLogsSettings {
            url: "http://localhost:9428".into(),
            query: "*".into(),
            ..VictoriaLogsSettings::default()
        };
        let check = |settings: VictoriaLogsSettings, expect: Option<&str>| {
            assert_eq!(settings.error().map(|(key, _)| key), expect, "{settings:?}");
        };
        check(good(), None);
        check(VictoriaLogsSettings { url: String::new(), ..good() }, Some("url"));
        check(VictoriaLogsSettings { query: " ".into(), ..good() }, Some("query"));
        let tenant = VictoriaLogsSettings { account_id: 12, ..good() };
        assert_eq!(tenant.connection().headers, ["AccountID: 12".into(), "ProjectID: 0".into()]);
    }
}
