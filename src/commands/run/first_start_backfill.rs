//! Runs the backfill at the first start, on its own thread.

use std::path::{Path, PathBuf};

use crate::backfill::{BackfillSettings, FetchProgress, HistorySource, TooLittleHistory};
use crate::clock;
use crate::commands::history_import::{self, BackfillRequest};
use crate::commands::similar_host;
use crate::config::Config;
use crate::duration::HumanDuration;
use crate::reading::Subject;
use crate::sampler::SamplerHandle;
use crate::signal::Signal;
use crate::sources;
use crate::store::BackfillPoints;
use crate::url_credentials::without_credentials;

/// A backfill that is due.
#[derive(Debug)]
pub(super) struct PendingBackfill {
    settings: BackfillSettings,
    signals: Vec<&'static Signal>,
    step: HumanDuration,
}

/// The backfill, if the settings name a server.
pub(super) fn due(config: &Config) -> Option<PendingBackfill> {
    let settings = config.backfill.clone();
    if settings.from.is_empty() || named_store(config).is_some() {
        return None;
    }
    let signals = sources::host_signals(|source| config.collects(source)).collect();
    let step = config.detection.interval.times(config.detection.window);
    Some(PendingBackfill { settings, signals, step })
}

/// The store of a similar host to start from, if the settings name one.
fn named_store(config: &Config) -> Option<PathBuf> {
    match config.backfill.from.parse() {
        Ok(HistorySource::Store(path)) => Some(path),
        _ => None,
    }
}

/// Borrows from a similar host at the first start, before the store opens.
pub(super) fn borrow(config: &Config, directory: &Path) {
    let Some(from) = named_store(config).filter(|_| !similar_host::is_borrowed(directory)) else { return };
    match similar_host::borrow(config, directory, &from) {
        Ok(done) => tracing::info!(done, "warm start from a similar host"),
        Err(reason) => tracing::warn!(reason, "warm start failed; learning from live data"),
    }
}

impl PendingBackfill {
    /// Queries the server on a separate thread, because it may block for minutes; the loop learns the result.
    pub(super) fn start(self, handle: SamplerHandle) {
        let job = move || {
            let Self { settings, signals, step } = self;
            handle.learn_backfill(ask(&settings, signals, step));
        };
        if let Err(error) = std::thread::Builder::new().name("backfill".to_owned()).spawn(job) {
            tracing::warn!(%error, "backfill failed; learning from live data");
        }
    }
}

/// A text, or `None` if it is empty.
fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn ask(
    settings: &BackfillSettings,
    signals: Vec<&'static Signal>,
    step: HumanDuration,
) -> Result<BackfillPoints, String> {
    let origin: HistorySource = settings.from.parse().map_err(|error| format!("backfill.from {error}"))?;
    let order = BackfillRequest {
        origin: &origin,
        lookback: Some(settings.lookback),
        host: given(&settings.host),
        selector: given(&settings.selector),
        mapping: (!settings.mapping.as_os_str().is_empty()).then_some(&*settings.mapping),
        access: &settings.connection,
        only: &[],
        signals: &signals,
        step,
        now: clock::now(),
    };
    let mut tell = |note: FetchProgress<'_>| {
        if let FetchProgress::Wait(why) = note {
            tracing::info!(why, "backfill waits");
        }
    };
    let past = history_import::read(&order, &mut tell).map_err(|exit| exit.text)?;
    TooLittleHistory::check(&past, &origin, Some("backfill.lookback")).map_err(|error| {
        let remarks: String = past.remarks.iter().map(|it| format!("; {it}")).collect();
        format!("{}: {error}{remarks}", without_credentials(&settings.from))
    })?;
    let found = history_import::summary(&past, &signals).trim_end().replace('\n', "; ");
    tracing::info!(found, "backfill found");
    Ok(BackfillPoints { subject: Subject::Host, signals, points: past.points })
}
