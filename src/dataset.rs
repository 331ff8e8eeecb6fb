//! Files in which someone says what was anomalous, and files with the scores of a detector.
//!
//! | file | holds |
//! |---|---|
//! | labels | one `0` or `1` a row, with or without the header `label` |
//! | scores | one number a row; or CSV with a column `score` and perhaps `top`, the indices of the blamed signals, the most blamed first, with `;` between |
//! | causes | lines `first-last:signals`, rows counted from 0, **signals from 1**, as the publishers of SMD have it |
//! | a folder | `manifest.json`, `labels/NAME.label`, `labels/NAME.interp`, `data/NAME.train.csv.xz` and `.test.csv.xz` |
//!
//! Each may be compressed with gzip or xz. A mistake gets a sentence with the file and the line.

use std::fmt;
use std::path::Path;

use crate::evaluate::{EvaluateError, LabeledSeries};
use crate::table::InputStream;

mod label_column;
mod series_folder;
mod root_causes;

pub use label_column::{ScoreColumn, labels, scores};
pub use root_causes::causes;
pub use series_folder::{FolderEntry, SeriesFolder};

/// The most rows that are read of a file; a year of seconds is three times as many as this.
pub const ROWS_MAX: usize = 10_000_000;

/// The most bytes that are read of a file once it is unpacked: a small file can unpack to anything.
const BYTES_MAX: u64 = 4 << 30;

/// The most bytes of a file that is kept as a whole.
const TEXT_MAX: u64 = 64 << 20;

/// Why a file is no use, in a sentence that begins with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetError {
    /// The file, and the line after a colon if it is one line's fault.
    location: String,
    /// What is wrong and what would help.
    text: String,
}

impl DatasetError {
    /// The file as a whole is wrong.
    pub fn of(path: &Path, text: impl Into<String>) -> Self {
        Self { location: path.display().to_string(), text: text.into() }
    }

    /// One line is wrong, counted from 1.
    fn at(path: &Path, line: u64, text: impl Into<String>) -> Self {
        Self { location: format!("{}:{line}", path.display()), text: text.into() }
    }
}

impl fmt::Display for DatasetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.location, self.text)
    }
}

impl std::error::Error for DatasetError {}

/// Says of the file of scores why it does not fit its labels.
pub fn misfit(scores: &Path, unfit: EvaluateError) -> DatasetError {
    DatasetError::of(scores, unfit.to_string())
}

/// One series without a folder around it.
///
/// # Errors
/// When a file is wrong, when they do not fit together, and when no row is anomalous: then there is nothing to tell.
pub fn series(
    labels_of: &Path,
    scores_of: &Path,
    per_day: f64,
    vus_window: usize,
) -> Result<LabeledSeries, DatasetError> {
    let labels = labels(labels_of)?;
    if !labels.contains(&true) {
        return Err(DatasetError::of(labels_of, "no row is labeled 1; at least one event is required"));
    }
    let name = scores_of.file_stem().unwrap_or_default().to_string_lossy();
    LabeledSeries::new(name, labels, scores(scores_of)?.scores, per_day, vus_window)
        .map_err(|it| misfit(scores_of, it))
}

/// The whole text of a file.
fn text(path: &Path) -> Result<String, DatasetError> {
    let text = InputStream::within(path, TEXT_MAX).and_then(InputStream::text);
    text.map_err(|problem| DatasetError::of(path, problem.to_string()))
}

/// The beginning of a text that is shown in a sentence.
fn shown(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    match text.char_indices().nth(SHOWN_MAX) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?} and so on", &text[..end]),
    }
}
