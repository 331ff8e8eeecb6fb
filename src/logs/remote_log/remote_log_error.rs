//! Errors of a server with logs. Each names its address and what to do, and contains no secret and no line.

use std::fmt;
use std::mem;

use crate::duration::HumanDuration;
use crate::remote::{RemoteError, RemoteResponse};

/// A request that failed.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::logs) struct RemoteLogError {
    /// The address from the settings, which has no password.
    pub(in crate::logs) url: String,
    /// The cause.
    pub(in crate::logs) kind: RemoteLogErrorKind,
    /// The wait that the server requests.
    pub(in crate::logs) retry_after: Option<HumanDuration>,
}

/// Cause of a failed request.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::logs) enum RemoteLogErrorKind {
    /// Credentials or certificates cannot be used.
    Client(String),
    /// There is no response.
    Remote(RemoteError),
    /// The server answers with an error.
    Status {
        /// The status.
        status: u16,
        /// The server's message.
        said: String,
        /// Whether credentials were sent.
        has_credentials: bool,
    },
    /// The server has moved. Redirects are not followed, because they could leak secrets.
    Redirect(String),
    /// The response is a web page.
    Page(String),
    /// The response is truncated.
    Half,
    /// The response is not what the API documents, at this byte.
    Malformed(usize),
    /// The query asks for numbers instead of lines.
    Numbers,
    /// The lines have no time, because the query removes it.
    NoTime,
}

impl RemoteLogErrorKind {
    /// The error of a response; none for one with lines.
    pub(in crate::logs) fn of_response(response: &RemoteResponse, has_credentials: bool) -> Option<Self> {
        match response.status {
            300..400 => Some(Self::Redirect(response.redirect())),
            200..300 if response.is_page() => Some(Self::Page(response.excerpt())),
            200..300 => None,
            status => Some(Self::Status { status, said: response.excerpt(), has_credentials }),
        }
    }

    /// The error of a text that is no JSON. What the parser says is left out, because it may quote a line.
    pub(in crate::logs) fn of_json(error: &serde_json::Error) -> Self {
        if error.is_eof() { Self::Half } else { Self::Malformed(error.column()) }
    }

    /// Whether one of the two in the log is enough: messages of a server may have a time or an identifier.
    pub(in crate::logs) fn is_repeat_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Status { status, .. }, Self::Status { status: other, .. }) => status == other,
            (Self::Remote(one), Self::Remote(other)) => mem::discriminant(one) == mem::discriminant(other),
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }

    /// Whether fewer lines may be had.
    pub(in crate::logs) fn is_page_too_large(&self) -> bool {
        match self {
            Self::Remote(RemoteError::Large(_)) => true,
            // As Loki says it: `max entries limit per query exceeded`; a proxy: 413.
            Self::Status { status, said, .. } => *status == 413 || said.contains("entries limit"),
            _ => false,
        }
    }
}

impl fmt::Display for RemoteLogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.kind)?;
        match self.retry_after {
            Some(wait) => write!(f, "; the server asks to wait {wait}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RemoteLogError {}

impl fmt::Display for RemoteLogErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(reason) => write!(f, "{reason}; check connection"),
            Self::Remote(error) => error.fmt(f),
            Self::Status { status, said, has_credentials } => {
                let (what, advice) = status_text(*status, said, *has_credentials);
                let colon = if said.is_empty() { "" } else { ": " };
                write!(f, "{what} ({status}){colon}{said}; {advice}")
            }
            Self::Redirect(to) => write!(f, "the server redirects to {to}; use that address as url"),
            Self::Page(title) => write!(
                f,
                "the response is a web page ({title}); check that url is that of the API and needs no login"
            ),
            Self::Half => {
                f.write_str("the response is truncated; check the limits of the server and of proxies")
            }
            Self::Malformed(column) => write!(
                f,
                "the response is not what the API documents, at byte {column}; check url and what answers there"
            ),
            Self::Numbers => {
                f.write_str("the query returns numbers; use a query for lines, such as {app=\"nginx\"}")
            }
            Self::NoTime => f.write_str("lines have no field _time; check that pipes of the query keep it"),
        }
    }
}

/// What a status means and what to do.
fn status_text(status: u16, said: &str, has_credentials: bool) -> (&'static str, &'static str) {
    match status {
        401 if said.contains("org id") => ("the server requires a tenant", "set tenant"),
        401 if has_credentials => ("wrong user, password or token", "check connection"),
        401 => (
            "authentication required",
            "set connection.user with connection.password_file, or connection.token_file",
        ),
        403 => ("access denied", "check the user's permissions and the tenant"),
        404 => (
            "not found",
            "check url: it has the path prefix of the server, if any, and not the path of the API",
        ),
        400 | 413 | 414 | 422 => ("the server rejects the query", "check query"),
        429 => ("too many requests", "raise poll, or the limits of the server"),
        500.. => ("the server failed", "check its log"),
        _ => ("unexpected status", "check url and what answers there"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_says_what_to_do() {
        let check = |status: u16, body: &str, expect: &str| {
            let kind = RemoteLogErrorKind::of_response(&RemoteResponse::new(status, body), false).unwrap();
            let error = RemoteLogError { url: "http://h".into(), kind, retry_after: None };
            assert_eq!(error.to_string(), format!("http://h: {expect}"));
        };
        check(
            400,
            "parse error at line 1, col 2: syntax error\n",
            "the server rejects the query (400): parse error at line 1, col 2: syntax error; check query",
        );
        check(401, "no org id", "the server requires a tenant (401): no org id; set tenant");
        check(
            401,
            "",
            "authentication required (401); set connection.user with connection.password_file, or \
             connection.token_file",
        );
        check(
            404,
            "404 page not found",
            "not found (404): 404 page not found; check url: it has the path prefix of the server, if any, and not the \
             path of the API",
        );
        check(429, "", "too many requests (429); raise poll, or the limits of the server");
        check(500, "boom\n", "the server failed (500): boom; check its log");
        check(418, "", "unexpected status (418); check url and what answers there");
        check(
            200,
            "<html><title>Sign in</title>",
            "the response is a web page (Sign in); check that url is that of the API and needs no login",
        );
        assert_eq!(RemoteLogErrorKind::of_response(&RemoteResponse::new(200, "{}"), false), None);
        assert_eq!(RemoteLogErrorKind::of_response(&RemoteResponse::new(204, ""), false), None);
    }

    #[test]
    fn a_refused_limit_is_recognized() {
        let said = "max entries limit per query exceeded, limit > max_entries_limit_per_query (5000 > 1000)";
        let of = |status, said: &str| {
            RemoteLogErrorKind::of_response(&RemoteResponse::new(status, said), true).unwrap()
        };
        assert!(of(400, said).is_page_too_large() && of(413, "").is_page_too_large());
        assert!(!of(400, "parse error").is_page_too_large());
    }
}
