//! The times of labels and scores: they rise from row to row, and both are of the same rows.

use std::path::Path;

use super::{DatasetError, ROWS_MAX};
use crate::control_characters::one_line;
use crate::episode_text;
use crate::reading::Timestamp;
use crate::table::{RowOrder, TableProblem, TableReader, TableRow, instant, time_unit_hint};

/// Largest difference of two ways to write a time, in seconds: some detectors write milliseconds.
const WRITTEN_SECONDS: f64 = 1e-3;

/// The column with the time of each row, if a file has one.
#[derive(Debug, Default)]
pub(super) struct TimeColumn {
    place: Option<usize>,
    order: RowOrder,
    times: Vec<Timestamp>,
}

impl TimeColumn {
    pub(super) fn of(place: Option<usize>) -> Self {
        Self { place, ..Self::default() }
    }

    /// Takes the time of a row.
    pub(super) fn take(&mut self, path: &Path, line: u64, row: &[&str]) -> Result<(), DatasetError> {
        let Some(place) = self.place else { return Ok(()) };
        let wrong = |problem: TableProblem| DatasetError::at(path, line, problem.to_string());
        let cell = row.get(place).copied().unwrap_or_default();
        let at = instant(cell.as_bytes());
        let at = at.map_err(|why| wrong(TableProblem::Time { cell: cell.to_owned(), why }))?;
        self.order.take(at, line).map_err(wrong)?;
        self.times.push(at);
        Ok(())
    }

    pub(super) fn into_times(self) -> Option<Vec<Timestamp>> {
        self.place.map(|_| self.times)
    }
}

/// Passes a hint to `warn`, if the times of a file look like numbers of another unit.
pub fn warn_of_time_unit(path: &Path, times: Option<&[Timestamp]>, warn: &mut dyn FnMut(&str)) {
    if let Some([first, .., last]) = times
        && let Some(hint) = time_unit_hint(*first, *last)
    {
        warn(&format!("{}: {hint}", one_line(&path.display().to_string())));
    }
}

/// Checks that the rows of one file have the times of those of another, if both have times.
///
/// # Errors
/// At the first row whose times differ.
pub fn same_times(
    path: &Path,
    times: Option<&[Timestamp]>,
    other_path: &Path,
    other: Option<&[Timestamp]>,
) -> Result<(), DatasetError> {
    let pairs = times.into_iter().flatten().zip(other.into_iter().flatten());
    let is_other = |(_, (a, b)): &(usize, (&Timestamp, &Timestamp))| (a.0 - b.0).abs() > WRITTEN_SECONDS;
    match pairs.enumerate().find(is_other) {
        None => Ok(()),
        Some((idx, (at, other))) => Err(DatasetError::of(
            path,
            format!(
                "row {} is of {}, but of {} in {}; each label and its score need the same time",
                idx + 1,
                episode_text::instant(*at),
                episode_text::instant(*other),
                other_path.display()
            ),
        )),
    }
}

/// The rows that labels are of.
#[derive(Debug, Default)]
pub(super) struct LabeledRows {
    /// The first signal; NaN where it is missing.
    pub(super) first: Vec<f64>,
    /// The time of each row; `None` without the column `timestamp`.
    pub(super) times: Option<Vec<Timestamp>>,
}

/// Reads the rows that labels are of.
pub(super) fn labeled_rows(path: &Path) -> Result<LabeledRows, DatasetError> {
    let wrong = |it: &dyn std::fmt::Display| DatasetError::of(path, it.to_string());
    let mut table = TableReader::open(path).map_err(|it| wrong(&it.problem))?;
    let mut rows = LabeledRows { first: Vec::new(), times: table.has_time().then(Vec::new) };
    let mut row = TableRow::default();
    let line = |it: crate::table::TableError| match it.line {
        Some(line) => DatasetError::at(path, line, it.problem.to_string()),
        None => wrong(&it.problem),
    };
    while table.next_row(&mut row).map_err(line)? {
        if ROWS_MAX <= rows.first.len() {
            return Err(DatasetError::at(path, row.line, format!("more than {ROWS_MAX} rows")));
        }
        let is_missing = row.missing.first().copied().unwrap_or(true);
        let value = row.values.first().copied().filter(|_| !is_missing);
        rows.first.push(value.unwrap_or(f64::NAN));
        if let (Some(times), Some(at)) = (&mut rows.times, row.at) {
            times.push(at);
        }
    }
    Ok(rows)
}
