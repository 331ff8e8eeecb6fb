//! Tables of numbers: signals as columns, rows in order of time, read from CSV and written as scores.
//!
//! A table is read as a stream in buffers of fixed size, one row at a time. The header names the signals; a column named
//! `timestamp` is the time of a row; an empty cell or `NaN` is a missing value.

use std::path::Path;

use crate::reading::Timestamp;

mod cell;
mod csv;
mod error;
mod validation;
mod score_writer;
mod input_stream;
mod time_argument;

pub use cell::instant;
pub use csv::{CsvCells, CsvReader};
pub use error::{NoTime, TableError, TableProblem, quoted};
pub use input_stream::InputStream;
pub use score_writer::{ScoreDetail, ScoreWriter, ScoredRow, ScoresError};
pub use time_argument::TimeArg;
pub use validation::{
    ColumnStats, ColumnType, EXAMPLES_MAX, FindingExample, FindingGroup, FindingKind, ROWS_MIN, Severity,
    TableValidation, TimeColumn, ValueRange,
};

use cell::CellValue;

/// Most signals of a table, what the forest takes at most.
pub const COLUMNS_MAX: usize = 256;
/// Longest row in bytes; 256 numbers at full length are 6 kB, the rest is for names.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// What a column is called that has the time of each row.
const TIMESTAMP: &str = "timestamp";
/// What a table read from `-` is called in messages.
const STDIN: &str = "standard input";

/// A table that is being read.
pub struct Table {
    name: String,
    lines: CsvReader,
    columns: Vec<String>,
    /// Which cell is the time.
    time_at: Option<usize>,
    rows: u64,
    /// Nothing is read after the end, nor after what cannot be read on.
    is_ended: bool,
}

/// One row, in the shape that detectors take. It is filled again and again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableRow {
    /// The line in the file, from 1, with which it begins.
    pub line: u64,
    /// When it was measured, if the table says so.
    pub at: Option<Timestamp>,
    /// One value a signal; where it is missing, the last one that was known, else 0.
    pub values: Vec<f64>,
    /// Which signals have no value.
    pub missing: Vec<bool>,
}

impl Table {
    /// Opens a file and reads its header; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be read, or when its header names no signals, more than [`COLUMNS_MAX`], or one twice.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let mut problems = Vec::new();
        let table = Self::open_with(path, &mut problems)?;
        table.if_sound(problems)
    }

    /// The same of bytes from anywhere; `name` is for messages.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(name: &str, source: impl std::io::Read + 'static) -> Result<Self, TableError> {
        let mut problems = Vec::new();
        let table = Self::start(name.to_owned(), InputStream::of(source), &mut problems)?;
        table.if_sound(problems)
    }

    /// Opens a file and notes what is wrong with its header; only what cannot be read at all is an error.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open_with(path: &Path, problems: &mut Vec<TableProblem>) -> Result<Self, TableError> {
        let name = if path.as_os_str() == "-" { STDIN.to_owned() } else { path.display().to_string() };
        Self::start(name, InputStream::open(path), problems)
    }

    fn start(
        name: String,
        stream: Result<InputStream, TableProblem>,
        problems: &mut Vec<TableProblem>,
    ) -> Result<Self, TableError> {
        let error = |line, problem| TableError { file: name.clone(), line, problem };
        let mut lines = CsvReader::new(stream.map_err(|problem| error(None, problem))?);
        let header = match lines.read() {
            Ok(Some(header)) => header,
            Ok(None) => return Err(error(None, TableProblem::Empty)),
            Err(cause) => return Err(error(None, lines.stream.problem(&cause))),
        };
        if header.is_long {
            return Err(error(Some(header.line), TableProblem::Long));
        }
        let (columns, time_at) = columns(&header, problems);
        // One cell of the header may be the time, so the bound is looked at when that is known.
        let signals = header.count - usize::from(time_at.is_some());
        if signals > COLUMNS_MAX {
            return Err(error(Some(header.line), TableProblem::Wide(signals)));
        }
        Ok(Self { name, lines, columns, time_at, rows: 0, is_ended: false })
    }

    fn if_sound(self, problems: Vec<TableProblem>) -> Result<Self, TableError> {
        match problems.into_iter().next() {
            None => Ok(self),
            Some(problem) => Err(TableError { file: self.name, line: Some(1), problem }),
        }
    }

    /// What the table is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the signals, in order, without the timestamp.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether rows have their time.
    pub fn has_time(&self) -> bool {
        self.time_at.is_some()
    }

    /// How the file is compressed.
    pub fn format(&self) -> Option<&'static str> {
        self.lines.stream.format
    }

    /// How many rows were read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// How many lines without anything were skipped so far.
    pub fn blank_lines(&self) -> u64 {
        self.lines.blank
    }

    /// Reads the next row; false at the end. After an error in a row, the next call goes on with the row after it.
    ///
    /// # Errors
    /// The first thing that is wrong with the row, or with the file.
    pub fn next_row(&mut self, row: &mut TableRow) -> Result<bool, TableError> {
        let mut first = None;
        let found = self.read(row, &mut |problem| {
            first.get_or_insert(problem);
        })?;
        match first {
            None => Ok(found),
            Some(problem) => Err(self.error(Some(row.line), problem)),
        }
    }

    /// Reads the next row and tells everything that is wrong with it; false at the end. A cell that cannot be
    /// understood is missing, and so are all cells of a row that has more or fewer of them than the header.
    ///
    /// # Errors
    /// When the file cannot be read on; the next call then says that it is at its end.
    pub fn read(
        &mut self,
        row: &mut TableRow,
        tell: &mut dyn FnMut(TableProblem),
    ) -> Result<bool, TableError> {
        if self.is_ended {
            return Ok(false);
        }
        let cells = match self.lines.read() {
            Ok(Some(cells)) => cells,
            Ok(None) => {
                self.is_ended = true;
                return if self.rows == 0 {
                    Err(self.error(None, TableProblem::HeaderOnly))
                } else {
                    Ok(false)
                };
            }
            Err(cause) => {
                self.is_ended = true;
                let problem = self.lines.stream.problem(&cause);
                return Err(self.error(Some(self.lines.line()), problem));
            }
        };
        self.rows += 1;
        row.line = cells.line;
        row.at = None;
        row.values.resize(self.columns.len(), 0.0);
        row.missing.clear();
        row.missing.resize(self.columns.len(), true);
        let header = self.columns.len() + usize::from(self.time_at.is_some());
        if cells.is_long {
            tell(TableProblem::Long);
        } else if cells.count != header {
            tell(TableProblem::Ragged { cells: cells.count, header, separator: separator(&cells) });
        } else {
            fill(row, &cells, &self.columns, self.time_at, tell);
        }
        Ok(true)
    }

    fn error(&self, line: Option<u64>, problem: TableProblem) -> TableError {
        TableError { file: self.name.clone(), line, problem }
    }
}

/// Puts the cells of a whole row where they belong.
fn fill(
    row: &mut TableRow,
    cells: &CsvCells<'_>,
    columns: &[String],
    time_at: Option<usize>,
    tell: &mut dyn FnMut(TableProblem),
) {
    let mut signal = 0;
    for (idx, cell) in cells.iter().enumerate() {
        if Some(idx) == time_at {
            match instant(cell) {
                Ok(at) => row.at = Some(at),
                Err(why) => tell(TableProblem::Time { cell: text(cell), why }),
            }
            continue;
        }
        match cell::number(cell) {
            CellValue::Known(value) => {
                row.values[signal] = value;
                row.missing[signal] = false;
            }
            CellValue::Missing => (),
            CellValue::Vast => tell(TableProblem::Vast { column: columns[signal].clone(), cell: text(cell) }),
            CellValue::Text => tell(match separator(cells) {
                Some(separator) => TableProblem::Ragged { cells: 1, header: 1, separator: Some(separator) },
                None => TableProblem::Text { column: columns[signal].clone(), cell: text(cell) },
            }),
        }
        signal += 1;
    }
}

/// The names of the signals, and which cell is the time.
fn columns(header: &CsvCells<'_>, problems: &mut Vec<TableProblem>) -> (Vec<String>, Option<usize>) {
    let mut columns: Vec<String> = Vec::new();
    // Where each of them stands in the file, from 1.
    let mut positions = Vec::new();
    let mut time_at = None;
    for (idx, cell) in header.iter().enumerate() {
        let position = idx + 1;
        let name = text(cell.trim_ascii());
        if std::str::from_utf8(cell).is_err() {
            problems.push(TableProblem::NotUtf8 { position });
        } else if name.is_empty() {
            problems.push(TableProblem::Unnamed { position });
        } else if name == TIMESTAMP {
            match time_at {
                None => {
                    time_at = Some(idx);
                    continue;
                }
                Some(first) => {
                    problems.push(TableProblem::Duplicate {
                        column: name.clone(),
                        first: first + 1,
                        again: position,
                    });
                }
            }
        } else if let Some(first) = columns.iter().position(|it| *it == name) {
            problems.push(TableProblem::Duplicate {
                column: name.clone(),
                first: positions[first],
                again: position,
            });
        }
        columns.push(name);
        positions.push(position);
    }
    if columns.is_empty() && header.count <= 1 {
        problems.push(TableProblem::NoSignals);
    }
    (columns, time_at)
}

/// What stands between the cells of a row that should have had commas.
fn separator(cells: &CsvCells<'_>) -> Option<char> {
    let only = cells.iter().next().filter(|_| cells.count == 1)?;
    [';', '\t'].into_iter().find(|it| only.contains(&(*it as u8)))
}

fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}
