//! Reads files with one row for each row of a table, of which none may be skipped.

use std::path::Path;
use std::str;

use super::{DatasetError, ROWS_MAX};
use crate::table::{COLUMNS_MAX, CsvReader, InputStream, LINE_BYTES_MAX};

/// Calls `look` with each row and its line, counted from 1. Cells are trimmed; a row has at least one cell. An empty line
/// that a row follows is an error with this remedy, because skipping it would shift the rows against those of another file.
pub(super) fn each_row(
    path: &Path,
    input: InputStream,
    remedy: &str,
    mut look: impl FnMut(u64, &[&str]) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    let mut count = 0;
    // Number of cells of the first row, which all others must have.
    let mut width = None;
    // The first line without a cell, which is at the end of the file.
    let mut blank = None;
    let mut lines = CsvReader::new(input);
    loop {
        let row = match lines.read() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) => return Err(DatasetError::of(path, lines.problem(&error).to_string())),
        };
        let wrong = |text: String| DatasetError::at(path, row.line, text);
        if row.is_long {
            return Err(wrong(format!("the row is longer than {LINE_BYTES_MAX} bytes")));
        }
        let cells: Result<Vec<&str>, _> = row.iter().map(|it| str::from_utf8(it).map(str::trim)).collect();
        let cells = cells.map_err(|_| wrong("the line is not text (UTF-8)".into()))?;
        if row.is_binary() {
            return Err(wrong("the line is not text".into()));
        }
        if cells.len() < row.count {
            return Err(wrong(format!("{} columns; the maximum is {COLUMNS_MAX}", row.count)));
        }
        if row.blank_before > 0 {
            blank.get_or_insert(row.line - row.blank_before);
        }
        // Quotes make an empty cell, but spaces alone do not.
        if cells == [""] && row.iter().any(|it| !it.is_empty()) {
            blank.get_or_insert(row.line);
            continue;
        }
        if let Some(line) = blank {
            return Err(DatasetError::at(path, line, format!("the line is empty; {remedy}")));
        }
        let first = *width.get_or_insert(row.count);
        if row.count != first {
            let separator = row.separator();
            return Err(wrong(row.ragged(first, separator).to_string()));
        }
        count += 1;
        if ROWS_MAX < count {
            return Err(wrong(format!("more than {ROWS_MAX} rows")));
        }
        look(row.line, &cells)?;
    }
    if count == 0 { Err(DatasetError::of(path, "it has no rows")) } else { Ok(()) }
}
