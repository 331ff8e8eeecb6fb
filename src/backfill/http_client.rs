//! The client for queries, with a bounded number of tries.
#![expect(clippy::disallowed_methods, reason = "waits before it asks again")]

use serde::Deserialize;

use super::fetch_error::{FetchError, FetchErrorKind};
use super::{FetchProgress, ServerAddress, ServerKind};
use crate::duration::HumanDuration;
use crate::remote::{RemoteClient, RemoteClientOptions, RemoteResponse, ServerConnection, quoted};

/// Largest uncompressed response; one day of a metric of 256 disks is 25 MB.
const BODY_BYTES_MAX: u64 = 64 << 20;
/// Timeout of a response: Prometheus's default query timeout of two minutes, and a little more.
const ANSWER_TIME_MAX: HumanDuration = HumanDuration::seconds(150);
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
    client: RemoteClient,
    /// The URL of the API, without anything secret.
    url: String,
    /// Whether forms are sent by POST; some proxies allow only GET.
    posts: bool,
}

impl HttpClient {
    /// Creates a client for this server.
    pub(super) fn new(address: &ServerAddress, access: &ServerConnection) -> Result<Self, FetchError> {
        let options = RemoteClientOptions {
            user: address.user.clone(),
            token_scheme: if address.kind == ServerKind::Influx { "Token" } else { "Bearer" },
            timeout: ANSWER_TIME_MAX,
            body_bytes_max: BODY_BYTES_MAX,
        };
        let client = RemoteClient::new(access, options).map_err(|error| FetchError {
            url: address.url.clone(),
            cause: FetchErrorKind::Client(error.to_string()),
        })?;
        Ok(Self { client, url: address.url.clone(), posts: address.kind == ServerKind::Prometheus })
    }

    /// An error of this server.
    pub(super) fn failure(&self, cause: FetchErrorKind) -> FetchError {
        FetchError { url: self.url.clone(), cause }
    }

    /// Sends a query as a form, or in the URL if the server refuses POST.
    pub(super) fn query(
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
                FetchErrorKind::RateLimited { .. }
                    | FetchErrorKind::ServerError { .. }
                    | FetchErrorKind::Half
            ) && !cause.is_query_too_large();
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
        let sent = if post { self.client.post_form(&url, form) } else { self.client.get(&url, form) };
        let response = sent.map_err(|error| (error.into(), None))?;
        if !response.is_success() {
            return Err((self.refusal(&response), response.retry_after()));
        }
        if response.is_page() {
            return Err((FetchErrorKind::Page(response.excerpt()), None));
        }
        Ok(response.body)
    }

    /// The error for a status other than 2xx.
    fn refusal(&self, response: &RemoteResponse) -> FetchErrorKind {
        let (status, said) = (response.status, response_text(response));
        match status {
            300..400 => FetchErrorKind::Redirect(response.redirect()),
            401 => FetchErrorKind::NoUser { given: self.client.has_credentials() },
            403 => FetchErrorKind::Forbidden(said),
            // InfluxDB reports a missing database like this.
            404 if said.contains("database") => FetchErrorKind::BadQuery { status, said },
            404 => FetchErrorKind::NoPath,
            400 | 413 | 414 | 422 => FetchErrorKind::BadQuery { status, said },
            429 => FetchErrorKind::RateLimited { wait: response.retry_after() },
            500.. => FetchErrorKind::ServerError { status, said },
            _ => FetchErrorKind::Status(status),
        }
    }
}

/// The server's error message: both APIs have it under `error`; proxies return a line.
pub(super) fn response_text(response: &RemoteResponse) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    match serde_json::from_slice::<Refusal>(&response.body) {
        Ok(refusal) => quoted(&refusal.error),
        Err(_) => response.excerpt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_message_is_found() {
        let check = |text: &str, expect: &str| {
            let response = RemoteResponse::new(400, text);
            assert_eq!(response_text(&response), expect);
        };
        check(r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#, "parse error");
        check("no org id\n", "no org id");
        check("", "");
    }
}
