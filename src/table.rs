//! Tables of numbers: signals as columns, rows in order of time, read from CSV and written as scores.
//!
//! A table is read as a stream, one row at a time, with buffers of fixed size. The header names the signals; a column
//! named `timestamp` is the time of a row; an empty cell or `NaN` is a missing value.

use std::path::Path;

use crate::control_characters::one_line;
use crate::reading::Timestamp;

mod cell;
mod csv;
mod row_time;
mod number_hint;
mod error;
mod validation;
mod score_writer;
mod input_stream;
mod quoted_text;
mod time_argument;
mod time_column_name;
mod time_problem;
mod time_unit;

pub use cell::{CellValue, ParseTimestampError, instant, number};
pub use csv::{CsvCells, CsvReader};
pub use error::{TableError, TableProblem, separator_hint};
pub use input_stream::InputStream;
pub use number_hint::formatted_number_hint;
pub use quoted_text::quoted;
pub use row_time::RowOrder;
pub use score_writer::{ScoreDetail, ScoreWriter, ScoredRow, ScoresError};
pub use time_argument::TimeArg;
pub use time_column_name::time_name_problem;
pub use time_unit::time_unit_hint;
pub use validation::{
    ColumnStats, EXAMPLES_MAX, FindingExample, FindingGroup, FindingKind, FindingSeverity,
    INTERVAL_RATIO_MAX, ROWS_MIN, TableValidation, TimeColumn, ValuePattern, ValueRange,
};

use time_unit::date_in_digits;

/// Largest number of signals, the maximum of the forest.
pub const COLUMNS_MAX: usize = 256;
/// Longest row, in bytes: 256 numbers with all digits are 6 kB, the rest is for names.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// Name of the column with the time of each row.
pub const TIMESTAMP: &str = "timestamp";
/// Unix times of 2001 or later, in seconds or smaller units: a first name that is such a number is a time.
const UNIX_TIMES: std::ops::Range<f64> = 1e9..1e19;
/// The kind of a file that is not text.
const BINARY: &str = "a binary file, such as a tar archive";
/// Name of standard input in messages.
const STDIN: &str = "standard input";

/// A table that is being read.
pub struct TableReader {
    name: String,
    lines: CsvReader,
    columns: Vec<String>,
    /// Index of the cell with the time.
    time_at: Option<usize>,
    rows: u64,
    order: RowOrder,
    /// Set at the end, and after an error that prevents further reading.
    is_ended: bool,
}

/// One row in the form that detectors take, reused from row to row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableRow {
    /// The line in the file where it starts, from 1.
    pub line: u64,
    /// Its time, if the table has times.
    pub at: Option<Timestamp>,
    /// One value for each signal; a missing one is the last known value, or 0.
    pub values: Vec<f64>,
    /// Which signals have no value.
    pub missing: Vec<bool>,
}

impl TableReader {
    /// Opens a file and reads its header; `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be read, or its header has no signals, more than [`COLUMNS_MAX`], or duplicates.
    pub fn open(path: &Path) -> Result<Self, TableError> {
        let mut problems = Vec::new();
        let table = Self::open_with(path, &mut problems)?;
        table.if_sound(problems)
    }

    /// Like [`open`](Self::open), from any bytes; `name` is for messages.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(name: &str, source: impl std::io::Read + 'static) -> Result<Self, TableError> {
        let mut problems = Vec::new();
        let table = Self::start(name.to_owned(), InputStream::of(source), &mut problems)?;
        table.if_sound(problems)
    }

    /// Opens a file and collects the problems of its header; only an unreadable file is an error.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open_with(path: &Path, problems: &mut Vec<TableProblem>) -> Result<Self, TableError> {
        let name =
            if path.as_os_str() == "-" { STDIN.to_owned() } else { one_line(&path.display().to_string()) };
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
        if header.is_binary() {
            return Err(error(None, TableProblem::Foreign(BINARY)));
        }
        let (columns, time_at) = columns(&header, problems);
        // One cell of the header may be the time, so the maximum is checked afterwards.
        let signals = header.count - usize::from(time_at.is_some());
        if signals > COLUMNS_MAX {
            return Err(error(Some(header.line), TableProblem::Wide(signals)));
        }
        Ok(Self { name, lines, columns, time_at, rows: 0, order: RowOrder::default(), is_ended: false })
    }

    fn if_sound(self, problems: Vec<TableProblem>) -> Result<Self, TableError> {
        match problems.into_iter().next() {
            None => Ok(self),
            Some(problem) => Err(TableError { file: self.name, line: Some(1), problem }),
        }
    }

    /// Name of the table in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the signals, in order, without the timestamp.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// That there is no column with the time of each row, and why, if cells seem to have another separator than commas.
    pub fn without_time(&self) -> String {
        format!("no column \"{TIMESTAMP}\"{}", separator_hint(foreign_separator(&self.columns)))
    }

    /// Whether rows have a time.
    pub fn has_time(&self) -> bool {
        self.time_at.is_some()
    }

    /// The compression of the file.
    pub fn format(&self) -> Option<&'static str> {
        self.lines.stream.format
    }

    /// Number of rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Number of empty lines skipped so far.
    pub fn blank_lines(&self) -> u64 {
        self.lines.blank
    }

    /// Reads the next row; returns false at the end. After an error in a row, the next call continues with the
    /// following row.
    ///
    /// # Errors
    /// The first problem of the row or of the file.
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

    /// Reads the next row and reports all of its problems; returns false at the end. A malformed cell is missing, and
    /// so are all cells of a row with the wrong number of cells.
    ///
    /// # Errors
    /// If the file cannot be read further; the next call then returns false.
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
                    let has_several_lines = self.columns.iter().any(|it| it.contains('\n'));
                    Err(self.error(None, TableProblem::HeaderOnly { has_several_lines }))
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
            let separator = cells.separator().or_else(|| foreign_separator(&self.columns));
            tell(cells.ragged(header, separator));
        } else {
            fill(row, &cells, &self.columns, self.time_at, tell);
        }
        if let Some(Err(problem)) = row.at.map(|at| self.order.take(at, row.line)) {
            tell(problem);
        }
        Ok(true)
    }

    /// Checks that a row of this table follows the last row of another one.
    ///
    /// # Errors
    /// If it is not later.
    pub fn check_after(&self, history: &Self, row: &TableRow) -> Result<(), TableError> {
        // A copy, so that the history may precede several tables.
        let mut order = history.order;
        match row.at.map(|at| order.take(at, row.line)) {
            Some(Err(TableProblem::Order { at, before, line, .. })) => {
                let file = Some(history.name.clone());
                Err(self.error(Some(row.line), TableProblem::Order { at, before, line, file }))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, line: Option<u64>, problem: TableProblem) -> TableError {
        TableError { file: self.name.clone(), line, problem }
    }
}

/// Assigns the cells of a complete row.
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
        match number(cell) {
            CellValue::Known(value) => {
                row.values[signal] = value;
                row.missing[signal] = false;
            }
            CellValue::Missing => (),
            CellValue::OutOfRange => {
                tell(TableProblem::OutOfRange { column: columns[signal].clone(), cell: text(cell) });
            }
            CellValue::Text => tell(match cells.separator() {
                Some(separator) => TableProblem::Ragged { cells: 1, header: 1, separator: Some(separator) },
                None => TableProblem::Text { column: columns[signal].clone(), cell: text(cell) },
            }),
        }
        signal += 1;
    }
}

/// The names of the signals, and the index of the cell with the time.
fn columns(header: &CsvCells<'_>, problems: &mut Vec<TableProblem>) -> (Vec<String>, Option<usize>) {
    let mut columns: Vec<String> = Vec::new();
    let names: Vec<String> = header.iter().map(|it| text(it.trim_ascii())).collect();
    // The cells of a column with a misnamed time are times, so that they get no hint for numbers.
    let misnamed = time_name_problem(&names);
    let misnamed_at = match &misnamed {
        Some(TableProblem::TimeName { position, .. }) => Some(position - 1),
        _ => None,
    };
    problems.extend(misnamed.or_else(|| no_header(header)));
    // Position of each in the file, from 1.
    let mut positions = Vec::new();
    let mut time_at = None;
    for ((idx, cell), name) in header.iter().enumerate().zip(names) {
        let position = idx + 1;
        if std::str::from_utf8(cell).is_err() {
            problems.push(TableProblem::NotUtf8 { position });
        } else if name.is_empty() {
            problems.push(TableProblem::Unnamed { position, is_last: position == header.count });
        } else if name == TIMESTAMP || misnamed_at == Some(idx) {
            match time_at {
                None => {
                    time_at = Some(idx);
                    continue;
                }
                Some(first) => {
                    problems.push(TableProblem::Duplicate {
                        column: name.clone(),
                        first: first + 1,
                        second: position,
                    });
                }
            }
        } else if let Some(first) = columns.iter().position(|it| *it == name) {
            problems.push(TableProblem::Duplicate {
                column: name.clone(),
                first: positions[first],
                second: position,
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

/// Why the first line is no header: it is a comment, tells a spreadsheet the separator, or has values.
fn no_header(header: &CsvCells<'_>) -> Option<TableProblem> {
    let first = text(header.iter().next()?.trim_ascii());
    if first.starts_with("# ") || (first.starts_with('#') && header.count == 1) || first.starts_with("sep=") {
        return Some(TableProblem::Preface(first));
    }
    let is_date = |it: &&[u8]| it.contains(&b'-') && !matches!(instant(it), Err(ParseTimestampError::Text));
    let date = header.iter().find(|it| is_date(it) && matches!(number(it), CellValue::Text));
    // Integers may be names, such as of ports, but not a Unix time in any unit, a date, or decimals.
    let is_time = first.parse().is_ok_and(|it| UNIX_TIMES.contains(&it)) || date_in_digits(&first).is_some();
    let are_numbers = header.iter().all(|it| !matches!(number(it), CellValue::Text));
    let decimal = || header.iter().find(|it| are_numbers && it.contains(&b'.'));
    let value = date.map(text).or_else(|| is_time.then_some(first)).or_else(|| decimal().map(text));
    value.map(TableProblem::NoHeader)
}

/// The separator of a header without commas. Its rows have commas if their numbers have decimal commas.
pub fn foreign_separator(columns: &[impl AsRef<str>]) -> Option<char> {
    // Of several columns, a comma is in the name of one, but the time is beside the separator.
    let is_foreign = |it: &&str| columns.len() == 1 || it.split([';', '\t', '|']).any(|it| it == TIMESTAMP);
    columns.iter().map(AsRef::as_ref).filter(is_foreign).find_map(|it| csv::separator_in(it.as_bytes()))
}

fn text(cell: &[u8]) -> String {
    String::from_utf8_lossy(cell).into_owned()
}
