//! `hostnorm replay`: scores the rows of a table as on a live host.

use std::ffi::OsString;
use std::io::Write;

use super::overwrite_check;
use crate::cli::{self, CommandExit};
use crate::config::{Config, DetectionSettings, LoadedConfig};
use crate::duration::HumanDuration;
use crate::forecast::FILLING_SIGNALS;
use crate::host_time_zone;
use crate::replay::{Replay, ReplaySettings};
use crate::sources;
use crate::table::{INTERVAL_RATIO_MAX, ROWS_MIN, ScoreDetail, ScoreWriter, ScoresError, TableRow};
use crate::time_zone::TimeZone;

pub(super) mod table_input;
mod labeled_scores;
mod history_from_store;
mod scored_row_builder;

use labeled_scores::LabeledScores;
use scored_row_builder::ScoredRowBuilder;
use table_input::TableInput;

/// Learns the history, then scores the input row by row. Exit code 0; 64 for an invalid command line or invalid
/// settings; 1 for an invalid table, after the scores of the rows before the problem. If scores go to standard output,
/// the metrics go to `aside`.
pub fn run(
    options: &cli::ReplayArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    aside: &mut dyn Write,
) -> CommandExit {
    let settings = &options.options;
    let loaded = match LoadedConfig::new(settings.file.as_deref(), environment, settings.flags.clone()) {
        Ok(loaded) => loaded,
        Err(problems) => return CommandExit::usage(problems.to_string()),
    };
    match replay(options, &loaded.config, aside) {
        Err(exit) => exit,
        Ok(figures) if options.output.as_deref().is_some_and(|it| it.as_os_str() != "-") => {
            CommandExit::success(figures)
        }
        Ok(figures) => {
            // A closed pipe is no failure.
            let _ = aside.write_all(figures.as_bytes());
            CommandExit::success("")
        }
    }
}

/// The settings for rows with this interval in seconds, in UTC.
pub fn settings(detection: &DetectionSettings, every: f64) -> ReplaySettings {
    ReplaySettings {
        every,
        threshold: detection.threshold,
        alert_level: detection.alert_level,
        budget: detection.budget,
        alert_on_recurrence: detection.alert_on_recurrence,
        detectors: detection.detector_settings(),
        resolve: super::release(detection),
        smoothing: detection.smoothing,
        half_life: detection.half_life.as_seconds(),
        anomaly_learning_weight: detection.anomaly_learning_weight,
        retrain_interval: detection.retrain_interval.as_seconds(),
        training: super::training(detection),
        seed: detection.seed,
        time_zone: TimeZone::default(),
    }
}

/// Which columns are named as signals that can be full.
pub fn fills(columns: &[String]) -> Vec<bool> {
    columns.iter().map(|it| FILLING_SIGNALS.contains(&it.as_str())).collect()
}

/// The noise floor of each column: that of the signal with the same name, or 0.
pub fn floors(columns: &[String]) -> Vec<f64> {
    let floor = |name: &String| sources::signal(name).map(|it| it.floor);
    columns.iter().map(|it| floor(it).unwrap_or_default()).collect()
}

/// Replays the tables; returns metrics if there are labels.
fn replay(options: &cli::ReplayArgs, config: &Config, aside: &mut dyn Write) -> Result<String, CommandExit> {
    let output = options.output.as_deref().filter(|it| it.as_os_str() != "-");
    let read = [options.history.as_deref(), Some(&options.input), options.labels.as_deref()];
    overwrite_check::refuse(output, read.into_iter().chain([options.options.file.as_deref()]).flatten())?;
    if let Some(directory) = &options.state {
        overwrite_check::refuse_in_store(output, directory)?;
    }
    let mut warn = |hint: &str| {
        // A closed pipe is no failure.
        let _ = writeln!(aside, "{hint}");
    };
    let mut labeled = options.labels.as_deref().map(|it| LabeledScores::open(it, &mut warn)).transpose()?;
    let history = options.history.as_deref().map(TableInput::open).transpose()?;
    let mut input = TableInput::open(&options.input)?;
    for hint in history.iter().chain([&input]).filter_map(TableInput::unlikely_times_hint) {
        warn(&hint);
    }
    if let Some(history) = &history {
        history.fits(&input)?;
    }
    let every = every(options.every, history.iter().chain([&input]))?;
    // The host of a table may be elsewhere, so its zone is UTC unless the setting says otherwise.
    let time_zone = match config.detection.time_zone.as_str() {
        "" => TimeZone::default(),
        name => host_time_zone::read(&config.path.rootfs, name).map_err(CommandExit::failure)?,
    };
    let settings = ReplaySettings { time_zone, ..settings(&config.detection, every) };
    let mut replay = Replay::new(floors(input.columns()), &settings).with_filling(&fills(input.columns()));
    let rows_min = match (history, &options.state) {
        (None, None) => ROWS_MIN,
        (None, Some(directory)) => {
            history_from_store::learn(directory, &mut replay, &input)?;
            1
        }
        (Some(history), _) => {
            learn(history, &mut replay, &mut input)?;
            1
        }
    };
    // Created only now, so that an invalid history does not overwrite earlier scores.
    let created = ScoreWriter::create(options.output.as_deref(), options.detail);
    let mut scores = created.map_err(|error| CommandExit::failure(error.to_string()))?;
    let walked = walk(&mut input, &mut replay, &mut scores, options.detail, labeled.as_mut());
    // The rows before an invalid one have their scores.
    let written = scores.flush();
    match walked.and_then(|()| written.map_err(ReplayStop::Scores)) {
        Ok(()) => {
            input.conclude(rows_min)?;
            labeled.map_or(Ok(String::new()), |it| it.figures(input.name(), every))
        }
        // The reader of a pipe may close it early.
        Err(ReplayStop::Scores(error)) if error.is_closed() => Ok(String::new()),
        Err(ReplayStop::Scores(error)) => Err(CommandExit::failure(error.to_string())),
        Err(ReplayStop::Table(exit)) => Err(exit),
    }
}

/// Why scoring stopped before the end of the table.
enum ReplayStop {
    /// The table is invalid.
    Table(CommandExit),
    /// The scores cannot be written.
    Scores(ScoresError),
}

/// Scores all rows of the input and writes the results.
fn walk(
    input: &mut TableInput,
    replay: &mut Replay,
    scores: &mut ScoreWriter,
    detail: ScoreDetail,
    mut labeled: Option<&mut LabeledScores>,
) -> Result<(), ReplayStop> {
    let mut row = TableRow::default();
    let mut output_row = ScoredRowBuilder::default();
    while input.next(&mut row).map_err(ReplayStop::Table)? {
        let judged = replay.step(row.at, &row.values, &row.missing);
        let judged = judged.map_err(|error| ReplayStop::Table(input.wrong(row.line, &error.to_string())))?;
        if let Some(labeled) = &mut labeled {
            labeled.add(row.at, judged.score.as_ref().map(|it| it.held), row.values.first().copied());
        }
        scores.push(&output_row.of(&judged, detail)).map_err(ReplayStop::Scores)?;
    }
    Ok(())
}

/// Learns all rows of the history, which precedes `input`.
fn learn(mut history: TableInput, replay: &mut Replay, input: &mut TableInput) -> Result<(), CommandExit> {
    let mut row = TableRow::default();
    while history.next(&mut row)? {
        let judged = replay.step(row.at, &row.values, &row.missing);
        judged.map_err(|error| history.wrong(row.line, &error.to_string()))?;
    }
    history.conclude(ROWS_MIN)?;
    input.follow(&history);
    Ok(())
}

/// The interval of rows in seconds: the given one, or that of the first table with timestamps. Tables with a very
/// different interval are refused.
pub(super) fn every<'a>(
    said: Option<HumanDuration>,
    feeds: impl Iterator<Item = &'a TableInput>,
) -> Result<f64, CommandExit> {
    let mut found = said.map(|it| (it.as_seconds(), "--every says".to_owned()));
    for feed in feeds {
        let Some(apart) = feed.apart() else {
            if found.is_none() {
                return Err(feed.unknown_interval_error());
            }
            continue;
        };
        match &found {
            None => found = Some((apart, format!("{} has it", feed.name()))),
            Some((seconds, whose)) => {
                if !(1.0 / INTERVAL_RATIO_MAX..=INTERVAL_RATIO_MAX).contains(&(apart / seconds)) {
                    let (apart, seconds) = (HumanDuration::nearest(apart), HumanDuration::nearest(*seconds));
                    return Err(CommandExit::failure(format!(
                        "{}: rows are {apart} apart by their timestamps, not {seconds} as {whose}",
                        feed.name()
                    )));
                }
            }
        }
    }
    found.map(|it| it.0).ok_or_else(|| CommandExit::usage("error: the table is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_named_as_signals_have_their_noise_floors() {
        let signal = sources::signals(|_| true).find(|it| it.floor > 0.0).unwrap();
        assert_eq!(floors(&[signal.name.to_owned(), "cpu_r".to_owned()]), [signal.floor, 0.0]);
    }

    #[test]
    fn columns_of_the_labeled_sets_are_no_signals() {
        let manifest: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/quality/manifest.json")).unwrap();
        let mut count = 0;
        for series in manifest["series"].as_array().unwrap() {
            for name in series["metrics"].as_array().unwrap() {
                assert_eq!(floors(&[name.as_str().unwrap().to_owned()]), [0.0], "{name}");
                count += 1;
            }
        }
        assert!(count > 100, "{count}");
    }
}
