//! Errors in a table, with file, line and column.

use std::fmt;

use super::cell::ParseTimestampError;
use super::number_hint::number_hint;
use super::quoted_text::{clipped, quoted};
use super::time_problem::{order_problem, time_problem};
use super::{COLUMNS_MAX, LINE_BYTES_MAX};
use crate::reading::Timestamp;
use crate::window::VALUE_MAX;

/// A problem with its position.
#[derive(Debug, Clone, PartialEq)]
pub struct TableError {
    /// The file, as the user named it.
    pub file: String,
    /// Its line, from 1, if the problem has one.
    pub line: Option<u64>,
    /// The problem.
    pub problem: TableProblem,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}, line {line}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl std::error::Error for TableError {}

/// A problem of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum TableProblem {
    /// The file cannot be opened or read.
    Unreadable(String),
    /// The file starts like a compressed file, but cannot be decoded.
    Broken {
        /// The compression.
        format: &'static str,
        /// The error of the decoder.
        reason: String,
    },
    /// Its compressed data is truncated.
    Truncated {
        /// The compression.
        format: &'static str,
    },
    /// The file is of an unsupported kind.
    Foreign(&'static str),
    /// The file is empty.
    Empty,
    /// The file has a header and no rows.
    HeaderOnly {
        /// Whether a name has several lines.
        has_several_lines: bool,
    },
    /// A name in the header is not UTF-8.
    NotUtf8 {
        /// Position of the column, from 1.
        position: usize,
    },
    /// A column has no name.
    Unnamed {
        /// Position of the column, from 1.
        position: usize,
        /// Whether it is the last one.
        is_last: bool,
    },
    /// The first line is a comment, or tells a spreadsheet the separator.
    Preface(String),
    /// The first line has values.
    NoHeader(String),
    /// The column with the time of each row has another name than [`TIMESTAMP`](super::TIMESTAMP).
    TimeName {
        /// Position of the column, from 1.
        position: usize,
        /// Its name.
        name: String,
    },
    /// Two columns have the same name.
    Duplicate {
        /// The name.
        column: String,
        /// First position, from 1.
        first: usize,
        /// Second position.
        second: usize,
    },
    /// There are more signals than [`COLUMNS_MAX`].
    Wide(usize),
    /// The header has no signals, at most a timestamp.
    NoSignals,
    /// A row has another number of cells than the header.
    Ragged {
        /// Number of cells of the row.
        cells: usize,
        /// Number of cells of the header.
        header: usize,
        /// The separator, if it is not a comma.
        separator: Option<char>,
    },
    /// A row ends with a comma, after as many cells as the header has.
    TrailingComma,
    /// A row has fewer cells than the header, and one of several lines.
    OpenQuote {
        /// Number of cells of the row.
        cells: usize,
        /// Number of cells of the header.
        header: usize,
    },
    /// A row is not later than the previous one.
    Order {
        /// Its time.
        at: Timestamp,
        /// The time of the previous row.
        before: Timestamp,
        /// The line of the previous row.
        line: u64,
        /// The file of the previous row, if it is another one.
        file: Option<String>,
    },
    /// A row is longer than [`LINE_BYTES_MAX`].
    Long,
    /// A cell is no number.
    Text {
        /// Name of the column.
        column: String,
        /// The cell.
        cell: String,
    },
    /// A number is infinite or too large.
    OutOfRange {
        /// Name of the column.
        column: String,
        /// The cell.
        cell: String,
    },
    /// A timestamp is malformed.
    Time {
        /// The cell.
        cell: String,
        /// The reason.
        why: ParseTimestampError,
    },
}

impl fmt::Display for TableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Broken { format, reason } => write!(f, "its {format} data is corrupt: {reason}"),
            Self::Truncated { format } => write!(f, "its {format} data is truncated"),
            Self::Foreign(kind) => {
                write!(f, "is {kind}; expected CSV in UTF-8, plain or compressed with gzip or xz")
            }
            Self::Empty => f.write_str("is empty; expected a header with the names of the columns"),
            Self::HeaderOnly { has_several_lines: false } => f.write_str("has no rows after the header"),
            Self::HeaderOnly { has_several_lines: true } => f.write_str(
                "has no rows after the header, and a name has several lines; check for an unclosed quote",
            ),
            Self::NotUtf8 { position } => {
                write!(f, "the name of column {position} is not UTF-8; save the file as UTF-8")
            }
            Self::Unnamed { position, is_last: true } if *position > 1 => write!(
                f,
                "column {position} has no name; name it, or remove the comma at the end of each line"
            ),
            Self::Unnamed { position, .. } => {
                write!(f, "column {position} has no name; name it, or remove it if it only numbers the rows")
            }
            Self::Duplicate { column, first, second } => {
                write!(f, "columns {first} and {second} are both named {}", quoted(column))
            }
            Self::Wide(count) => {
                write!(f, "{count} columns of numbers; the maximum is {COLUMNS_MAX}")
            }
            Self::NoSignals => f.write_str("no column of numbers"),
            Self::Preface(cell) => {
                let remedy = "remove the lines before the names";
                let or = if cell.starts_with('#') { ", or the # if these are the names" } else { "" };
                write!(f, "{} is not the name of a column; {remedy}{or}", quoted(cell))
            }
            Self::TimeName { position, name } => write!(
                f,
                "column {position} is {}; name it timestamp, or give it another name if it is not the time of each row",
                quoted(name)
            ),
            Self::NoHeader(cell) => write!(
                f,
                "{} is a value, not the name of a column; add a line with the names of the columns",
                quoted(cell)
            ),
            Self::TrailingComma => f.write_str("a comma follows the last cell; remove it"),
            Self::OpenQuote { cells, header } => {
                let counts = ragged(*cells, *header, None);
                write!(f, "{counts}, and a cell has several lines; check for an unclosed quote")
            }
            Self::Ragged { cells, header, separator } => f.write_str(&ragged(*cells, *header, *separator)),
            Self::Order { at, before, line, file } => {
                f.write_str(&order_problem(*at, *before, *line, file.as_deref()))
            }
            Self::Long => {
                write!(f, "the row is longer than {LINE_BYTES_MAX} bytes; check for an unclosed quote")
            }
            Self::Text { column, cell } => {
                let (column, quoted_cell) = (quoted(column), quoted(cell));
                write!(f, "column {column}: {quoted_cell} is not a number; ")?;
                f.write_str(&number_hint(cell))
            }
            Self::OutOfRange { column, cell } => write!(
                f,
                "column {}: {} is beyond ±{VALUE_MAX:e}, larger than any measurement; leave the cell of a missing value empty",
                quoted(column),
                clipped(cell)
            ),
            Self::Time { cell, why } => f.write_str(&time_problem(cell, *why)),
        }
    }
}

/// What is wrong with a row of another number of cells than the header.
fn ragged(cells: usize, header: usize, separator: Option<char>) -> String {
    let hint = match separator {
        // The number of cells is right, and says nothing.
        Some(_) if cells == header => return separator_hint(separator).trim_start_matches("; ").to_owned(),
        None if header < cells => {
            "; put quotes around cells with commas, and write numbers with a decimal point"
        }
        separator => separator_hint(separator),
    };
    let plural = if cells == 1 { "" } else { "s" };
    format!("{cells} cell{plural}, the header has {header}{hint}")
}

/// The end of a message about a row that seems to have another separator.
pub fn separator_hint(separator: Option<char>) -> &'static str {
    match separator {
        Some(';') => "; cells are separated by commas, not by semicolons, and numbers have a decimal point",
        Some('|') => "; cells are separated by commas, not by vertical bars",
        Some(_) => "; cells are separated by commas, not by tabs",
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: Option<u64>, problem: TableProblem, expect: &str) {
        let error = TableError { file: "a.csv".into(), line, problem };
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn errors_name_the_position() {
        check(None, TableProblem::Empty, "a.csv: is empty; expected a header with the names of the columns");
        check(
            Some(12),
            TableProblem::Ragged { cells: 1, header: 38, separator: Some('\t') },
            "a.csv, line 12: 1 cell, the header has 38; cells are separated by commas, not by tabs",
        );
        check(
            Some(2),
            TableProblem::Ragged { cells: 5, header: 3, separator: None },
            "a.csv, line 2: 5 cells, the header has 3; put quotes around cells with commas, and write numbers with a decimal point",
        );
        check(
            Some(3),
            TableProblem::OutOfRange { column: "cpu".into(), cell: "1e308".into() },
            "a.csv, line 3: column \"cpu\": 1e308 is beyond ±1e100, larger than any measurement; leave the cell of a missing value empty",
        );
    }
}
