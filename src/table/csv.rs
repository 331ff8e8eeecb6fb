//! Splits bytes into the cells of a row: CSV (RFC 4180), in buffers of fixed size.

use std::io::{self, ErrorKind};

use csv_core::{ReadRecordResult, Reader};

use super::error::TableProblem;
use super::input_stream::InputStream;
use super::{COLUMNS_MAX, LINE_BYTES_MAX};

/// Most cells whose places are kept: the signals, the timestamp, and one that is too many.
const CELLS_MAX: usize = COLUMNS_MAX + 2;

/// The rows of a stream, one after the other.
pub struct CsvReader {
    pub(super) stream: InputStream,
    csv: Reader,
    /// The cells of one row without their quotes, one behind the other.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// The line that is read next, from 1.
    line: u64,
    /// The byte that ended the last row: of `\r\n`, the parser takes the first only.
    last: u8,
    /// Lines without anything, which are skipped.
    pub(super) blank: u64,
}

/// The cells of one row.
pub struct CsvCells<'a> {
    /// Where it begins.
    pub line: u64,
    /// How many there are, be they kept or not.
    pub count: usize,
    /// Whether the row was too long to be kept.
    pub is_long: bool,
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl<'a> CsvCells<'a> {
    /// The cells in order; those of a row that is too long or too wide are not known.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.ends.iter().scan(0, move |start, end| bytes.get(std::mem::replace(start, *end)..*end))
    }
}

impl CsvReader {
    /// Before the first row.
    pub fn new(stream: InputStream) -> Self {
        let (bytes, ends) = (vec![0; LINE_BYTES_MAX], vec![0; CELLS_MAX]);
        Self { stream, csv: Reader::new(), bytes, ends, line: 1, last: 0, blank: 0 }
    }

    /// The next row that is not blank.
    ///
    /// # Errors
    /// When the stream cannot be read on, which is no [`TableProblem`] yet.
    pub fn read(&mut self) -> io::Result<Option<CsvCells<'_>>> {
        if !self.skip_blank()? {
            return Ok(None);
        }
        let line = self.line;
        let (mut filled, mut ended, mut count, mut is_long) = (0, 0, 0, false);
        loop {
            let input = fill(&mut self.stream)?;
            let (result, read, wrote, cells) =
                self.csv.read_record(input, &mut self.bytes[filled..], &mut self.ends[ended..]);
            self.line += newlines(&input[..read]);
            self.last = input[..read].last().copied().unwrap_or(self.last);
            self.stream.bytes.consume(read);
            filled += wrote;
            ended += cells;
            match result {
                ReadRecordResult::InputEmpty => (),
                // What is over a bound is read to the end of its row, and forgotten.
                ReadRecordResult::OutputFull => (is_long, filled) = (true, 0),
                ReadRecordResult::OutputEndsFull => (count, ended) = (count + ended, 0),
                ReadRecordResult::Record => break,
                ReadRecordResult::End => return Ok(None),
            }
        }
        let is_kept = !is_long && count == 0;
        let ends = if is_kept { &self.ends[..ended] } else { &[] };
        Ok(Some(CsvCells { line, count: count + ended, is_long, bytes: &self.bytes[..filled], ends }))
    }

    /// What an error means while rows are read.
    pub fn problem(&self, error: &io::Error) -> TableProblem {
        self.stream.problem(error)
    }

    /// The line that would be read next.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Goes to the first byte of the next row; false at the end.
    fn skip_blank(&mut self) -> io::Result<bool> {
        loop {
            let input = fill(&mut self.stream)?;
            if input.is_empty() {
                return Ok(false);
            }
            let count = input.iter().take_while(|it| matches!(it, b'\r' | b'\n')).count();
            let lines = newlines(&input[..count]);
            let is_own_end = self.last == b'\r' && input[0] == b'\n';
            let is_done = count < input.len();
            self.line += lines;
            self.blank += lines - u64::from(is_own_end);
            self.last = 0;
            self.stream.bytes.consume(count);
            if is_done {
                return Ok(true);
            }
        }
    }
}

fn fill(stream: &mut InputStream) -> io::Result<&[u8]> {
    // In a loop of its own, as the borrow of what is returned would last beyond a `continue`.
    while let Err(error) = stream.bytes.fill_buf() {
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
    stream.bytes.fill_buf()
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|it| **it == b'\n').count() as u64
}
