//! The origin of a backfill as users write it: `csv:FILE`, `store:FILE`, `prometheus:URL`, `influxdb:URL`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::remote;
use crate::secret_text::SecretText;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

/// Source of a history.
#[derive(Debug, Clone, PartialEq)]
pub enum HistorySource {
    /// A table of signals in a file.
    Csv(PathBuf),
    /// The store of another host: the file, or its directory.
    Store(PathBuf),
    /// A server.
    Server(ServerAddress),
}

/// Protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ServerKind {
    /// The HTTP API of Prometheus, also of VictoriaMetrics, Thanos and Mimir.
    Prometheus,
    /// `InfluxQL` over HTTP, as in `InfluxDB` 1.x.
    Influx,
}

/// A server; its displayed form contains no secret.
#[derive(Clone, PartialEq)]
pub struct ServerAddress {
    /// Its protocol.
    pub kind: ServerKind,
    /// Scheme, host, port and path, without a slash at the end.
    pub url: String,
    /// Name and password from the URL.
    pub(super) user: Option<(String, SecretText)>,
    /// For `InfluxDB`: the database and optionally the retention policy.
    pub(super) database: Option<(String, Option<String>)>,
}

/// The displayed form never contains the password.
impl fmt::Debug for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerAddress")
            .field("kind", &self.kind)
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// Why a text is no valid source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseHistorySourceError {
    /// It does not start with a known kind.
    Kind,
    /// There is no file after `csv:` or `store:`.
    NoFile,
    /// The part after the kind does not start with `http://` or `https://`.
    Scheme,
    /// The host is missing or invalid.
    Host,
    /// The URL has a part that is not supported.
    Extra(&'static str),
    /// The database is missing.
    NoDatabase,
}

impl fmt::Display for ParseHistorySourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str(
                "expected csv:FILE, store:FILE, prometheus:URL or influxdb:URL, such as prometheus:http://localhost:9090",
            ),
            Self::NoFile => f.write_str("has no file; expected csv:FILE or store:FILE"),
            Self::Scheme => f.write_str("has no scheme; add http:// or https:// before the host"),
            Self::Host => f.write_str("has no valid host and port after http:// or https://"),
            Self::Extra(what) => write!(f, "has {what}, which is not supported"),
            Self::NoDatabase => f.write_str(
                "has no database; add it after the host, such as influxdb:http://localhost:8086/telegraf",
            ),
        }
    }
}

impl std::error::Error for ParseHistorySourceError {}

/// Suffixes of URLs copied from a browser; the API is at the part before them.
const PAGES: [&str; 6] = ["/api/v1/query_range", "/api/v1/query", "/api/v1", "/graph", "/query", "/vmui"];

impl FromStr for HistorySource {
    type Err = ParseHistorySourceError;

    fn from_str(text: &str) -> Result<Self, ParseHistorySourceError> {
        let (kind, rest) = text.split_once(':').ok_or(ParseHistorySourceError::Kind)?;
        match kind {
            "csv" | "store" if rest.is_empty() => Err(ParseHistorySourceError::NoFile),
            "csv" => Ok(Self::Csv(rest.into())),
            "store" => Ok(Self::Store(rest.into())),
            "prometheus" => ServerAddress::prometheus(rest).map(Self::Server),
            "influxdb" => ServerAddress::influx(rest).map(Self::Server),
            _ => Err(ParseHistorySourceError::Kind),
        }
    }
}

impl ServerAddress {
    fn prometheus(text: &str) -> Result<Self, ParseHistorySourceError> {
        let UrlParts { mut url, user, query } = parts(text)?;
        if !query.is_empty() && !PAGES.iter().any(|it| url.ends_with(it)) {
            return Err(ParseHistorySourceError::Extra("a query"));
        }
        if let Some(page) = PAGES.iter().find(|it| url.ends_with(*it)) {
            url.truncate(url.len() - page.len());
        }
        Ok(Self { kind: ServerKind::Prometheus, url, user, database: None })
    }

    fn influx(text: &str) -> Result<Self, ParseHistorySourceError> {
        let UrlParts { mut url, user, query } = parts(text)?;
        let named = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
        if query.iter().any(|(name, _)| !matches!(name.as_str(), "db" | "rp")) {
            return Err(ParseHistorySourceError::Extra("a query other than db and rp"));
        }
        if url.ends_with("/query") {
            url.truncate(url.len() - "/query".len());
        }
        let database = match named("db") {
            Some(database) => database,
            None => {
                // The authority ends at the first slash after those of the scheme.
                let slash =
                    url.rfind('/').filter(|it| !url[..*it].ends_with('/') && !url[..*it].ends_with(':'));
                let slash = slash.ok_or(ParseHistorySourceError::NoDatabase)?;
                let database = decoded(&url[slash + 1..]);
                url.truncate(slash);
                database
            }
        };
        if database.is_empty() {
            return Err(ParseHistorySourceError::NoDatabase);
        }
        Ok(Self { kind: ServerKind::Influx, url, user, database: Some((database, named("rp"))) })
    }
}

/// The parts of a URL.
struct UrlParts {
    /// Everything before the query, without name and password.
    url: String,
    user: Option<(String, SecretText)>,
    query: Vec<(String, String)>,
}

fn parts(text: &str) -> Result<UrlParts, ParseHistorySourceError> {
    let (scheme, rest) = ["http://", "https://"]
        .into_iter()
        .find_map(|it| Some((it, text.strip_prefix(it)?)))
        .ok_or(ParseHistorySourceError::Scheme)?;
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    if !fragment.is_empty() {
        return Err(ParseHistorySourceError::Extra("a fragment behind #"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.find('/').map_or((rest, ""), |it| rest.split_at(it));
    let (user, host) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user, host)) => {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (Some((decoded(name), SecretText::from(decoded(password)))), host)
        }
    };
    let url = format!("{scheme}{host}{}", path.trim_end_matches('/'));
    if !remote::has_host(&url) {
        return Err(ParseHistorySourceError::Host);
    }
    let pairs = query.split('&').filter(|it| !it.is_empty());
    let query = pairs
        .map(|it| it.split_once('=').unwrap_or((it, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    Ok(UrlParts { url, user, query })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: &str) {
        let found = match text.parse::<HistorySource>() {
            Ok(HistorySource::Store(path)) => format!("store {}", path.display()),
            Ok(HistorySource::Csv(path)) => format!("csv {}", path.display()),
            Ok(HistorySource::Server(it)) => {
                let user = it.user.as_ref().map(|(name, password)| (name, &**password));
                format!("{} {user:?} {:?}", it.url, it.database)
            }
            Err(error) => format!("{error:?}"),
        };
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn origins() {
        check("store:/a/hostnorm.db", "store /a/hostnorm.db");
        check("csv:h.csv.gz", "csv h.csv.gz");
        check("csv:C:\\h.csv", "csv C:\\h.csv");
        check("csv:", "NoFile");
        check("h.csv", "Kind");
        check("graphite:http://x", "Kind");
        check("prometheus:localhost:9090", "Scheme");
        check("prometheus:http://", "Host");
        check("prometheus:http://:9090", "Host");
        check("prometheus:http://a b", "Host");
        check("prometheus:http://localhost:9090", "http://localhost:9090 None None");
        check("prometheus:https://h/prom/", "https://h/prom None None");
        check("prometheus:http://h:1/graph?g0.expr=up&g0.tab=0", "http://h:1 None None");
        check("prometheus:http://h/prometheus/api/v1/query_range", "http://h/prometheus None None");
        check("prometheus:http://[::1]:9090", "http://[::1]:9090 None None");
        check("prometheus:http://h?x=1", "Extra(\"a query\")");
        check("prometheus:http://u:p%40w@h:1", "http://h:1 Some((\"u\", \"p@w\")) None");
        check("influxdb:http://h:8086", "NoDatabase");
        check("influxdb:http://h:8086/", "NoDatabase");
        check("influxdb:http://h:8086/telegraf", "http://h:8086 None Some((\"telegraf\", None))");
        check("influxdb:http://h/influx/my%20db", "http://h/influx None Some((\"my db\", None))");
        check(
            "influxdb:http://h/influx/query?db=telegraf&rp=autogen",
            "http://h/influx None Some((\"telegraf\", Some(\"autogen\")))",
        );
        check("influxdb:http://h/x?q=1", "Extra(\"a query other than db and rp\")");
    }

    #[test]
    fn the_displayed_form_has_no_password() {
        let origin: HistorySource = "prometheus:http://anna:geheim@h".parse().unwrap();
        let HistorySource::Server(address) = &origin else { unreachable!("it is a server") };
        assert!(!format!("{origin:?} {address}").contains("geheim"));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "(csv:|prometheus:|influxdb:)?(https?://)?[@:/?#&=%\\[\\]a-z0-9 é]{0,30}") {
            let _ = text.parse::<HistorySource>();
        }
    }
}
