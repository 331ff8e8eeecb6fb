//! Errors in a table, with file, line and column.

use std::fmt;

use super::{COLUMNS_MAX, LINE_BYTES_MAX};
use crate::episode_text;
use crate::reading::Timestamp;
use crate::window::VALUE_MAX;

/// Largest number of characters of a file's text in a message.
const QUOTED_MAX: usize = 40;

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
    HeaderOnly,
    /// A name in the header is not UTF-8.
    NotUtf8 {
        /// Position of the column, from 1.
        position: usize,
    },
    /// A column has no name.
    Unnamed {
        /// Position of the column, from 1.
        position: usize,
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
    Vast {
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

/// Why a text is no timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseTimestampError {
    /// The cell is empty.
    Missing,
    /// It has no offset from UTC.
    Zone,
    /// It is a number too large for seconds.
    Large,
    /// It is some other text.
    Text,
}

impl fmt::Display for TableProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::Broken { format, reason } => write!(f, "its {format} data is corrupt: {reason}"),
            Self::Truncated { format } => write!(f, "its {format} data is truncated"),
            Self::Foreign(kind) => write!(f, "is {kind}; expected CSV, plain or compressed with gzip or xz"),
            Self::Empty => f.write_str("is empty; expected a header with the names of the columns"),
            Self::HeaderOnly => f.write_str("has no rows after the header"),
            Self::NotUtf8 { position } => {
                write!(f, "the name of column {position} is not UTF-8; save the file as UTF-8")
            }
            Self::Unnamed { position } => {
                write!(f, "column {position} has no name; name it, or remove it if it only numbers the rows")
            }
            Self::Duplicate { column, first, second } => {
                write!(f, "columns {first} and {second} are both named {}", quoted(column))
            }
            Self::Wide(count) => {
                write!(f, "{count} columns of numbers; the maximum is {COLUMNS_MAX}")
            }
            Self::NoSignals => f.write_str("no column of numbers"),
            Self::Ragged { cells, header, separator } => f.write_str(&ragged(*cells, *header, *separator)),
            Self::Order { at, before, line, file } => {
                let (at, before) = (episode_text::instant(*at), episode_text::instant(*before));
                let file = file.as_ref().map(|it| format!("{it}, ")).unwrap_or_default();
                write!(
                    f,
                    "column \"timestamp\": {at} is not after {before} of {file}line {line}; sort the rows by time, oldest first"
                )
            }
            Self::Long => {
                write!(f, "the row is longer than {LINE_BYTES_MAX} bytes; check for an unclosed quote")
            }
            Self::Text { column, cell } => {
                let (column, quoted_cell) = (quoted(column), quoted(cell));
                write!(f, "column {column}: {quoted_cell} is not a number; ")?;
                f.write_str(&number_hint(cell))
            }
            Self::Vast { column, cell } => write!(
                f,
                "column {}: {} is beyond ±{VALUE_MAX:e}, larger than any measurement; leave the cell of a missing value empty",
                quoted(column),
                clipped(cell)
            ),
            Self::Time { cell: text, why } => {
                let cell = quoted(text);
                match why {
                    ParseTimestampError::Missing => {
                        f.write_str("column \"timestamp\": the cell is empty; each row needs its time")
                    }
                    ParseTimestampError::Zone => write!(
                        f,
                        "column \"timestamp\": {cell} has no offset from UTC; append Z, or an offset such as +02:00"
                    ),
                    ParseTimestampError::Large => write!(
                        f,
                        "column \"timestamp\": {cell} is too large for a Unix time in seconds{}",
                        unit_hint(text)
                    ),
                    ParseTimestampError::Text => write!(
                        f,
                        "column \"timestamp\": {cell} is neither a Unix time nor a time such as 2026-11-21T10:00:00Z"
                    ),
                }
            }
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

/// How a cell that is no number is to be written.
fn number_hint(cell: &str) -> String {
    match with_decimal_point(cell) {
        Some(number) if is_grouped(cell) => {
            let whole = cell.trim().replace(',', "");
            format!("write {whole} if the comma separates thousands, {number} if decimals")
        }
        Some(number) => format!("write the decimal point, {number}"),
        None => match without_marks(cell) {
            Some(number) => format!("write {number}"),
            None => "leave the cell of a missing value empty".to_owned(),
        },
    }
}

/// A number with separators of thousands, or a percent sign, without them.
fn without_marks(cell: &str) -> Option<String> {
    let (cell, mut marked) = (cell.trim(), false);
    let number = cell.strip_suffix('%').inspect(|_| marked = true).unwrap_or(cell).trim_end();
    let (whole, fraction) = number.rsplit_once('.').unwrap_or((number, ""));
    let is_grouped = !fraction.is_empty() && whole.contains(',') && !fraction.contains(',');
    let number = if is_grouped { number.replace(',', "") } else { number.to_owned() };
    ((marked || is_grouped) && number.parse::<f64>().is_ok()).then_some(number)
}

/// What to do with a number that is too large for a Unix time in seconds, by its size.
fn unit_hint(cell: &str) -> &'static str {
    /// Largest Unix time that is a time in seconds, with the same in smaller units.
    const LARGEST: [(f64, &str); 3] = [
        (1e14, "; divide milliseconds by 1000"),
        (1e17, "; divide microseconds by 1000000"),
        (1e20, "; divide nanoseconds by 1000000000"),
    ];
    let size = cell.trim().parse().map_or(f64::INFINITY, f64::abs);
    LARGEST.into_iter().find(|it| size < it.0).map_or("", |it| it.1)
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

/// A number with a decimal comma, with a point instead.
pub fn with_decimal_point(cell: &str) -> Option<String> {
    let (whole, fraction) = cell.trim().split_once(',')?;
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|it| it.is_ascii_digit());
    let number = format!("{whole}.{fraction}");
    (is_fraction && number.parse::<f64>().is_ok()).then_some(number)
}

/// Whether the comma of a number may separate thousands.
fn is_grouped(cell: &str) -> bool {
    let (whole, rest) = cell.trim().trim_start_matches(['-', '+']).split_once(',').unwrap_or_default();
    rest.len() == 3 && (1..=3).contains(&whole.len()) && !whole.starts_with('0')
}

/// A text of a file, shortened and safe for a terminal.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", clipped(text))
}

fn clipped(text: &str) -> String {
    let mut rest = text.chars();
    let mut shown: String = rest.by_ref().take(QUOTED_MAX).flat_map(char::escape_debug).collect();
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
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
            TableProblem::Vast { column: "cpu".into(), cell: "1e308".into() },
            "a.csv, line 3: column \"cpu\": 1e308 is beyond ±1e100, larger than any measurement; leave the cell of a missing value empty",
        );
    }

    #[test]
    fn a_decimal_comma_is_named() {
        let check_cell = |cell: &str, expect: &str| {
            let problem = TableProblem::Text { column: "cpu".into(), cell: cell.into() };
            let expect = format!("a.csv, line 3: column \"cpu\": \"{cell}\" is not a number; {expect}");
            check(Some(3), problem, &expect);
        };
        check_cell("0,9", "write the decimal point, 0.9");
        check_cell("-1,5", "write the decimal point, -1.5");
        check_cell("1,000", "write 1000 if the comma separates thousands, 1.000 if decimals");
        check_cell("-12,345", "write -12345 if the comma separates thousands, -12.345 if decimals");
        check_cell("0,125", "write the decimal point, 0.125");
        check_cell("1000,125", "write the decimal point, 1000.125");
        check_cell("1,234.50", "write 1234.50");
        check_cell("-1,234,567.8", "write -1234567.8");
        check_cell("50 %", "write 50");
        check_cell("12.5%", "write 12.5");
        for cell in ["1,5,2", ",", "1,", "1,x", "x,1", "1.5,2", "%", "x%", "1,x.5", "1.5.5"] {
            check_cell(cell, "leave the cell of a missing value empty");
        }
    }

    #[test]
    fn a_time_in_another_unit_is_named() {
        for (cell, hint) in [
            ("1795255200000", "; divide milliseconds by 1000"),
            ("1795255200000000", "; divide microseconds by 1000000"),
            ("1795255200000000000", "; divide nanoseconds by 1000000000"),
            ("inf", ""),
        ] {
            let problem = TableProblem::Time { cell: cell.into(), why: ParseTimestampError::Large };
            let text = "a.csv, line 2: column \"timestamp\":";
            check(
                Some(2),
                problem,
                &format!("{text} \"{cell}\" is too large for a Unix time in seconds{hint}"),
            );
        }
    }

    #[test]
    fn text_of_a_file_is_quoted_safely() {
        assert_eq!(quoted("a\u{1b}[31m\"b"), "\"a\\u{1b}[31m\\\"b\"");
        assert_eq!(quoted(&"x".repeat(500)), format!("\"{}…\"", "x".repeat(QUOTED_MAX)));
    }
}
