//! `hostnorm train --search`: evaluates a grid of settings on a history and recommends one.
#![expect(
    clippy::disallowed_methods,
    reason = "writes the settings file it was asked for, and works on all cores"
)]

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cli::{self, CommandExit};
use crate::commands::replay::table_input::TableInput;
use crate::commands::replay::{every, floors, settings};
use crate::commands::{cannot_write, overwrite_check};
use crate::config::DetectionSettings;
use crate::settings_search::{
    CELLS_MAX, CombinationResult, HistoryPart, HistoryTable, SettingsCombination, SettingsSearch, choose,
    grid,
};
use crate::table::TableRow;
use crate::training::TrainModelError;

mod output;

/// Largest number of threads; more hardly shorten a search, and each holds a replay.
const THREADS_MAX: usize = 16;

/// Searches. Exit code 0; 64 for an invalid command line; 1 for an unsuitable history, or a file that cannot be
/// written.
pub(super) fn run(options: &cli::TrainSearch) -> CommandExit {
    search(options).map_or_else(|exit| exit, CommandExit::success)
}

/// Result of a search.
struct SettingsSearchResult {
    every: f64,
    tried: Vec<(SettingsCombination, CombinationResult)>,
    chosen: usize,
    /// Results of the default and of the chosen combination on the test part.
    test: [CombinationResult; 2],
    parts: [usize; 3],
    faults: (usize, usize),
}

fn search(options: &cli::TrainSearch) -> Result<String, CommandExit> {
    overwrite_check::refuse(options.output.as_deref(), [&*options.history])?;
    let mut feed = TableInput::open(&options.history)?;
    if let Some(hint) = feed.unlikely_times_hint() {
        // A closed pipe is no failure.
        let _ = writeln!(std::io::stderr(), "{hint}");
    }
    let every = every(options.every, std::iter::once(&feed))?;
    let history = read(&mut feed)?;
    let defaults = DetectionSettings::default();
    let wrong = |what: String| CommandExit::failure(format!("{}: {what}", feed.name()));
    let search = SettingsSearch::new(history, &settings(&defaults, every), options.seed);
    let search = search.map_err(|error| wrong(error.to_string()))?;
    let combinations = grid(of(&defaults), options.full);
    let worths = all(&search, &combinations).map_err(|error| wrong(error.to_string()))?;
    let chosen = choose(&worths);
    let test = |idx: usize| {
        search
            .evaluate_combination(&combinations[idx], HistoryPart::Test)
            .map_err(|error| wrong(error.to_string()))
    };
    let default = test(0)?;
    let best = if chosen == 0 { default.clone() } else { test(chosen)? };
    let found = SettingsSearchResult {
        every,
        tried: combinations.into_iter().zip(worths).collect(),
        chosen,
        test: [default, best],
        parts: search.parts(),
        faults: search.faults(),
    };
    if let Some(output) = &options.output {
        let text = output::file(&found, options);
        let written = std::fs::write(output, text);
        written.map_err(|error| CommandExit::failure(cannot_write(output, &error)))?;
    }
    Ok(output::all(&found, options))
}

/// The default as a combination.
fn of(defaults: &DetectionSettings) -> SettingsCombination {
    let training = crate::commands::training(defaults);
    SettingsCombination {
        trees: training.trees,
        sample_size: training.sample_size,
        half_life: defaults.half_life.as_seconds(),
        smoothing: defaults.smoothing,
        window: 1,
    }
}

/// Reads the whole table.
fn read(feed: &mut TableInput) -> Result<HistoryTable, CommandExit> {
    let columns = feed.columns().to_vec();
    let floors = floors(&columns);
    let mut history = HistoryTable::new(columns, floors);
    let mut row = TableRow::default();
    while feed.next(&mut row)? {
        if !history.push(row.at, &row.values, &row.missing) {
            let what = format!("the table is too large to search; the maximum is {CELLS_MAX} cells");
            return Err(feed.wrong(row.line, &what));
        }
    }
    Ok(history)
}

/// Measures all combinations, on all CPUs.
fn all(
    search: &SettingsSearch,
    combinations: &[SettingsCombination],
) -> Result<Vec<CombinationResult>, TrainModelError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut found = Vec::new();
        loop {
            let idx = next.fetch_add(1, Ordering::Relaxed);
            let Some(combination) = combinations.get(idx) else { return found };
            found.push((idx, search.evaluate_combination(combination, HistoryPart::Validation)));
            super::progress(done.fetch_add(1, Ordering::Relaxed) + 1, combinations.len(), "combinations");
        }
    };
    let mut found = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            // Where the system starts no more threads, fewer do the work.
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, work).ok())
            .collect();
        let mut found = work();
        for other in others {
            match other.join() {
                Ok(more) => found.extend(more),
                // A panic of the thread continues here.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        found
    });
    found.sort_by_key(|(idx, _)| *idx);
    found.into_iter().map(|(_, worth)| worth).collect()
}
