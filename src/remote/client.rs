//! The HTTP client: one request, one response.

use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Request, Response};
use ureq::tls::TlsProvider;
use ureq::{Agent, Body};

use super::{RemoteError, ServerConnection, ServerConnectionError, quoted};
use crate::duration::HumanDuration;
use crate::secret_text::SecretText;

/// Timeout of a connection.
const CONNECT_SECONDS_MAX: u64 = 10;

/// Options of a client.
#[derive(Debug, Clone)]
pub struct RemoteClientOptions {
    /// User and password from the URL; those of the connection come first.
    pub user: Option<(String, SecretText)>,
    /// The word before a token in `Authorization`, such as `Bearer`.
    pub token_scheme: &'static str,
    /// Longest time of a request with its response.
    pub timeout: HumanDuration,
    /// Largest uncompressed response, in bytes.
    pub body_bytes_max: u64,
}

impl Default for RemoteClientOptions {
    fn default() -> Self {
        Self {
            user: None,
            token_scheme: "Bearer",
            timeout: HumanDuration::seconds(30),
            body_bytes_max: 16 << 20,
        }
    }
}

/// A client with the credentials for one server. It follows no redirect, because that could leak secrets.
#[derive(Debug)]
pub struct RemoteClient {
    agent: Agent,
    headers: Vec<(String, SecretText)>,
    options: RemoteClientOptions,
}

/// A complete response with any status.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteResponse {
    /// The status.
    pub status: u16,
    headers: HeaderMap,
    /// The uncompressed body.
    pub body: Vec<u8>,
}

impl RemoteClient {
    /// Creates a client.
    ///
    /// # Errors
    /// If a file with secrets or certificates cannot be used.
    pub fn new(
        access: &ServerConnection,
        options: RemoteClientOptions,
    ) -> Result<Self, ServerConnectionError> {
        let tls = access.tls()?;
        debug_assert_eq!(tls.provider(), TlsProvider::Rustls, "the only one that is built in");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(options.timeout.duration()))
            .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("hostnorm/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let mut headers = access.headers()?;
        let user = access.user()?.or_else(|| options.user.clone());
        let authorization = match (access.token()?, user) {
            (Some(token), _) => Some(format!("{} {}", options.token_scheme, &*token)),
            (None, Some((name, password))) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{name}:{}", &*password))))
            }
            (None, None) => None,
        };
        headers.extend(authorization.map(|it| (AUTHORIZATION.as_str().to_owned(), SecretText::from(it))));
        Ok(Self { agent: config.new_agent(), headers, options })
    }

    /// Whether credentials are sent.
    pub fn has_credentials(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()))
    }

    /// Sends a GET request with this query.
    ///
    /// # Errors
    /// If there is no complete response; any status is a response.
    pub fn get(&self, url: &str, query: &[(&str, &str)]) -> Result<RemoteResponse, RemoteError> {
        let request =
            self.headers.iter().fold(self.agent.get(url), |it, (name, value)| it.header(name, &**value));
        self.read(request.query_pairs(query.iter().copied()).call())
    }

    /// Sends a form.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<RemoteResponse, RemoteError> {
        let request =
            self.headers.iter().fold(self.agent.post(url), |it, (name, value)| it.header(name, &**value));
        self.read(request.send_form(form.iter().copied()))
    }

    /// Sends a body with any method, such as `PATCH`, and further headers.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<RemoteResponse, RemoteError> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), &**value));
        let request = own
            .chain(headers.iter().copied())
            .fold(Request::builder().method(method).uri(url), |it, (name, value)| it.header(name, value));
        let request =
            request.body(body).map_err(|error| RemoteError::Malformed(quoted(&error.to_string())))?;
        self.read(self.agent.run(request))
    }

    /// Reads the whole uncompressed body, up to its maximum.
    fn read(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<RemoteResponse, RemoteError> {
        let (timeout, body_bytes_max) = (self.options.timeout, self.options.body_bytes_max);
        let (parts, mut content) = sent.map_err(|error| error_of(&error, timeout))?.into_parts();
        let mut body = Vec::new();
        // One more byte, to detect a body that is too large.
        let mut reader = content.with_config().limit(u64::MAX).reader().take(body_bytes_max + 1);
        match reader.read_to_end(&mut body) {
            Ok(_) if body.len() as u64 > body_bytes_max => Err(RemoteError::Large(body_bytes_max)),
            Ok(_) => Ok(RemoteResponse { status: parts.status.as_u16(), headers: parts.headers, body }),
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => Err(RemoteError::Timeout(timeout)),
            Err(_) => Err(RemoteError::Half),
        }
    }
}

impl RemoteResponse {
    /// A response without headers, as tests and fuzzing use it.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: HeaderMap::new(), body: body.into() }
    }

    /// Whether the server did as it was asked.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The wait that the server requests. Dates are ignored, because clocks differ.
    pub fn retry_after(&self) -> Option<HumanDuration> {
        let seconds: u64 = self.header(RETRY_AFTER.as_str()).trim().parse().ok()?;
        Some(HumanDuration::seconds(seconds.min(HumanDuration::days(365).duration().as_secs())))
    }

    /// The target of a redirect without its query, which may have secrets.
    pub fn redirect(&self) -> String {
        quoted(self.header(LOCATION.as_str()).split('?').next().unwrap_or_default())
    }

    /// Whether it is a web page instead of data.
    pub fn is_page(&self) -> bool {
        self.header(CONTENT_TYPE.as_str()).contains("html") || self.body.trim_ascii_start().starts_with(b"<")
    }

    /// A header; empty if it is missing or not text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default()
    }

    /// The title of a page that is near its start, or the body in one short line.
    pub fn excerpt(&self) -> String {
        const LOOKED_AT_MAX: usize = 4096;
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(LOOKED_AT_MAX)]);
        if !self.is_page() {
            return quoted(&text);
        }
        let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
        title.map(|(title, _)| quoted(title)).unwrap_or_default()
    }
}

/// The error for a failure below HTTP.
fn error_of(error: &ureq::Error, timeout: HumanDuration) -> RemoteError {
    use std::io::ErrorKind;
    let text = quoted(&error.to_string());
    match error {
        ureq::Error::HostNotFound => RemoteError::NoHost,
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => RemoteError::Refused(
            format!("no connection within {}", HumanDuration::seconds(CONNECT_SECONDS_MAX)),
        ),
        ureq::Error::Timeout(_) => RemoteError::Timeout(timeout),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => RemoteError::Tls(text),
        // The system's resolver has no error kind of its own for this.
        ureq::Error::Io(io) if io.to_string().contains("lookup address") => RemoteError::NoHost,
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                RemoteError::Half
            }
            ErrorKind::TimedOut => RemoteError::Timeout(timeout),
            // rustls passes its errors as this kind.
            ErrorKind::InvalidData => RemoteError::Tls(quoted(&io.to_string())),
            _ => RemoteError::Refused(quoted(&io.to_string())),
        },
        ureq::Error::Protocol(_) | ureq::Error::Decompress(..) | ureq::Error::LargeResponseHeader(..) => {
            RemoteError::Malformed(text)
        }
        _ => RemoteError::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(header: &str, value: &str, body: &str) -> RemoteResponse {
        let mut headers = HeaderMap::new();
        headers
            .insert(ureq::http::HeaderName::from_bytes(header.as_bytes()).unwrap(), value.parse().unwrap());
        RemoteResponse { status: 429, headers, body: body.into() }
    }

    #[test]
    fn debug_output_of_a_client_shows_no_secret() {
        let secret = "s3cret";
        let headers = vec![SecretText::from(format!("X-Token: {secret}"))];
        let accesses = [
            ServerConnection { user: format!("anna:{secret}").into(), ..ServerConnection::default() },
            ServerConnection { headers, ..ServerConnection::default() },
        ];
        // The user of the second one is in its URL.
        for (access, user) in accesses.into_iter().zip(["anna", "bert"]) {
            let options = RemoteClientOptions {
                user: Some(("bert".to_owned(), secret.into())),
                ..RemoteClientOptions::default()
            };
            let client = RemoteClient::new(&access, options).unwrap();
            assert!(client.has_credentials());
            let text = format!("{access:?} {client:?}");
            let encoded = STANDARD.encode(format!("{user}:{secret}"));
            let is_sent = client.headers.iter().any(|(_, value)| value.contains(&encoded));
            assert!(is_sent && !text.contains(secret) && !text.contains(&encoded), "{text}");
        }
    }

    #[test]
    fn rest_is_in_seconds() {
        let check = |text: &str, expect: Option<HumanDuration>| {
            assert_eq!(response("retry-after", text, "").retry_after(), expect);
        };
        check("7", Some(HumanDuration::seconds(7)));
        check("Wed, 21 Oct 2026 07:28:00 GMT", None);
        check("99999999999", Some(HumanDuration::days(365)));
    }

    #[test]
    fn an_excerpt_is_one_short_line() {
        let check = |body: &str, expect: &str| assert_eq!(response("x", "y", body).excerpt(), expect);
        check("no org\n id\n", "no org id");
        check("<html><head><title>502 Bad\nGateway</title>", "502 Bad Gateway");
        check("<html>", "");
        check("", "");
    }
}
