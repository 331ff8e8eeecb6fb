//! Splits bytes into the cells of a row: CSV (RFC 4180), with buffers of fixed size.

use std::io::{self, ErrorKind};

use csv_core::{ReadRecordResult, Reader};

use super::error::TableProblem;
use super::input_stream::InputStream;
use super::{COLUMNS_MAX, LINE_BYTES_MAX};

/// Largest number of cells stored: the signals, the timestamp, and one excess cell.
const CELLS_MAX: usize = COLUMNS_MAX + 2;

/// Reads the rows of a stream.
pub struct CsvReader {
    pub(super) stream: InputStream,
    csv: Reader,
    /// The cells of one row without quotes, concatenated.
    bytes: Vec<u8>,
    /// End of each cell.
    ends: Vec<usize>,
    /// The next line, from 1.
    line: u64,
    /// The byte that ended the last row: of `\r\n`, the parser consumes only the first.
    last: u8,
    /// Number of empty lines skipped.
    pub(super) blank: u64,
}

/// The cells of one row.
pub struct CsvCells<'a> {
    /// The line where the row starts.
    pub line: u64,
    /// Number of cells, including those not stored.
    pub count: usize,
    /// Whether the row was too long to store.
    pub is_long: bool,
    /// Number of empty lines skipped right before.
    pub blank_before: u64,
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> CsvCells<'a> {
    /// The cells in order; none of a row that is too long or too wide.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.ends.iter().scan(0, move |start, end| bytes.get(std::mem::replace(start, *end)..*end))
    }
}

impl CsvCells<'_> {
    /// The problem of a row of another number of cells than the header.
    pub fn ragged(&self, header: usize, separator: Option<char>) -> TableProblem {
        let has_several_lines = || self.iter().any(|it| it.contains(&b'\n'));
        let ends_with_comma = || self.iter().last().is_some_and(<[u8]>::is_empty);
        let cells = self.count;
        if cells == header + 1 && separator.is_none() && ends_with_comma() {
            TableProblem::TrailingComma
        } else if cells < header && has_several_lines() {
            TableProblem::OpenQuote { cells, header }
        } else {
            TableProblem::Ragged { cells, header, separator }
        }
    }

    /// Whether the row has bytes that no text has.
    pub fn is_binary(&self) -> bool {
        self.iter().any(|it| it.contains(&0))
    }

    /// The separator of a row without commas, if it seems to have another one.
    pub fn separator(&self) -> Option<char> {
        let only = self.iter().next().filter(|_| self.count == 1)?;
        separator_in(only)
    }
}

/// A separator other than the comma in the only cell of a row.
pub(super) fn separator_in(cell: &[u8]) -> Option<char> {
    [';', '\t', '|'].into_iter().find(|it| cell.contains(&(*it as u8)))
}

impl CsvReader {
    /// Creates a reader at the first row.
    pub fn new(stream: InputStream) -> Self {
        let (bytes, ends) = (vec![0; LINE_BYTES_MAX], vec![0; CELLS_MAX]);
        Self { stream, csv: Reader::new(), bytes, ends, line: 1, last: 0, blank: 0 }
    }

    /// Reads the next row that is not blank.
    ///
    /// # Errors
    /// If the stream cannot be read; [`problem`](Self::problem) converts the error.
    pub fn read(&mut self) -> io::Result<Option<CsvCells<'_>>> {
        let blank = self.blank;
        if !self.skip_blank()? {
            return Ok(None);
        }
        let (line, blank_before) = (self.line, self.blank - blank);
        let (mut filled, mut ended, mut count, mut is_long) = (0, 0, 0, false);
        loop {
            let input = fill(&mut self.stream)?;
            let (result, read, wrote, cells) =
                self.csv.read_record(input, &mut self.bytes[filled..], &mut self.ends[ended..]);
            self.line += newlines(self.last, &input[..read]);
            self.last = input[..read].last().copied().unwrap_or(self.last);
            self.stream.bytes.consume(read);
            filled += wrote;
            ended += cells;
            match result {
                ReadRecordResult::InputEmpty => (),
                // The rest of a row beyond the maximum is read and discarded.
                ReadRecordResult::OutputFull => (is_long, filled) = (true, 0),
                ReadRecordResult::OutputEndsFull => (count, ended) = (count + ended, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let is_kept = !is_long && count == 0;
        let ends = if is_kept { &self.ends[..ended] } else { &[] };
        let bytes = &self.bytes[..filled];
        Ok(Some(CsvCells { line, count: count + ended, is_long, blank_before, bytes, ends }))
    }

    /// Converts an error while reading rows.
    pub fn problem(&self, error: &io::Error) -> TableProblem {
        self.stream.problem(error)
    }

    /// The next line.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Skips to the first byte of the next row; returns false at the end.
    fn skip_blank(&mut self) -> io::Result<bool> {
        loop {
            let input = fill(&mut self.stream)?;
            if input.is_empty() {
                return Ok(false);
            }
            let count = input.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
            let lines = newlines(self.last, &input[..count]);
            let is_done = count < input.len();
            self.line += lines;
            self.blank += lines;
            self.last = input[..count].last().copied().unwrap_or(self.last);
            self.stream.bytes.consume(count);
            if is_done {
                return Ok(true);
            }
        }
    }
}

fn fill(stream: &mut InputStream) -> io::Result<&[u8]> {
    // A separate loop, because the borrow of the result would last beyond a `continue`.
    while let Err(error) = stream.bytes.fill_buf() {
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
    stream.bytes.fill_buf()
}

/// Number of line ends: `\n`, `\r\n`, or `\r` alone, of which CSV knows all. `before` is the byte before these.
fn newlines(before: u8, bytes: &[u8]) -> u64 {
    let before = std::iter::once(&before).chain(bytes);
    let pairs = before.zip(bytes);
    pairs.filter(|(before, it)| **it == b'\r' || (**it == b'\n' && **before != b'\r')).count() as u64
}
