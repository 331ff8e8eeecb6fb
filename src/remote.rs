//! Requests to other servers over HTTP, with credentials, TLS, and bounds on time and size.
//!
//! Shared by everything that asks or tells another server. It never retries: a caller knows whether that may help.

use std::fmt;

use crate::duration::HumanDuration;

mod client;
mod server_connection;

pub use client::{RemoteClient, RemoteClientOptions, RemoteResponse};
pub use server_connection::{ServerConnection, ServerConnectionError, secret_of};

/// Longest quotation of a server's text, in characters.
const QUOTED_MAX: usize = 200;

/// Why there is no response.
#[derive(Debug, Clone, PartialEq)]
pub enum RemoteError {
    /// The connection was refused.
    Refused(String),
    /// The host name is unknown.
    NoHost,
    /// The certificate is not trusted, or the TLS handshake failed.
    Tls(String),
    /// No response in time.
    Timeout(HumanDuration),
    /// The response is truncated.
    Half,
    /// The response is larger than this number of bytes.
    Large(u64),
    /// The response is not HTTP.
    Malformed(String),
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => {
                write!(
                    f,
                    "cannot reach the server: {reason}; check that it runs, the port, firewalls and proxies"
                )
            }
            Self::NoHost => f.write_str("unknown host name; check its spelling and DNS"),
            Self::Tls(reason) => {
                write!(f, "TLS failed: {reason}; check ca_file, or use http:// if the server has no TLS")
            }
            Self::Timeout(waited) => {
                write!(f, "no complete response within {waited}; check the load of the server")
            }
            Self::Half => {
                f.write_str("the response is truncated; check the limits of the server and of proxies")
            }
            Self::Large(bytes) => write!(f, "the response is larger than {} MiB", bytes >> 20),
            Self::Malformed(text) => write!(f, "malformed HTTP response ({text})"),
        }
    }
}

impl std::error::Error for RemoteError {}

/// Whether requests can be sent below this URL: HTTP or HTTPS with a host, and neither query nor fragment.
pub fn is_base_url(url: &str) -> bool {
    is_http_url(url) && !url.contains(['?', '#', ' '])
}

/// Whether this is a URL of HTTP or HTTPS with a host.
pub fn is_http_url(url: &str) -> bool {
    (url.starts_with("http://") || url.starts_with("https://")) && has_host(url)
}

/// Whether this is a URL with the name of a host.
pub fn has_host(url: &str) -> bool {
    url.parse::<ureq::http::Uri>().is_ok_and(|it| it.host().is_some_and(|it| !it.is_empty()))
}

/// A text of a server, shortened to one line, because it may be anything.
pub fn quoted(text: &str) -> String {
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
    fn the_servers_message_is_shortened_to_one_line() {
        assert_eq!(quoted(" a\r\n\tb\u{1b}[31m "), "a b [31m");
        assert_eq!(quoted(&"é".repeat(300)).chars().count(), QUOTED_MAX + 1);
    }
}
