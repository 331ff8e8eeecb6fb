//! Reloads the settings on SIGHUP.
//!
//! If any setting is invalid, all current settings stay in effect.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::cli::GlobalOptions;
use crate::clock;
use crate::config::{Config, ConfigProblems, LoadedConfig};
use crate::metric::Metric;
use crate::reading::{SubjectValues, Timestamp};

static SUCCESSFUL: Metric = Metric::gauge(
    "hostnorm_config_last_reload_successful",
    "Whether the last reload of the settings succeeded",
);
static SUCCEEDED_AT: Metric = Metric::gauge(
    "hostnorm_config_last_reload_success_timestamp_seconds",
    "Unix time of the last successful load of the settings, in seconds",
);

/// Metrics of reloads.
pub static METRICS: &[&Metric] = &[&SUCCESSFUL, &SUCCEEDED_AT];

/// The sources of the settings, and the result of the last reload.
#[derive(Debug)]
pub(super) struct SettingsReloader {
    options: GlobalOptions,
    environment: BTreeMap<OsString, OsString>,
    successful: AtomicBool,
    /// Bits of seconds since the epoch.
    succeeded_at: AtomicU64,
}

impl SettingsReloader {
    /// Reads the settings for the first time.
    ///
    /// # Errors
    /// All problems of the settings.
    pub(super) fn first(
        options: GlobalOptions,
        environment: BTreeMap<OsString, OsString>,
    ) -> Result<(Self, Config), ConfigProblems> {
        let (successful, succeeded_at) = (AtomicBool::new(true), AtomicU64::new(0));
        let reload = Self { options, environment, successful, succeeded_at };
        let config = reload.read()?;
        reload.set_status(true, clock::now());
        Ok((reload, config))
    }

    /// An environment variable of the process.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        self.environment.get(std::ffi::OsStr::new(name)).cloned()
    }

    /// Reads the settings again; returns them if they differ from those in effect.
    ///
    /// # Errors
    /// All problems of the settings, a line each.
    pub(super) fn read_again(&self, in_effect: &Config) -> Result<Option<Config>, String> {
        let mut config = self.read().map_err(|problems| problems.to_string())?;
        if config.web.systemd_socket != in_effect.web.systemd_socket {
            tracing::warn!("a change of web.systemd_socket takes effect after a restart");
            config.web.systemd_socket = in_effect.web.systemd_socket;
        }
        if config == *in_effect {
            tracing::info!("settings reloaded; nothing changed");
            return Ok(None);
        }
        if config.log != in_effect.log {
            tracing::warn!("a change of log.* takes effect after a restart");
        }
        if config.otlp != in_effect.otlp {
            tracing::warn!("a change of otlp.* takes effect after a restart");
        }
        Ok(Some(config))
    }

    /// Records whether new settings could be applied; if not, the current ones stay.
    pub(super) fn record<T>(&self, outcome: &Result<T, String>) {
        match outcome {
            Ok(_) => self.set_status(true, clock::now()),
            Err(problems) => {
                self.set_status(false, Timestamp::default());
                for problem in problems.lines() {
                    tracing::error!(problem, "reload of the settings failed; keeping the current ones");
                }
            }
        }
    }

    /// Adds the metrics of the last reload.
    pub(super) fn values(&self, values: &mut SubjectValues) {
        values.set(&SUCCESSFUL, f64::from(u8::from(self.successful.load(Ordering::Relaxed))));
        values.set(&SUCCEEDED_AT, f64::from_bits(self.succeeded_at.load(Ordering::Relaxed)));
    }

    fn read(&self) -> Result<Config, ConfigProblems> {
        self.options
            .load(self.environment.clone())
            .and_then(LoadedConfig::check_paths_exist)
            .map(|it| it.config)
    }

    fn set_status(&self, successful: bool, at: Timestamp) {
        self.successful.store(successful, Ordering::Relaxed);
        if successful {
            self.succeeded_at.store(at.0.to_bits(), Ordering::Relaxed);
        }
    }
}
