//! Reads a host's history from a file or a server, for `train --from` and for the first start.

use std::path::Path;

use crate::backfill::{
    self, FetchProgress, FetchedHistory, HistorySource, MetricNameMapping, RemoteHistoryQuery,
};
use crate::cli::CommandExit;
use crate::duration::HumanDuration;
use crate::reading::Timestamp;
use crate::remote::ServerConnection;
use crate::signal::Signal;
use crate::sources;

mod csv_history;

/// Default length of the history from a server.
const LOOKBACK: HumanDuration = HumanDuration::days(1);
/// Smallest similarity for suggesting a name; as for settings.
const SIMILARITY_MIN: f64 = 0.7;

/// A request for a history.
#[derive(Debug)]
pub(super) struct BackfillRequest<'a> {
    /// Its source.
    pub(super) origin: &'a HistorySource,
    /// Length of the history.
    pub(super) lookback: Option<HumanDuration>,
    /// How the server names the host.
    pub(super) host: Option<&'a str>,
    /// Further conditions on series.
    pub(super) selector: Option<&'a str>,
    /// Mapping file, unless it is the built-in one.
    pub(super) mapping: Option<&'a Path>,
    /// Credentials and TLS options.
    pub(super) access: &'a ServerConnection,
    /// Signals to use; all if empty.
    pub(super) only: &'a [String],
    /// All signals, in the order of the points' values.
    pub(super) signals: &'a [&'static Signal],
    /// Length of a point.
    pub(super) step: HumanDuration,
    /// The present.
    pub(super) now: Timestamp,
}

/// Reads a history. Signals that are not requested are missing in all points.
pub(super) fn read(
    order: &BackfillRequest<'_>,
    tell: &mut dyn FnMut(FetchProgress<'_>),
) -> Result<FetchedHistory, CommandExit> {
    let unwanted = unwanted(order)?;
    let mut past = match order.origin {
        HistorySource::Csv(path) => csv_history::read(path, order)?,
        HistorySource::Store(_) => {
            return Err(CommandExit::usage("the store of another host has no history of this one"));
        }
        HistorySource::Server(address) => {
            let metrics: Vec<_> = sources::metrics().collect();
            let mapping = match order.mapping {
                None => MetricNameMapping::shipped(&metrics),
                Some(path) => MetricNameMapping::read(path, &metrics),
            };
            let mapping = mapping.map_err(|error| CommandExit::usage(error.to_string()))?;
            let wanted = RemoteHistoryQuery {
                metrics: &metrics,
                signals: order.signals,
                step: order.step,
                until: order.now,
                lookback: order.lookback.unwrap_or(LOOKBACK),
                host: order.host,
                selector: order.selector,
            };
            backfill::read(address, order.access, &mapping, &wanted, tell)
                .map_err(|error| CommandExit::failure(error.to_string()))?
        }
    };
    for idx in unwanted {
        past.known[idx] = 0;
        for point in &mut past.points {
            (point.values[idx], point.missing[idx]) = (0.0, true);
        }
    }
    Ok(past)
}

/// The indices of signals that are not requested.
fn unwanted(order: &BackfillRequest<'_>) -> Result<Vec<usize>, CommandExit> {
    for name in order.only {
        if order.signals.iter().all(|it| it.name != name) {
            let similarities = order.signals.iter().map(|it| (strsim::jaro(it.name, name), it.name));
            let nearest = similarities
                .max_by(|one, other| one.0.total_cmp(&other.0))
                .filter(|it| it.0 >= SIMILARITY_MIN);
            let hint = nearest.map(|(_, it)| format!("; did you mean {it}?")).unwrap_or_default();
            return Err(CommandExit::usage(format!("--metric {name:?} is not a signal{hint}")));
        }
    }
    let is_unwanted = |it: &Signal| !order.only.is_empty() && order.only.iter().all(|name| it.name != name);
    Ok((0..order.signals.len()).filter(|idx| is_unwanted(order.signals[*idx])).collect())
}

/// A summary of the history and of missing signals.
pub(super) fn summary(past: &FetchedHistory, signals: &[&'static Signal]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    if let (Some(first), Some(last)) = (past.points.first(), past.points.last()) {
        let instant = crate::episode_text::instant;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} points, {} apart, from {} to {}",
            past.points.len(),
            HumanDuration::nearest(past.every),
            instant(first.at),
            instant(last.at)
        );
    }
    for remark in &past.remarks {
        let _ = writeln!(text, "{remark}");
    }
    let without: Vec<_> =
        signals.iter().zip(&past.known).filter(|(_, known)| **known == 0).map(|(it, _)| it.name).collect();
    if !without.is_empty() {
        let _ = writeln!(text, "without data: {}", without.join(", "));
    }
    text
}
