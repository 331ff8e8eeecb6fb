//! The HTTP client for queries, with bounded size, time and number of tries.
#![expect(clippy::disallowed_methods, reason = "waits before it asks again")]

use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use ureq::http::{HeaderMap, Response};
use ureq::tls::TlsProvider;
use ureq::{Agent, Body};

use super::fetch_error::{FetchError, FetchErrorKind, quoted};
use super::{FetchProgress, ServerAddress, ServerConnection, ServerKind};
use crate::duration::HumanDuration;

/// Largest uncompressed response; one day of a metric of 256 disks is 25 MB.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Timeout of a response: Prometheus's default query timeout of two minutes, and a little more.
const ANSWER_TIME_MAX: HumanDuration = HumanDuration::seconds(150);
/// Timeout of a connection.
const CONNECT_SECONDS_MAX: u64 = 10;
/// Largest number of tries of a query.
const TRIES_MAX: u32 = 4;
/// Wait before the second try, doubled before each further one.
const WAIT_FIRST: HumanDuration = HumanDuration::seconds(1);
/// Longest wait that a server may request.
const WAIT_MAX: HumanDuration = HumanDuration::seconds(60);

/// Names and values of a form.
pub(super) type FormFields<'a> = &'a [(&'a str, &'a str)];
/// Receives progress.
pub(super) type OnProgress<'a> = &'a mut dyn FnMut(FetchProgress<'_>);

/// A client for one server.
pub(super) struct HttpClient {
    agent: Agent,
    /// The URL of the API, without anything secret.
    url: String,
    headers: Vec<(String, String)>,
    /// Whether credentials were given.
    known: bool,
    /// Whether forms are sent by POST; some proxies allow only GET.
    posts: bool,
}

impl HttpClient {
    /// Creates a client for this server.
    pub(super) fn new(address: &ServerAddress, access: &ServerConnection) -> Result<Self, FetchError> {
        let wrong =
            |reason: String| FetchError { url: address.url.clone(), cause: FetchErrorKind::Client(reason) };
        let tls = access.tls().map_err(|error| wrong(error.to_string()))?;
        debug_assert_eq!(tls.provider(), TlsProvider::Rustls, "the only one that is built in");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_TIME_MAX.duration()))
            .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
            // Secrets must not be sent to other servers.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("hostnorm/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let mut headers = access.headers().map_err(|error| wrong(error.to_string()))?;
        let user = access.user().map_err(|error| wrong(error.to_string()))?.or_else(|| address.user.clone());
        let token = access.token().map_err(|error| wrong(error.to_string()))?;
        let authorization = match (token, user) {
            (Some(token), _) if address.kind == ServerKind::Influx => Some(format!("Token {token}")),
            (Some(token), _) => Some(format!("Bearer {token}")),
            (None, Some((name, password))) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
            }
            (None, None) => None,
        };
        headers.extend(authorization.map(|it| (AUTHORIZATION.as_str().to_owned(), it)));
        let known = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(AUTHORIZATION.as_str()));
        Ok(Self {
            agent: config.new_agent(),
            url: address.url.clone(),
            headers,
            known,
            posts: address.kind == ServerKind::Prometheus,
        })
    }

    /// An error of this server.
    pub(super) fn failure(&self, cause: FetchErrorKind) -> FetchError {
        FetchError { url: self.url.clone(), cause }
    }

    /// Sends a query as a form, or in the URL if the server refuses POST.
    pub(super) fn ask(
        &mut self,
        path: &str,
        form: FormFields<'_>,
        tell: OnProgress<'_>,
    ) -> Result<Vec<u8>, FetchError> {
        if self.posts {
            match self.tries(path, form, true, tell) {
                Err(FetchError { cause: FetchErrorKind::Status(405), .. }) => self.posts = false,
                done => return done,
            }
        }
        self.get(path, form, tell)
    }

    /// Sends a query in the URL.
    pub(super) fn get(
        &self,
        path: &str,
        form: FormFields<'_>,
        tell: OnProgress<'_>,
    ) -> Result<Vec<u8>, FetchError> {
        self.tries(path, form, false, tell)
    }

    /// Retries where that may help.
    fn tries(
        &self,
        path: &str,
        form: FormFields<'_>,
        post: bool,
        tell: OnProgress<'_>,
    ) -> Result<Vec<u8>, FetchError> {
        let mut wait = WAIT_FIRST;
        for tried in 1.. {
            let (cause, asked) = match self.once(path, form, post) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            let retry = matches!(
                cause,
                FetchErrorKind::Busy { .. } | FetchErrorKind::Down { .. } | FetchErrorKind::Half
            ) && !cause.is_too_much();
            let pause = asked.unwrap_or(wait);
            if !retry || tried >= TRIES_MAX || WAIT_MAX < pause {
                return Err(self.failure(cause));
            }
            tell(FetchProgress::Wait(&format!("{}; retrying in {pause}", self.failure(cause))));
            std::thread::sleep(pause.duration());
            wait = wait.times(2);
        }
        Err(self.failure(FetchErrorKind::Half))
    }

    /// Tries once; an error includes the wait that the server requests.
    fn once(
        &self,
        path: &str,
        form: FormFields<'_>,
        post: bool,
    ) -> Result<Vec<u8>, (FetchErrorKind, Option<HumanDuration>)> {
        let url = format!("{}{path}", self.url);
        let sent = if post {
            let request =
                self.headers.iter().fold(self.agent.post(&url), |it, (name, value)| it.header(name, value));
            request.send_form(form.iter().copied())
        } else {
            let request =
                self.headers.iter().fold(self.agent.get(&url), |it, (name, value)| it.header(name, value));
            request.query_pairs(form.iter().copied()).call()
        };
        let mut answer = sent.map_err(|error| (cause_of(&error), None))?;
        let rest = retry_after(answer.headers());
        let bytes = read(&mut answer).map_err(|cause| (cause, rest))?;
        let status = answer.status().as_u16();
        let is_page = is_page(answer.headers(), &bytes);
        match status {
            200..300 if is_page => Err((FetchErrorKind::Page(title(&bytes)), None)),
            200..300 => Ok(bytes),
            _ => Err((self.refusal(status, &answer, &bytes, rest), rest)),
        }
    }

    /// The error for a status other than 2xx.
    fn refusal(
        &self,
        status: u16,
        answer: &Response<Body>,
        bytes: &[u8],
        rest: Option<HumanDuration>,
    ) -> FetchErrorKind {
        let said = || response_text(answer.headers(), bytes);
        match status {
            300..400 => {
                let to = answer.headers().get(LOCATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
                FetchErrorKind::Moved(quoted(to.split('?').next().unwrap_or_default()))
            }
            401 => FetchErrorKind::NoUser { given: self.known },
            403 => FetchErrorKind::Forbidden(said()),
            404 => {
                let said = said();
                // InfluxDB reports a missing database like this.
                if said.contains("database") {
                    FetchErrorKind::Question { status, said }
                } else {
                    FetchErrorKind::NoPath
                }
            }
            400 | 413 | 414 | 422 => FetchErrorKind::Question { status, said: said() },
            429 => FetchErrorKind::Busy { wait: rest },
            500.. => FetchErrorKind::Down { status, said: said() },
            _ => FetchErrorKind::Status(status),
        }
    }
}

/// Reads the whole uncompressed body, up to its maximum.
fn read(answer: &mut Response<Body>) -> Result<Vec<u8>, FetchErrorKind> {
    let mut bytes = Vec::new();
    // One more byte, to detect a body that is too large.
    let mut reader = answer.body_mut().with_config().limit(u64::MAX).reader().take(BODY_BYTES_MAX + 1);
    match reader.read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > BODY_BYTES_MAX => Err(FetchErrorKind::Large(BODY_BYTES_MAX)),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Err(FetchErrorKind::Silent(ANSWER_TIME_MAX))
        }
        Err(_) => Err(FetchErrorKind::Half),
    }
}

/// The error for a failure below HTTP.
fn cause_of(error: &ureq::Error) -> FetchErrorKind {
    use std::io::ErrorKind;
    let text = quoted(&error.to_string());
    match error {
        ureq::Error::HostNotFound => FetchErrorKind::NoHost,
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => FetchErrorKind::Refused(
            format!("no connection within {}", HumanDuration::seconds(CONNECT_SECONDS_MAX)),
        ),
        ureq::Error::Timeout(_) => FetchErrorKind::Silent(ANSWER_TIME_MAX),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => FetchErrorKind::Tls(text),
        // The system's resolver has no error kind of its own for this.
        ureq::Error::Io(io) if io.to_string().contains("lookup address") => FetchErrorKind::NoHost,
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                FetchErrorKind::Half
            }
            ErrorKind::TimedOut => FetchErrorKind::Silent(ANSWER_TIME_MAX),
            // rustls passes its errors as this kind.
            ErrorKind::InvalidData => FetchErrorKind::Tls(quoted(&io.to_string())),
            _ => FetchErrorKind::Refused(quoted(&io.to_string())),
        },
        ureq::Error::Protocol(_) | ureq::Error::Decompress(..) | ureq::Error::LargeResponseHeader(..) => {
            FetchErrorKind::Malformed(format!("malformed HTTP response ({text})"))
        }
        _ => FetchErrorKind::Refused(text),
    }
}

/// The wait that the server requests. Dates are ignored, because clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<HumanDuration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(HumanDuration::seconds(seconds.min(HumanDuration::days(365).duration().as_secs())))
}

fn is_page(headers: &HeaderMap, bytes: &[u8]) -> bool {
    let html =
        headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("html"));
    html || bytes.trim_ascii_start().starts_with(b"<")
}

/// The title of an HTML page, if it is near the start.
fn title(bytes: &[u8]) -> String {
    const LOOKED_AT_MAX: usize = 4096;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT_MAX)]);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.map(|(title, _)| quoted(title)).unwrap_or_default()
}

/// The server's error message: both APIs have it under `error`; proxies return a line.
pub(super) fn response_text(headers: &HeaderMap, bytes: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    if is_page(headers, bytes) {
        return title(bytes);
    }
    match serde_json::from_slice::<Refusal>(bytes) {
        Ok(refusal) => quoted(&refusal.error),
        Err(_) => quoted(&String::from_utf8_lossy(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_message_is_found() {
        let check =
            |text: &str, expect: &str| assert_eq!(response_text(&HeaderMap::new(), text.as_bytes()), expect);
        check(r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "parse error");
        check("no org id\n", "no org id");
        check("<html><head><title>502 Bad\nGateway</title>", "502 Bad Gateway");
        check("<html>", "");
        check("", "");
    }

    #[test]
    fn rest_is_in_seconds() {
        let check = |text: &str, expect: Option<HumanDuration>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers), expect);
        };
        check("7", Some(HumanDuration::seconds(7)));
        check("Wed, 21 Oct 2026 07:28:00 GMT", None);
        check("99999999999", Some(HumanDuration::days(365)));
    }
}
