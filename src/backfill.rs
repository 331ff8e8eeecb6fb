//! The past of this host as other servers kept it: Prometheus and what speaks its language, and InfluxDB 1.x.
//!
//! A server is asked, step by step of one point, for hostnorm's own raw metrics under whatever names it knows them by
//! ([`Mapping`]). What it answers becomes the readings that hostnorm would have made, and the same signals as on a live
//! host turn each two of them into a point. So nothing is said twice about what a signal is.
//!
//! Which metrics and signals there are is handed in; this module knows no source.

use std::fmt;

use crate::duration::Span;
use crate::metric::Metric;
use crate::reading::Timestamp;
use crate::signal::Signal;
use crate::window::Point;

mod fetch_error;
mod origin;
mod credentials;
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

pub use credentials::{Access, AccessError};
pub use fetch_error::Failure;
pub use mapping::{Mapping, MappingError, SHIPPED};
pub use min_history::{POINTS_NEEDED, TooLittle};
pub use origin::{Address, Kind, Origin, OriginError};
pub use settings::Settings;
pub use unit_check::{Amiss, Ranges};

/// Shortest backfill: with less there are too few points to learn from.
pub const LOOKBACK_MIN: Span = Span::minutes(60);
/// Longest backfill: the default retention of points.
pub const LOOKBACK_MAX: Span = Span::days(90);

/// What is wanted of a server.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// Metrics that the mapping may fill.
    pub metrics: &'a [&'static Metric],
    /// Signals that are made of them, in the order of the points' values.
    pub signals: &'a [&'static Signal],
    /// Seconds that a point stands for.
    pub step: Span,
    /// The end of the past that is asked for.
    pub until: Timestamp,
    /// How long it is.
    pub lasting: Span,
    /// The host, as the label `instance` (without its port) or Telegraf's tag `host` has it.
    pub host: Option<&'a str>,
    /// More to choose series by, in the server's language: `job="node"`, `"dc" = 'east'`.
    pub matching: Option<&'a str>,
}

/// Points of the past, and what is to be known of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
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
pub enum Note<'a> {
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
    Server(Failure),
    /// Numbers are not what they are taken for.
    Units(Amiss),
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

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        Self::Server(failure)
    }
}

/// Asks a server for the past of one host.
///
/// # Errors
/// When the server gives none, or what it gives cannot be what it is taken for. Each says what would help.
pub fn read(
    address: &Address,
    access: &Access,
    mapping: &Mapping,
    wanted: &Wanted<'_>,
    tell: &mut dyn FnMut(Note<'_>),
) -> Result<Past, HistoryError> {
    fetch::read(address, access, mapping, wanted, tell)
}
