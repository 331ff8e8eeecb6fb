//! Errors of a query. Each names the server's URL and what to do, and contains no secret.

use std::fmt;

use crate::duration::HumanDuration;

/// Longest text of a server that a sentence repeats, in characters.
const QUOTED_MAX: usize = 200;

/// Something is wrong with what was asked of a server, or with the server.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchError {
    /// The URL, without name, password and query.
    pub url: String,
    /// What is wrong.
    pub cause: FetchErrorKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq)]
pub enum FetchErrorKind {
    /// Nothing listens there.
    Refused(String),
    /// The name of the host is not known.
    NoHost,
    /// The certificate is not trusted, or the two do not understand each other.
    Tls(String),
    /// No answer came in time.
    Silent(HumanDuration),
    /// 401.
    NoUser {
        /// Whether it was told who asks.
        given: bool,
    },
    /// 403.
    Forbidden(String),
    /// 404.
    NoPath,
    /// 400, 422 and their like: what the server says of the question.
    Question {
        /// The status.
        status: u16,
        /// What the server says.
        said: String,
    },
    /// 429, again and again.
    Busy {
        /// How long the server asks to be left alone, where it says so.
        wait: Option<HumanDuration>,
    },
    /// 5xx, again and again.
    Down {
        /// The status.
        status: u16,
        /// What the server says.
        said: String,
    },
    /// 3xx: the server is elsewhere. Nothing secret is sent on to where an answer points.
    Moved(String),
    /// Any other status.
    Status(u16),
    /// The answer ends in its middle, again and again.
    Half,
    /// The answer is larger than is read.
    Large(u64),
    /// A web page came instead of data.
    Page(String),
    /// The response is not the JSON that the API documents.
    Malformed(String),
    /// The server has nothing of what was looked for.
    Nothing {
        /// The names that were looked for.
        names: Vec<String>,
        /// What it has instead.
        instead: String,
    },
    /// The server has several hosts, and nobody said which.
    Several {
        /// Some of them.
        hosts: Vec<String>,
        /// How to say it.
        how: &'static str,
    },
    /// The client cannot be made.
    Client(String),
}

impl FetchErrorKind {
    /// Whether less at once may do: servers bound what one question may cost.
    pub(super) fn is_too_much(&self) -> bool {
        match self {
            Self::Question { said, .. } | Self::Down { said, .. } => {
                let said = said.to_lowercase();
                ["too many", "too large", "exceed", "limit", "maximum", "max-select"]
                    .iter()
                    .any(|it| said.contains(it))
            }
            Self::Large(_) | Self::Silent(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.cause)
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
            Self::Silent(waited) => write!(
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
            Self::Nothing { names, instead } => {
                write!(f, "the server has no data for {}", names.join(", "))?;
                if !instead.is_empty() {
                    write!(f, "; {instead}")?;
                }
                f.write_str(
                    "; check --host, --match and --lookback, or pass the server's names with --mapping",
                )
            }
            Self::Several { hosts, how } => {
                write!(f, "the server has several hosts ({}); select one with {how}", hosts.join(", "))
            }
            Self::Client(reason) => f.write_str(reason),
            status => status.fmt_status(f),
        }
    }
}

impl FetchErrorKind {
    /// What a status means.
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
            Self::Question { status, said } => write!(
                f,
                "the server rejects the query ({status}){}; check --match and --mapping",
                ServerMessage(said)
            ),
            Self::Busy { wait: Some(wait) } => {
                write!(f, "too many requests (429); try again after {wait}")
            }
            Self::Busy { wait: None } => f.write_str("too many requests (429); try again later"),
            Self::Down { status, said } => {
                write!(
                    f,
                    "the server failed ({status}){}; try again later, or check its log",
                    ServerMessage(said)
                )
            }
            Self::Moved(to) => write!(f, "the server redirects{}; use that URL", ServerMessage(to)),
            Self::Status(status) => {
                write!(f, "unexpected status {status}")
            }
            _ => Ok(()),
        }
    }
}

/// What a server said, behind a colon; nothing when it said nothing.
struct ServerMessage<'a>(&'a str);

impl fmt::Display for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// A text of a server, short and on one line, as it may be anything.
pub(super) fn quoted(text: &str) -> String {
    let words = text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|it| !it.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(QUOTED_MAX) {
        None => line,
        Some((idx, _)) => format!("{}…", &line[..idx]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_cut_and_on_one_line() {
        assert_eq!(quoted(" a\r\n\tb\u{1b}[31m "), "a b [31m");
        assert_eq!(quoted(&"é".repeat(300)).chars().count(), QUOTED_MAX + 1);
    }

    #[test]
    fn limits_are_told_apart_from_mistakes() {
        let said = |said: &str| FetchErrorKind::Question { status: 422, said: said.into() }.is_too_much();
        assert!(said("query processing would load too many samples into memory"));
        assert!(said("exceeded maximum resolution of 11,000 points per timeseries"));
        assert!(!said("parse error: unexpected character: '%'"));
    }
}
