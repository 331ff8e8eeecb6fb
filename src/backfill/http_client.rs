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

/// Largest answer that is read, unpacked; a day of one metric of 256 disks is 25 MB.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// How long one answer may take, the two minutes that Prometheus gives a question by default and a little more.
const ANSWER_TIME_MAX: HumanDuration = HumanDuration::seconds(150);
/// How long a connection may take.
const CONNECT_SECONDS_MAX: u64 = 10;
/// So often a question is asked before it is given up.
const TRIES_MAX: u32 = 4;
/// How long is waited before the second try; doubled before each one after it.
const WAIT_FIRST: HumanDuration = HumanDuration::seconds(1);
/// A server that asks for more rest than this is not waited for.
const WAIT_MAX: HumanDuration = HumanDuration::seconds(60);

/// Names and values of a question.
pub(super) type FormFields<'a> = &'a [(&'a str, &'a str)];
/// Hears what happens meanwhile.
pub(super) type OnProgress<'a> = &'a mut dyn FnMut(FetchProgress<'_>);

/// Asks one server.
pub(super) struct HttpClient {
    agent: Agent,
    /// The URL of the API, without anything secret.
    url: String,
    headers: Vec<(String, String)>,
    /// Whether the server was told who asks.
    known: bool,
    /// Whether forms are posted; some proxies let only GET pass.
    posts: bool,
}

impl HttpClient {
    /// A client of this server.
    pub(super) fn new(address: &ServerAddress, access: &ServerConnection) -> Result<Self, FetchError> {
        let wrong =
            |reason: String| FetchError { url: address.url.clone(), cause: FetchErrorKind::Client(reason) };
        let tls = access.tls().map_err(|error| wrong(error.to_string()))?;
        debug_assert_eq!(tls.provider(), TlsProvider::Rustls, "the only one that is built in");
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_TIME_MAX.duration()))
            .timeout_connect(Some(Duration::from_secs(CONNECT_SECONDS_MAX)))
            // What is secret stays with the server that it was meant for.
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

    /// A failure at this server.
    pub(super) fn failure(&self, cause: FetchErrorKind) -> FetchError {
        FetchError { url: self.url.clone(), cause }
    }

    /// Asks a question, as a form where the server takes forms.
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

    /// Asks a question that stands in the URL.
    pub(super) fn get(
        &self,
        path: &str,
        form: FormFields<'_>,
        tell: OnProgress<'_>,
    ) -> Result<Vec<u8>, FetchError> {
        self.tries(path, form, false, tell)
    }

    /// Asks again where that may help.
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
            let again = matches!(
                cause,
                FetchErrorKind::Busy { .. } | FetchErrorKind::Down { .. } | FetchErrorKind::Half
            ) && !cause.is_too_much();
            let pause = asked.unwrap_or(wait);
            if !again || tried >= TRIES_MAX || WAIT_MAX < pause {
                return Err(self.failure(cause));
            }
            tell(FetchProgress::Wait(&format!("{}; retrying in {pause}", self.failure(cause))));
            std::thread::sleep(pause.duration());
            wait = wait.times(2);
        }
        Err(self.failure(FetchErrorKind::Half))
    }

    /// Asks once; an error comes with the rest that the server asks for.
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

    /// What a status other than 2xx means.
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
                // InfluxDB says so of a database that is not there.
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

/// The whole body, unpacked, if it is not too large.
fn read(answer: &mut Response<Body>) -> Result<Vec<u8>, FetchErrorKind> {
    let mut bytes = Vec::new();
    // One byte more than is taken tells a large answer from one that just fits.
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

/// What an error below HTTP means.
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
        // The resolver of the system has no kind of its own for it.
        ureq::Error::Io(io) if io.to_string().contains("lookup address") => FetchErrorKind::NoHost,
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                FetchErrorKind::Half
            }
            ErrorKind::TimedOut => FetchErrorKind::Silent(ANSWER_TIME_MAX),
            // rustls hands its own errors on as this kind.
            ErrorKind::InvalidData => FetchErrorKind::Tls(quoted(&io.to_string())),
            _ => FetchErrorKind::Refused(quoted(&io.to_string())),
        },
        ureq::Error::Protocol(_) | ureq::Error::Decompress(..) | ureq::Error::LargeResponseHeader(..) => {
            FetchErrorKind::Malformed(format!("malformed HTTP response ({text})"))
        }
        _ => FetchErrorKind::Refused(text),
    }
}

/// How long the server wants to be left alone; dates are for caches, and clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<HumanDuration> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(HumanDuration::seconds(seconds.min(HumanDuration::days(365).duration().as_secs())))
}

fn is_page(headers: &HeaderMap, bytes: &[u8]) -> bool {
    let html =
        headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).is_some_and(|it| it.contains("html"));
    html || bytes.trim_ascii_start().starts_with(b"<")
}

/// What a page is called, if it says so near its beginning.
fn title(bytes: &[u8]) -> String {
    const LOOKED_AT_MAX: usize = 4096;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOKED_AT_MAX)]);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    title.map(|(title, _)| quoted(title)).unwrap_or_default()
}

/// What a server says is wrong: both APIs put it under `error`; proxies write a line.
fn response_text(headers: &HeaderMap, bytes: &[u8]) -> String {
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
    fn what_a_server_says_is_found() {
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
