//! Reads a host's history from other servers: Prometheus and compatible servers, and InfluxDB 1.x.
//!
//! A server is queried in steps of one point for hostnorm's raw metrics, under the server's names ([`Mapping`]). Its answer
//! becomes readings, and the signals of a live host turn each pair of readings into a point. So signals are defined once.
//!
//! Metrics and signals are passed in; this module knows no source.

use std::fmt;

use crate::duration::HumanDuration;
use crate::metric::Metric;
use crate::reading::Timestamp;
use crate::signal::Signal;
use crate::window::Point;

mod fetch_error;
mod history_source;
mod server_connection;
mod http_client;
mod mapping;
mod time_chunks;
mod series;
mod prometheus;
mod influx;
mod to_points;
mod unit_check;
mod min_history;
mod fetch;
mod settings;

pub use fetch_error::FetchError;
pub use history_source::{HistorySource, HistorySourceError, ServerAddress, ServerKind};
pub use mapping::{Mapping, MappingError, SHIPPED};
pub use min_history::{POINTS_NEEDED, TooLittleHistory};
pub use server_connection::{ConnectionError, ServerConnection};
pub use settings::BackfillSettings;
pub use unit_check::{UnitCheck, UnitError};

/// Shortest backfill: with less there are too few points to learn from.
pub const LOOKBACK_MIN: HumanDuration = HumanDuration::minutes(60);
/// Longest backfill: the default retention of points.
pub const LOOKBACK_MAX: HumanDuration = HumanDuration::days(90);

/// What is wanted of a server.
#[derive(Debug, Clone)]
pub struct HistoryRequest<'a> {
    /// Metrics that the mapping may fill.
    pub metrics: &'a [&'static Metric],
    /// Signals that are made of them, in the order of the points' values.
    pub signals: &'a [&'static Signal],
    /// Seconds that a point stands for.
    pub step: HumanDuration,
    /// The end of the past that is asked for.
    pub until: Timestamp,
    /// How long it is.
    pub lookback: HumanDuration,
    /// The host, as the label `instance` (without its port) or Telegraf's tag `host` has it.
    pub host: Option<&'a str>,
    /// More to choose series by, in the server's language: `job="node"`, `"dc" = 'east'`.
    pub selector: Option<&'a str>,
}

/// Points of the past, and what is to be known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct FetchedHistory {
    /// In the order of time, one value for each signal that was wanted.
    pub points: Vec<Point>,
    /// Seconds between two of them; more than was asked for where the server has less.
    pub every: f64,
    /// How many points have each signal, in the order in which they were wanted.
    pub known: Vec<usize>,
    /// What else there is to say, a sentence each.
    pub remarks: Vec<String>,
}

/// What is told while a past is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FetchProgress<'a> {
    /// So many of all requests are answered.
    Done {
        /// How many.
        requests: usize,
        /// Of how many.
        of: usize,
    },
    /// The server asks for patience, or fails for now.
    Wait(&'a str),
}

/// Why there is no past.
#[derive(Debug)]
pub enum HistoryError {
    /// The server gave none.
    Server(FetchError),
    /// Numbers are not what they are taken for.
    Units(UnitError),
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(failure) => failure.fmt(f),
            Self::Units(amiss) => amiss.fmt(f),
        }
    }
}

impl std::error::Error for HistoryError {}

impl From<FetchError> for HistoryError {
    fn from(failure: FetchError) -> Self {
        Self::Server(failure)
    }
}

/// Asks a server for the past of one host.
///
/// # Errors
/// When the server gives none, or what it gives cannot be what it is taken for. Each says what would help.
pub fn read(
    address: &ServerAddress,
    access: &ServerConnection,
    mapping: &Mapping,
    wanted: &HistoryRequest<'_>,
    tell: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<FetchedHistory, HistoryError> {
    fetch::read(address, access, mapping, wanted, tell)
}
