//! Reads a host's history from other servers: Prometheus and compatible servers, and InfluxDB 1.x.
//!
//! A server is queried in steps of one point for hostnorm's raw metrics, under the server's names ([`MetricNameMapping`]). Its answer
//! becomes readings, and the signals of a live host turn each pair of readings into a point. So signals are defined once.
//!
//! Metrics and signals are passed in; this module knows no source.

use std::fmt;

use crate::duration::HumanDuration;
use crate::metric::Metric;
use crate::reading::Timestamp;
use crate::remote::ServerConnection;
use crate::signal::Signal;
use crate::window::Point;

mod fetch_error;
mod history_source;
mod http_client;
mod mapping;
mod time_chunks;
mod fetched_series;
mod prometheus;
mod influx;
mod to_points;
mod unit_check;
mod min_history;
mod fetch;
mod settings;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use fetch_error::FetchError;
pub use history_source::{HistorySource, ParseHistorySourceError, ServerAddress, ServerKind};
pub use mapping::{MappingError, MetricNameMapping, SHIPPED};
pub use min_history::{POINTS_NEEDED, TooLittleHistory};
pub use settings::BackfillSettings;
pub use unit_check::{UnitCheck, UnitError};

/// Shortest backfill; a shorter one has too few points to learn from.
pub const LOOKBACK_MIN: HumanDuration = HumanDuration::minutes(60);
/// Longest backfill: the default retention of points.
pub const LOOKBACK_MAX: HumanDuration = HumanDuration::days(90);

/// A request for the history of one host.
#[derive(Debug, Clone)]
pub struct RemoteHistoryQuery<'a> {
    /// Metrics that the mapping may fill.
    pub metrics: &'a [&'static Metric],
    /// Signals to compute, in the order of the points' values.
    pub signals: &'a [&'static Signal],
    /// Length of a point.
    pub step: HumanDuration,
    /// End of the requested history.
    pub until: Timestamp,
    /// Length of the requested history.
    pub lookback: HumanDuration,
    /// The host, as in the label `instance` (without its port) or Telegraf's tag `host`.
    pub host: Option<&'a str>,
    /// Further conditions on series, in the server's language: `job="node"`, `"dc" = 'east'`.
    pub selector: Option<&'a str>,
}

/// Points of the history, with remarks for the user.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedHistory {
    /// Oldest first, with one value for each requested signal.
    pub points: Vec<Point>,
    /// Seconds between two points; more than requested if the server has coarser data.
    pub every: f64,
    /// Number of points with each signal, in the requested order.
    pub known: Vec<usize>,
    /// Remarks, one sentence each.
    pub remarks: Vec<String>,
}

/// Progress of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FetchProgress<'a> {
    /// Number of answered queries.
    Done {
        /// Queries answered.
        requests: usize,
        /// Queries in total.
        of: usize,
    },
    /// The server asks to wait, or fails temporarily.
    Wait(&'a str),
}

/// Why there is no history.
#[derive(Debug)]
pub enum FetchHistoryError {
    /// The server returned none.
    Server(FetchError),
    /// Values are in another unit.
    MetricUnitCheck(UnitError),
}

impl fmt::Display for FetchHistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(failure) => failure.fmt(f),
            Self::MetricUnitCheck(amiss) => amiss.fmt(f),
        }
    }
}

impl std::error::Error for FetchHistoryError {}

impl From<FetchError> for FetchHistoryError {
    fn from(failure: FetchError) -> Self {
        Self::Server(failure)
    }
}

/// Reads the history of one host from a server.
///
/// # Errors
/// If the server returns none, or values in another unit. Each error says what to do.
pub fn read(
    address: &ServerAddress,
    access: &ServerConnection,
    mapping: &MetricNameMapping,
    wanted: &RemoteHistoryQuery<'_>,
    tell: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<FetchedHistory, FetchHistoryError> {
    fetch::read(address, access, mapping, wanted, tell)
}
