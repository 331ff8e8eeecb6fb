//! Who a client is: by the password of basic authentication, or by a verified certificate.
//!
//! A password costs bcrypt's work once; then a keyed hash of it is remembered. Unknown users cost as much as known ones, one
//! login is checked at a time, and an address that fails often has to wait.

mod bcrypt_work;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod verified_logins;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::client_buckets::{ClientBuckets, remote_client};
use super::client_quota::{ClientQuota, QuotaLimits};
use super::message::{ProblemDetails, blocking};
use super::web_config::{COST_MIN, PasswordHash};
use bcrypt_work::BcryptRun;
use verified_logins::VerifiedLogins;

/// Failed logins in a row after which an address waits, …
const FAILED_MAX: u32 = 10;
/// … for each further one, so that passwords cannot be guessed at speed.
const FAILED_PAUSE: Duration = Duration::from_secs(6);
/// Most logins that wait for bcrypt's work; those beyond are refused.
const WAITING_MAX: usize = 16;
/// The same of one client. Those from loopback, where a proxy may forward many clients, have only the limit of all.
const WAITING_PER_CLIENT_MAX: usize = 4;

/// A client that proved who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AuthenticatedUser {
    /// A user of `basic_auth_users`, by name.
    Password(String),
    /// The owner of a certificate that a known authority signed, by its common name.
    Certificate(String),
}

/// Checks logins; what it remembers survives a reload of the users.
#[derive(Debug)]
pub(super) struct Authenticator {
    verified: VerifiedLogins,
    failed: Mutex<ClientBuckets>,
    waiting: ClientQuota,
    /// Held while bcrypt works: it takes a processor for a tenth of a second and more.
    working: Arc<tokio::sync::Mutex<()>>,
    /// Runs bcrypt on a password; tests count the runs.
    bcrypt: fn(BcryptRun<'_>, &[u8]) -> bool,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self {
            verified: VerifiedLogins::default(),
            failed: Mutex::new(ClientBuckets::new(FAILED_PAUSE, FAILED_MAX)),
            waiting: ClientQuota::new(QuotaLimits {
                all: WAITING_MAX,
                client: WAITING_PER_CLIENT_MAX,
                local: WAITING_MAX,
            }),
            working: Arc::default(),
            bcrypt: |run, password| run.run(password),
        }
    }
}

/// A user name and a password, as the client sent them.
struct Login {
    user: String,
    password: Vec<u8>,
}

impl Authenticator {
    /// The user of a request from this address.
    ///
    /// # Errors
    /// 401 without a valid login; 429 after too many wrong ones from this address; 503 while too many are being checked.
    pub(super) async fn user(
        self: &Arc<Self>,
        users: &BTreeMap<String, PasswordHash>,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Result<AuthenticatedUser, ProblemDetails> {
        let Some(login) = Login::of(headers) else {
            return Err(unauthorized(
                "a user name and a password are required; send them by basic authentication",
            ));
        };
        let hash = users.get(&login.user);
        let remembered = hash.and_then(|it| self.verified.key(&login.user, it, &login.password));
        if remembered.as_ref().is_some_and(|it| self.verified.contains(it)) {
            return Ok(AuthenticatedUser::Password(login.user));
        }
        self.failed_logins(|it| it.check(address, Instant::now())).map_err(too_many)?;
        let _waiting = self.waiting.acquire(remote_client(address), 1).map_err(|_| busy())?;
        let working = Arc::clone(&self.working).lock_owned().await;
        // Others from the same address may have failed while this one waited.
        self.failed_logins(|it| it.check(address, Instant::now())).map_err(too_many)?;
        let cost_max = users.values().map(PasswordHash::cost).max().unwrap_or(COST_MIN);
        let (own, hash, password) = (Arc::clone(self), hash.cloned(), login.password);
        let is_valid = blocking(move || {
            // A client that goes away ends neither the work, nor that only one login is checked, nor that a failure counts.
            let _working = working;
            let is_valid = bcrypt_work::is_valid(hash.as_ref(), cost_max, |run| (own.bcrypt)(run, &password));
            match is_valid {
                true => remembered.into_iter().for_each(|it| own.verified.insert(it)),
                false => _ = own.failed_logins(|it| it.take(address, Instant::now())),
            }
            is_valid
        });
        match is_valid.await? {
            true => Ok(AuthenticatedUser::Password(login.user)),
            false => Err(unauthorized("the user name or the password is wrong")),
        }
    }

    fn failed_logins<T>(&self, work: impl FnOnce(&mut ClientBuckets) -> T) -> T {
        work(&mut self.failed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Login {
    /// The login in the header Authorization; `None` if it is missing or malformed.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, encoded) = value.split_once(' ')?;
        let decoded =
            STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let colon = decoded.iter().position(|it| *it == b':')?;
        let user = std::str::from_utf8(&decoded[..colon]).ok()?.to_owned();
        Some(Self { user, password: decoded[colon + 1..].to_vec() })
    }
}

fn busy() -> ProblemDetails {
    let detail = "too many logins are being checked; try again in a second";
    ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, 1)
}

fn unauthorized(detail: &str) -> ProblemDetails {
    let challenge = HeaderValue::from_static("Basic realm=\"hostnorm\", charset=\"UTF-8\"");
    ProblemDetails::new(StatusCode::UNAUTHORIZED, detail).with(WWW_AUTHENTICATE, challenge)
}

fn too_many(wait: Duration) -> ProblemDetails {
    ProblemDetails::too_many_requests("too many failed logins from this address", wait)
}

/// Hashes a password with bcrypt, as `basic_auth_users` has it.
///
/// # Errors
/// When the password is empty, has a NUL, or is longer than the 71 bytes that bcrypt takes.
pub fn hash_password(password: &str) -> Result<String, &'static str> {
    /// About a quarter of a second; what exporter-toolkit suggests takes a quarter of that.
    const COST: u32 = 12;
    if password.is_empty() {
        return Err("the password is empty; choose one of 1 to 71 bytes");
    }
    if password.contains('\0') {
        return Err("the password has a NUL, where bcrypt ends; choose one without");
    }
    bcrypt::non_truncating_hash(password, COST)
        .map_err(|_| "the password is too long; bcrypt takes at most 71 bytes")
}

#[cfg(test)]
mod tests;
