//! Uses the points of a store as the history of a replay.

use std::path::Path;

use super::table_input::TableInput;
use crate::cli::CommandExit;
use crate::reading::{Subject, Timestamp};
use crate::replay::Replay;
use crate::store::{PointRow, StoreError, StoreReader, TimeRange};
use crate::table::ROWS_MIN;

/// Learns the stored points of the host from before the first row of the input, as rows with its columns.
pub(super) fn learn(directory: &Path, replay: &mut Replay, input: &TableInput) -> Result<(), CommandExit> {
    let failed = |error: &dyn std::error::Error| CommandExit::failure(error.to_string());
    let reader = StoreReader::open(directory).map_err(|it| failed(&it))?;
    let until = input.begins().unwrap_or(TimeRange::ALL.to);
    let columns = input.columns();
    let (mut learned, mut refused) = (0_u64, None);
    let mut before = f64::NEG_INFINITY;
    let mut take = |row: PointRow| -> Result<(), StoreError> {
        // After a backward clock step, a time occurs twice; the first point is learned.
        if before < row.at.0 && row.at.0 < until.0 && refused.is_none() {
            before = row.at.0;
            let (values, missing) = cells(&row, columns);
            match replay.step(Some(row.at), &values, &missing) {
                Ok(_) => learned += 1,
                Err(error) => refused = Some(error),
            }
        }
        Ok(())
    };
    let between = TimeRange { from: Timestamp(f64::NEG_INFINITY), to: until };
    let read = reader.points(between, Some(&Subject::Host), &mut take);
    read.map_err(|it: StoreError| failed(&reader.locate(it)))?;
    match refused {
        Some(error) => Err(failed(&error)),
        None if learned < ROWS_MIN => Err(CommandExit::failure(format!(
            "{}: {learned} points of the host before the first row of {}; the first score needs {ROWS_MIN}",
            directory.display(),
            input.name()
        ))),
        None => Ok(()),
    }
}

/// The values of a point in the order of the columns; columns without a signal are missing.
fn cells(row: &PointRow, columns: &[String]) -> (Vec<f64>, Vec<bool>) {
    let place = |column: &String| row.signals.iter().position(|it| it == column);
    let cell = |column: &String| match place(column) {
        Some(idx) => (row.values[idx], row.missing[idx]),
        None => (0.0, true),
    };
    columns.iter().map(cell).unzip()
}
