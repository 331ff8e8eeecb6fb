//! Errors of a query. Each names the server's URL and what to do, and contains no secret.

use std::fmt;

use crate::control_characters::one_line;
use crate::duration::HumanDuration;
use crate::remote::RemoteError;

/// A failed query.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchError {
    /// The URL without name, password and query.
    pub url: String,
    /// The cause.
    pub cause: FetchErrorKind,
}

/// Cause of a failed query.
#[derive(Debug, Clone, PartialEq)]
pub enum FetchErrorKind {
    /// The connection was refused.
    Refused(String),
    /// The host name is unknown.
    NoHost,
    /// The certificate is not trusted, or the TLS handshake failed.
    Tls(String),
    /// No response in time.
    Timeout(HumanDuration),
    /// Status 401.
    NoUser {
        /// Whether credentials were sent.
        given: bool,
    },
    /// Status 403.
    Forbidden(String),
    /// Status 404.
    NoPath,
    /// Status 400, 422 and similar: the server rejects the query.
    BadQuery {
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// Status 429, repeatedly.
    RateLimited {
        /// The wait that the server requests, if any.
        wait: Option<HumanDuration>,
    },
    /// Status 5xx, repeatedly.
    ServerError {
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
    },
    /// Status 3xx: the server has moved. Redirects are not followed, because they could leak secrets.
    Redirect(String),
    /// Any other status.
    Status(u16),
    /// The response is truncated, repeatedly.
    Half,
    /// The response is too large.
    Large(u64),
    /// The response is a web page instead of data.
    Page(String),
    /// The response is not the JSON that the API documents.
    Malformed(String),
    /// The server has no data for the request.
    NoData {
        /// The requested names.
        names: Vec<String>,
        /// The names that it has instead.
        instead: String,
    },
    /// The server has several hosts, and none was chosen.
    AmbiguousHost {
        /// Some of the hosts.
        hosts: Vec<String>,
        /// How to choose one.
        how: &'static str,
    },
    /// The client cannot be created.
    Client(String),
}

impl FetchErrorKind {
    /// Whether a smaller query may succeed, because servers limit the cost of queries.
    pub(super) fn is_query_too_large(&self) -> bool {
        match self {
            Self::BadQuery { said, .. } | Self::ServerError { said, .. } => {
                let said = said.to_lowercase();
                ["too many", "too large", "exceed", "limit", "maximum", "max-select"]
                    .iter()
                    .any(|it| said.contains(it))
            }
            Self::Large(_) | Self::Timeout(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Texts of the server may contain anything, such as escape sequences for a terminal.
        f.write_str(&one_line(&format!("{}: {}", self.url, self.cause)))
    }
}

impl std::error::Error for FetchError {}

impl fmt::Display for FetchErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(
                f,
                "cannot reach the server: {reason}; check that it runs, the port, firewalls and proxies"
            ),
            Self::NoHost => f.write_str("unknown host name; check its spelling and DNS"),
            Self::Tls(reason) => write!(
                f,
                "TLS failed: {reason}; pass its CA certificate with --ca-file, or use http:// if the server has no TLS"
            ),
            Self::Timeout(waited) => write!(
                f,
                "no complete response within {waited}; shorten --lookback, or check the load of the server"
            ),
            Self::Half => f.write_str(
                "the response is truncated; check the server's and proxies' limits, or shorten --lookback",
            ),
            Self::Large(bytes) => write!(
                f,
                "the response is larger than {} MiB; select one host with --host or --match",
                bytes >> 20
            ),
            Self::Page(title) => write!(
                f,
                "the response is a web page{}; check that the URL is that of the API and needs no login",
                ServerMessage(title)
            ),
            Self::Malformed(what) => write!(f, "unexpected response: {what}"),
            Self::NoData { names, instead } => {
                write!(f, "the server has no data for {}", names.join(", "))?;
                if !instead.is_empty() {
                    write!(f, "; {instead}")?;
                }
                f.write_str(
                    "; check --host, --match and --lookback, or pass the server's names with --mapping",
                )
            }
            Self::AmbiguousHost { hosts, how } => {
                write!(f, "the server has several hosts ({}); select one with {how}", hosts.join(", "))
            }
            Self::Client(reason) => f.write_str(reason),
            status => status.fmt_status(f),
        }
    }
}

impl FetchErrorKind {
    /// Describes a status.
    fn fmt_status(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoUser { given: false } => f.write_str(
                "authentication required (401); pass --user with --password-file, or --token-file",
            ),
            Self::NoUser { given: true } => f.write_str("wrong user, password or token (401)"),
            Self::Forbidden(said) => write!(
                f,
                "access denied (403){}; check the user's permissions, or a missing header such as X-Scope-OrgID (--header)",
                ServerMessage(said)
            ),
            Self::NoPath => f.write_str(
                "not found (404); if the API has a prefix, add it to the URL, such as http://host/prometheus",
            ),
            Self::BadQuery { status, said } => write!(
                f,
                "the server rejects the query ({status}){}; check --match and --mapping",
                ServerMessage(said)
            ),
            Self::RateLimited { wait: Some(wait) } => {
                write!(f, "too many requests (429); try again after {wait}")
            }
            Self::RateLimited { wait: None } => f.write_str("too many requests (429); try again later"),
            Self::ServerError { status, said } => {
                write!(
                    f,
                    "the server failed ({status}){}; try again later, or check its log",
                    ServerMessage(said)
                )
            }
            Self::Redirect(to) => write!(f, "the server redirects{}; use that URL", ServerMessage(to)),
            Self::Status(status) => {
                write!(f, "unexpected status {status}")
            }
            _ => Ok(()),
        }
    }
}

/// A server's message after a colon; empty without a message.
struct ServerMessage<'a>(&'a str);

impl fmt::Display for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

impl From<RemoteError> for FetchErrorKind {
    fn from(error: RemoteError) -> Self {
        match error {
            RemoteError::Refused(reason) => Self::Refused(reason),
            RemoteError::NoHost => Self::NoHost,
            RemoteError::Tls(reason) => Self::Tls(reason),
            RemoteError::Timeout(waited) => Self::Timeout(waited),
            RemoteError::Half => Self::Half,
            RemoteError::Large(bytes) => Self::Large(bytes),
            RemoteError::Malformed(text) => Self::Malformed(format!("malformed HTTP response ({text})")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_servers_are_distinguished_from_errors() {
        let said =
            |said: &str| FetchErrorKind::BadQuery { status: 422, said: said.into() }.is_query_too_large();
        assert!(said("query processing would load too many samples into memory"));
        assert!(said("exceeded maximum resolution of 11,000 points per timeseries"));
        assert!(!said("parse error: unexpected character: '%'"));
    }
}
