//! The web configuration in effect: read again when its file or its certificates change, so that certificates are renewed
//! without a restart. A file that cannot be used, or that is not written whole, changes nothing: the last good one stays in
//! effect.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::authentication::Authenticator;
use super::client_buckets::{ClientBuckets, remote_client};
use super::request_metrics::WebConfigStatus;
use super::tls::ServerTls;
use super::token_bucket::TokenBucket;
use super::web_config::{RequestRateLimit, WebConfig, WebConfigError, lost_protection};
use crate::reading::Timestamp;

/// Requests of one client at once, where the file has no rate limit, …
const REQUESTS_MAX: u32 = 200;
/// … and then one each: a client that asks as fast as it can would take a CPU of the host that is watched.
const REQUEST_INTERVAL: Duration = Duration::from_millis(10);
/// Time between two looks at the files.
const POLL: Duration = Duration::from_secs(1);

/// What is decided about access in the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// The web configuration file; `None` for plain HTTP without passwords.
    pub config_file: Option<PathBuf>,
    /// Whether authenticated users may send commands over TCP.
    pub enable_admin_api: bool,
    /// Whether `/-/healthy` and `/-/ready` need no authentication.
    pub health_auth_exempt: bool,
}

/// The web configuration in effect, and what is remembered of logins.
#[derive(Debug)]
pub struct WebSecurity {
    settings: AccessSettings,
    active: watch::Sender<Arc<ActiveConfig>>,
    /// The files as they were when they were last read.
    seen: Mutex<Vec<FileFingerprint>>,
    authenticator: Arc<Authenticator>,
    limiter: Mutex<Option<(RequestRateLimit, TokenBucket)>>,
    /// Requests of each client, without a rate limit.
    requests: Mutex<ClientBuckets>,
}

/// A web configuration whose certificates were read.
#[derive(Debug)]
pub(super) struct ActiveConfig {
    /// The file.
    pub(super) config: WebConfig,
    /// Nothing for plain HTTP.
    pub(super) tls: Option<ServerTls>,
}

/// What tells whether a file has changed; symbolic links are followed, as Kubernetes swaps them.
#[derive(Debug, PartialEq, Eq)]
struct FileFingerprint {
    path: PathBuf,
    /// Modification time and size, and on Unix device, inode and change time; `None` if the file is missing.
    state: Option<(Option<SystemTime>, u64, [i128; 3])>,
}

impl ActiveConfig {
    /// Reads the file and its certificates; `seen` becomes the files as they were before that, so that a change meanwhile is
    /// found by the next look.
    fn read(path: &Path, seen: &mut Vec<FileFingerprint>) -> Result<Self, WebConfigError> {
        *seen = vec![FileFingerprint::of(path)];
        let config = WebConfig::read(path)?;
        seen.extend(config.tls.iter().flat_map(|it| it.files()).map(FileFingerprint::of));
        let tls = config.tls.as_ref().map(|it| ServerTls::new(it, config.http2)).transpose();
        let tls = tls.map_err(|reason| WebConfigError { path: path.to_owned(), line: None, reason })?;
        Ok(Self { config, tls })
    }

    fn warn_of_ignored(&self, path: &Path) {
        for ignored in self.tls.iter().flat_map(|it| &it.ignored) {
            tracing::warn!(file = %path.display(), ignored, "a value of the web configuration file has no effect");
        }
    }
}

/// Checks a web configuration file with all its certificates.
///
/// # Errors
/// When it cannot be used.
pub fn check_web_config(path: &Path) -> Result<(), WebConfigError> {
    ActiveConfig::read(path, &mut Vec::new()).map(|_| ())
}

impl WebSecurity {
    /// Reads the web configuration file, if there is one.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(settings: AccessSettings) -> Result<Self, WebConfigError> {
        let mut seen = Vec::new();
        let active = match &settings.config_file {
            None => ActiveConfig { config: WebConfig::default(), tls: None },
            Some(path) => ActiveConfig::read(path, &mut seen)?,
        };
        settings.config_file.iter().for_each(|it| active.warn_of_ignored(it));
        Ok(Self {
            settings,
            active: watch::Sender::new(Arc::new(active)),
            seen: Mutex::new(seen),
            authenticator: Arc::default(),
            limiter: Mutex::default(),
            requests: Mutex::new(ClientBuckets::new(REQUEST_INTERVAL, REQUESTS_MAX)),
        })
    }

    /// The settings it was opened with.
    pub fn settings(&self) -> &AccessSettings {
        &self.settings
    }

    /// Checks that the file as it is now may replace the configuration in effect.
    ///
    /// # Errors
    /// When it cannot be used, or would take protection away without saying so.
    pub fn check_file(&self) -> Result<(), WebConfigError> {
        let Some(path) = &self.settings.config_file else { return Ok(()) };
        ActiveConfig::read(path, &mut Vec::new())
            .and_then(|it| self.unless_less_protected(path, it))
            .map(|_| ())
    }

    pub(super) fn active(&self) -> Arc<ActiveConfig> {
        Arc::clone(&self.active.borrow())
    }

    /// Changes when another configuration takes effect.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<ActiveConfig>> {
        self.active.subscribe()
    }

    pub(super) fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    /// Takes a token of the rate limit, or returns the wait for the next one.
    pub(super) fn take_token(&self, active: &ActiveConfig) -> Result<(), Duration> {
        let Some(limit) = active.config.rate_limit else { return Ok(()) };
        let now = Instant::now();
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *limiter {
            Some((current, bucket)) if *current == limit => bucket.take(now),
            other => {
                let mut bucket = TokenBucket::new(limit.interval, limit.burst, now);
                let taken = bucket.take(now);
                *other = Some((limit, bucket));
                taken
            }
        }
    }

    /// Takes a token of a client, or returns the wait for the next one; with `rate_limit` in the file, only that limit applies.
    /// Loopback is exempt: a proxy on this host speaks for many clients.
    pub(super) fn take_client_token(&self, active: &ActiveConfig, address: IpAddr) -> Result<(), Duration> {
        let Some(client) = remote_client(address).filter(|_| active.config.rate_limit.is_none()) else {
            return Ok(());
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.take(client, Instant::now())
    }

    /// Looks for changes until it is dropped. Where there is no file, it waits for ever.
    pub(super) async fn follow(self: Arc<Self>, status: Arc<WebConfigStatus>, now: fn() -> Timestamp) {
        if self.settings.config_file.is_none() {
            return;
        }
        status.record_start(now());
        let mut ticks = interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let (own, status) = (Arc::clone(&self), Arc::clone(&status));
            // A disk that hangs must not stop the server.
            let _ = tokio::task::spawn_blocking(move || own.reload_if_changed(&status, now)).await;
        }
    }

    /// Reads the file again if it or a certificate has changed since it was last read.
    fn reload_if_changed(&self, status: &WebConfigStatus, now: fn() -> Timestamp) {
        let Some(path) = &self.settings.config_file else { return };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.iter().all(|it| *it == FileFingerprint::of(&it.path)) {
            return;
        }
        match ActiveConfig::read(path, &mut seen).and_then(|it| self.unless_less_protected(path, it)) {
            Ok(active) => {
                active.warn_of_ignored(path);
                self.active.send_replace(Arc::new(active));
                status.record(Some(now()));
                tracing::info!(file = %path.display(), "web configuration file reloaded");
            }
            Err(problem) => {
                status.record(None);
                tracing::warn!(%problem, "reload of the web configuration file failed; keeping the current one");
            }
        }
    }

    /// A changed configuration, unless it may be half of a file that is still being written and would open the host.
    fn unless_less_protected(
        &self,
        path: &Path,
        changed: ActiveConfig,
    ) -> Result<ActiveConfig, WebConfigError> {
        match lost_protection(&self.active().config, &changed.config) {
            None => Ok(changed),
            Some(reason) => Err(WebConfigError { path: path.to_owned(), line: None, reason }),
        }
    }
}

impl FileFingerprint {
    fn of(path: &Path) -> Self {
        let state = std::fs::metadata(path).ok().map(|it| (it.modified().ok(), it.len(), identity(&it)));
        Self { path: path.to_owned(), state }
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> [i128; 3] {
    use std::os::unix::fs::MetadataExt;
    let changed_at = i128::from(metadata.ctime()) * 1_000_000_000 + i128::from(metadata.ctime_nsec());
    [metadata.dev().into(), metadata.ino().into(), changed_at]
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> [i128; 3] {
    [0; 3]
}
