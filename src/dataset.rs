//! Files with labels of anomalous rows, and files with the scores of a detector.
//!
//! | file | content |
//! |---|---|
//! | labels | one `0` or `1` per row; or CSV with a column `label` |
//! | scores | one number per row; or CSV with a column `score` and optionally `top`, the indices of the signals by descending contribution, separated by `;` |
//! | causes | lines `first-last:signals`, rows counted from 0, **signals from 1**, as in SMD |
//! | a directory | `manifest.json`, `labels/NAME.label`, `labels/NAME.interp`, `data/NAME.train.csv.xz` and `.test.csv.xz` |
//!
//! A column `timestamp` of labels or scores has the time of each row. Times rise from row to row, and labels and scores have the
//! same ones. Each file may be compressed with gzip or xz. Errors name the file and the line.

use std::fmt;
use std::path::Path;

use crate::evaluate::{LabeledSeries, LabeledSeriesError};
use crate::table::InputStream;

mod each_row;
mod label_and_score_columns;
mod row_times;
mod series_folder;
mod root_causes;

pub use label_and_score_columns::{LabelColumn, ScoreColumn, labels, scores};
pub use root_causes::causes;
pub use row_times::{same_times, warn_of_time_unit};
pub use series_folder::{ManifestEntry, SeriesFolder};

/// Largest number of rows of a file; a year of seconds has three times as many.
pub const ROWS_MAX: usize = 10_000_000;

/// Largest uncompressed size of a file, as protection against decompression bombs.
const BYTES_MAX: u64 = 4 << 30;

/// Largest file that is read as a whole.
const TEXT_MAX: u64 = 64 << 20;

/// Why a file is invalid, in a sentence that starts with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetError {
    /// The file, and the line if one line is invalid.
    location: String,
    /// The problem, and what to do.
    text: String,
}

impl DatasetError {
    /// An error of the whole file.
    pub fn of(path: &Path, text: impl Into<String>) -> Self {
        Self { location: path.display().to_string(), text: text.into() }
    }

    /// An error of one line, counted from 1.
    fn at(path: &Path, line: u64, text: impl Into<String>) -> Self {
        Self { location: format!("{}, line {line}", path.display()), text: text.into() }
    }
}

impl fmt::Display for DatasetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.text)
    }
}

impl std::error::Error for DatasetError {}

/// An error of a file with scores that do not match its labels.
pub fn misfit(scores: &Path, unfit: LabeledSeriesError) -> DatasetError {
    DatasetError::of(scores, unfit.to_string())
}

/// Reads one series outside a dataset directory. `warn` gets a sentence about each file whose times look like something else.
///
/// # Errors
/// If a file is invalid, if the files do not match, or if no row is anomalous.
pub fn series(
    labels_of: &Path,
    scores_of: &Path,
    per_day: f64,
    vus_window: usize,
    warn: &mut dyn FnMut(&str),
) -> Result<LabeledSeries, DatasetError> {
    let LabelColumn { labels, times } = labels(labels_of)?;
    warn_of_time_unit(labels_of, times.as_deref(), warn);
    if !labels.contains(&true) {
        return Err(DatasetError::of(labels_of, "no row is labeled 1; at least one event is required"));
    }
    let name = scores_of.file_stem().unwrap_or_default().to_string_lossy();
    let scores = scores(scores_of)?;
    warn_of_time_unit(scores_of, scores.times.as_deref(), warn);
    same_times(scores_of, scores.times.as_deref(), labels_of, times.as_deref())?;
    LabeledSeries::new(name, labels, scores.scores, per_day, vus_window).map_err(|it| misfit(scores_of, it))
}

/// The whole text of a file.
fn text(path: &Path) -> Result<String, DatasetError> {
    let text = InputStream::within(path, TEXT_MAX).and_then(InputStream::text);
    text.map_err(|problem| DatasetError::of(path, problem.to_string()))
}

/// The start of a text, for messages.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?} and so on", &text[..end]),
    }
}
