//! `hostnorm train --from`: reads this host's history, trains a model on it and stores both.
#![expect(clippy::disallowed_methods, reason = "writes the points it was asked for")]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::backfill::{FetchProgress, FetchedHistory, HistorySource, TooLittleHistory};
use crate::cli::{CommandExit, TrainFrom};
use crate::clock;
use crate::commands::history_import::{self, BackfillRequest};
use crate::commands::{cannot_write, open_store, overwrite_check, replay, similar_host};
use crate::config::Config;
use crate::reading::Subject;
use crate::replay::Replay;
use crate::signal::Signal;
use crate::sources;
use crate::store::{self, BackfillPoints, StoreLocation};
use crate::third_party_forest;
use crate::training::{TrainModelError, TrainedModel};

/// See [`super::run`].
pub(super) fn run(
    options: &TrainFrom,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let located = open_store::load_config_and_location(&options.options, environment);
    let trained = located.and_then(|(config, place)| match (&options.origin, &place) {
        (HistorySource::Store(from), StoreLocation::Directory(directory)) => {
            let is_plain = options.lookback.is_none() && options.host.is_none() && options.output.is_none();
            if !(is_plain && options.metrics.is_empty() && options.mapping.is_none()) {
                let text = "store: takes all of the other host; remove --lookback, --host, --metric, --mapping and --output";
                return Err(CommandExit::usage(text));
            }
            similar_host::borrow(&config, directory, from).map_err(CommandExit::failure)
        }
        (HistorySource::Store(_), _) => Err(CommandExit::usage("no store; set --storage.path")),
        _ => train(options, &config, &place),
    });
    trained.map_or_else(|exit| exit, CommandExit::success)
}

fn train(options: &TrainFrom, config: &Config, place: &StoreLocation) -> Result<String, CommandExit> {
    refuse_to_overwrite(options, place)?;
    let directory = match place {
        // Whoever wants the points as a file may look at another host, whose normal must not become that of this one.
        _ if options.output.is_some() => None,
        StoreLocation::Directory(directory) => Some(directory),
        StoreLocation::Off | StoreLocation::Unknown => {
            return Err(CommandExit::usage("no store; set --storage.path or --output"));
        }
    };
    let signals: Vec<_> = sources::host_signals(|source| config.collects(source)).collect();
    let order = BackfillRequest {
        origin: &options.origin,
        lookback: options.lookback,
        host: options.host.as_deref(),
        selector: options.selector.as_deref(),
        mapping: options.mapping.as_deref(),
        access: &options.access,
        only: &options.metrics,
        signals: &signals,
        step: config.detection.interval.times(config.detection.window),
        now: clock::now(),
    };
    let past = history_import::read(&order, &mut print_progress)?;
    let mut text = history_import::summary(&past, &signals);
    if let Some(path) = &options.output {
        let written = write(path, &past, &signals);
        written.map_err(|error| CommandExit::failure(cannot_write(path, &error)))?;
        let _ = writeln!(text, "points written to {}", path.display());
    }
    // All of a file is read, unless the option says otherwise.
    let is_limited = options.lookback.is_some() || !matches!(options.origin, HistorySource::Csv(_));
    TooLittleHistory::check(&past, &options.origin, is_limited.then_some("--lookback"))
        .map_err(|error| CommandExit::failure(format!("{text}{error}")))?;
    let model =
        model(&past, &signals, config).map_err(|error| CommandExit::failure(format!("{text}{error}")))?;
    let evaluation = &model.evaluation;
    let _ = write!(
        text,
        "trained a forest of {} trees on {} points; AUC {:.3} on injected faults",
        evaluation.trees, evaluation.rows, evaluation.auc
    );
    let _ = match evaluation.auc_reference {
        Some(peer) => writeln!(text, "; a second implementation has {peer:.3}"),
        None => writeln!(text),
    };
    if let Some(directory) = directory {
        text.push_str(&store(directory, past, signals)?);
    }
    Ok(text)
}

/// Refuses an output that is read, or a file of the store.
fn refuse_to_overwrite(options: &TrainFrom, place: &StoreLocation) -> Result<(), CommandExit> {
    let output = options.output.as_deref();
    let history = match &options.origin {
        HistorySource::Csv(path) => Some(path.as_path()),
        _ => None,
    };
    let others = [options.mapping.as_deref(), options.options.file.as_deref()];
    overwrite_check::refuse(output, history.into_iter().chain(others.into_iter().flatten()))?;
    place.directory().map_or(Ok(()), |directory| overwrite_check::refuse_in_store(output, directory))
}

/// Trains on all points as a check. The next start trains again, in a tenth of a second.
fn model(
    past: &FetchedHistory,
    signals: &[&'static Signal],
    config: &Config,
) -> Result<TrainedModel, TrainModelError> {
    let settings = replay::settings(&config.detection, past.every);
    let mut learned = Replay::new(signals.iter().map(|it| it.floor).collect(), &settings);
    for point in &past.points {
        learned.step(Some(point.at), &point.values, &point.missing)?;
    }
    third_party_forest::train(&learned.training_set(), &settings.training, settings.seed, &mut || ())
}

/// Stores the points for the next start.
fn store(
    directory: &Path,
    past: FetchedHistory,
    signals: Vec<&'static Signal>,
) -> Result<String, CommandExit> {
    let history = BackfillPoints { subject: Subject::Host, signals, points: past.points };
    let imported = store::import(directory, &history).map_err(|error| match error.is_locked() {
        true => CommandExit::failure(format!(
            "a running hostnorm writes to {}; stop it, train, and start it again",
            directory.display()
        )),
        false => CommandExit::failure(error.to_string()),
    })?;
    let mut text =
        format!("{} points stored in {}, used from the next start\n", imported.written, directory.display());
    if imported.overlapping > 0 {
        let _ = writeln!(text, "{} points skipped: hostnorm has its own for that time", imported.overlapping);
    }
    Ok(text)
}

/// Prints the progress.
fn print_progress(note: FetchProgress<'_>) {
    match note {
        FetchProgress::Done { requests, of } => super::progress(requests, of, "answers"),
        FetchProgress::Wait(why) => {
            // A closed pipe is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{why}");
        }
    }
}

/// Writes the points in the format of `hostnorm export points`.
fn write(path: &Path, past: &FetchedHistory, signals: &[&'static Signal]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let names: Vec<_> = signals.iter().map(|it| it.name).collect();
    writeln!(file, "timestamp,{}", names.join(","))?;
    for point in &past.points {
        write!(file, "{}", point.at.0)?;
        for (value, missing) in point.values.iter().zip(&point.missing) {
            if *missing { write!(file, ",")? } else { write!(file, ",{value}")? }
        }
        writeln!(file)?;
    }
    file.flush()
}
