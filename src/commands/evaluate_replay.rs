//! Scores labeled series by replay: learns the train part and scores the test part row by row.

use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::replay::{floors, settings};
use crate::cli::CommandExit;
use crate::config::DetectionSettings;
use crate::dataset::{self, DatasetError, ManifestEntry, ScoreColumn, SeriesFolder};
use crate::duration::HumanDuration;
use crate::evaluate::{LabeledSeries, LevelRows};
use crate::reading::Timestamp;
use crate::replay::Replay;
use crate::simulate::{DefectInjector, SignalRanges, TableDefect};
use crate::table::{TableReader, TableRow};

/// Scores the series of a set with these settings, in the manifest's order, in parallel on all CPUs. Labeled rows
/// have the defect, the rows for learning do not.
///
/// # Errors
/// The first problem of a file.
pub(super) fn set(
    folder: &SeriesFolder,
    set: &str,
    detection: &DetectionSettings,
    defect: TableDefect,
) -> Result<Vec<LabeledSeries>, CommandExit> {
    let entries: Vec<&ManifestEntry> = folder.of_set(set).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let idx = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(idx) else { return done };
            // Each series has its own seed, independent of the other series.
            let seed = detection.seed.wrapping_add(idx as u64);
            done.push((idx, series(folder, entry, detection, defect, seed)));
        }
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(entries.len());
    let mut done: Vec<(usize, Result<LabeledSeries, CommandExit>)> = thread::scope(|scope| {
        // Where the system starts no more threads, fewer do the work.
        let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..threads).filter_map(start).collect();
        let mut done = work();
        let died = || vec![(0, Err(CommandExit::failure(format!("the replay of the set {set} failed"))))];
        done.extend(others.into_iter().flat_map(|it| it.join().unwrap_or_else(|_| died())));
        done
    });
    done.sort_by_key(|(idx, _)| *idx);
    let all = done.into_iter().map(|(_, series)| series).collect::<Result<Vec<_>, _>>()?;
    folder.whole(set, all).map_err(|it| wrong(&it))
}

/// Scores one series.
fn series(
    folder: &SeriesFolder,
    entry: &ManifestEntry,
    detection: &DetectionSettings,
    defect: TableDefect,
    seed: u64,
) -> Result<LabeledSeries, CommandExit> {
    let every = HumanDuration::days(1).as_seconds() / entry.per_day;
    if !every.is_finite() || every <= 0.0 {
        return Err(CommandExit::failure(format!(
            "of {}: {} rows a day are not possible",
            entry.name, entry.per_day
        )));
    }
    let rows = dataset::labels(&folder.labels(entry)).map_err(|it| wrong(&it))?.labels.len();
    let (mut train, test) = (open(&folder.train(entry))?, folder.test(entry));
    let mut replay = Replay::new(floors(train.columns()), &settings(detection, every));
    let (mut row, mut ranges, mut count) = (TableRow::default(), SignalRanges::default(), 0_u64);
    let fails = |table: &TableReader, row: &TableRow, error: &dyn std::error::Error| {
        CommandExit::failure(format!("{}, line {}: {error}", table.name(), row.line))
    };
    while train.next_row(&mut row).map_err(|it| CommandExit::failure(it.to_string()))? {
        ranges.widen(&row.values, &row.missing);
        let at = row.at.unwrap_or(Timestamp(count as f64 * every));
        replay.step(Some(at), &row.values, &row.missing).map_err(|it| fails(&train, &row, &it))?;
        count += 1;
    }
    let mut table = open(&test)?;
    if table.columns() != train.columns() {
        return Err(CommandExit::failure(format!(
            "{}: columns differ from those of {}",
            table.name(),
            train.name()
        )));
    }
    let mut injector = DefectInjector::new(defect, seed, ranges, rows);
    let (mut scores, mut tops, mut top) = (Vec::new(), Vec::new(), Vec::new());
    let (mut levels, mut times) = (LevelRows::default(), table.has_time().then(Vec::new));
    while table.next_row(&mut row).map_err(|it| CommandExit::failure(it.to_string()))? {
        if let (Some(times), Some(at)) = (&mut times, row.at) {
            times.push(at);
        }
        let ahead = injector.apply(&mut row.values, &mut row.missing);
        let at = row.at.map_or(count as f64 * every, |it| it.0) + ahead;
        let judged = replay.step(Some(Timestamp(at)), &row.values, &row.missing);
        let judged = judged.map_err(|it| fails(&table, &row, &it))?;
        count += 1;
        judged.rank(&mut top);
        levels.is_anomaly.push(judged.episode.is_some());
        levels.alert.push(judged.is_alert);
        scores.push(judged.score.as_ref().map_or(f64::NAN, |it| it.held));
        tops.push(top.iter().filter_map(|it| u16::try_from(*it).ok()).collect());
    }
    folder
        .series(entry, ScoreColumn { scores, times, top: Some(tops), levels: Some(levels) }, &test)
        .map_err(|it| wrong(&it))
}

fn open(path: &Path) -> Result<TableReader, CommandExit> {
    TableReader::open(path).map_err(|error| CommandExit::failure(error.to_string()))
}

fn wrong(problem: &DatasetError) -> CommandExit {
    CommandExit::failure(problem.to_string())
}
