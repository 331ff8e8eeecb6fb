//! Writes scores as CSV, row by row. After an error, the file has complete lines only.

#![expect(clippy::disallowed_methods, reason = "creates the file of scores")]

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::file_size_limit;

/// Size of the buffer.
const BLOCK_BYTES: usize = 64 << 10;

/// The result of one row.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ScoredRow<'a> {
    /// The score; `None`, written as NaN, before there is one.
    pub score: Option<f64>,
    /// Indices of all signals, largest deviation first.
    pub top: &'a [usize],
    /// Whether there is an anomaly.
    pub is_anomaly: bool,
    /// Whether it is worth an alert.
    pub is_alert: bool,
    /// Share of the detectors that agree.
    pub confidence: Option<f64>,
    /// Number of the current episode, from 1.
    pub episode: Option<u64>,
}

/// The columns that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreDetail {
    /// The columns `score,top`.
    Score,
    /// Additionally `is_anomaly,alert,confidence,episode`.
    All,
}

/// A destination for scores.
pub struct ScoreWriter {
    name: String,
    to: ScoreTarget,
    detail: ScoreDetail,
    /// Complete lines in the buffer.
    lines: String,
    /// Number of bytes of complete lines in the file.
    whole: u64,
}

enum ScoreTarget {
    File(File),
    Stream(Box<dyn Write>),
}

/// Why scores could not be written.
#[derive(Debug)]
pub struct ScoresError {
    name: String,
    cause: io::Error,
}

impl ScoresError {
    /// Whether the reader closed the pipe, which is no error.
    pub fn is_closed(&self) -> bool {
        self.cause.kind() == ErrorKind::BrokenPipe
    }
}

impl fmt::Display for ScoresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: scores cannot be written: {}", self.name, file_size_limit::reason(&self.cause))
    }
}

impl std::error::Error for ScoresError {}

impl ScoreWriter {
    /// Creates a file, or uses standard output if the path is absent or `-`.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: Option<&Path>, detail: ScoreDetail) -> Result<Self, ScoresError> {
        let Some(path) = path.filter(|it| it.as_os_str() != "-") else {
            return Ok(Self::new(
                "standard output".into(),
                ScoreTarget::Stream(Box::new(io::stdout())),
                detail,
            ));
        };
        let name = path.display().to_string();
        match File::create(path) {
            Ok(file) => Ok(Self::new(name, ScoreTarget::File(file), detail)),
            Err(cause) => Err(ScoresError { name, cause }),
        }
    }

    /// Writes to any destination; `name` is for messages.
    pub fn of(name: &str, to: impl Write + 'static, detail: ScoreDetail) -> Self {
        Self::new(name.to_owned(), ScoreTarget::Stream(Box::new(to)), detail)
    }

    fn new(name: String, to: ScoreTarget, detail: ScoreDetail) -> Self {
        let header = match detail {
            ScoreDetail::Score => "score,top\n",
            ScoreDetail::All => "score,top,is_anomaly,alert,confidence,episode\n",
        };
        Self { name, to, detail, lines: header.to_owned(), whole: 0 }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the buffer cannot be written.
    pub fn push(&mut self, row: &ScoredRow<'_>) -> Result<(), ScoresError> {
        line(&mut self.lines, row, self.detail);
        if self.lines.len() >= BLOCK_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes the buffer; call it at the end, even after an error.
    ///
    /// # Errors
    /// If it cannot be written. The file then ends with its last complete line, and nothing more is written.
    pub fn flush(&mut self) -> Result<(), ScoresError> {
        let lines = std::mem::take(&mut self.lines);
        let to: &mut dyn Write = match &mut self.to {
            ScoreTarget::File(file) => file,
            ScoreTarget::Stream(stream) => stream,
        };
        let (whole, outcome) = write(to, lines.as_bytes());
        self.whole += whole as u64;
        let Err(cause) = outcome else {
            // Reuses the buffer.
            self.lines = lines;
            self.lines.clear();
            return Ok(());
        };
        if let ScoreTarget::File(file) = &self.to {
            // On a full disk, the last line may be truncated. A device cannot be shortened, so failures are ignored.
            let _ = file.set_len(self.whole);
        }
        self.to = ScoreTarget::Stream(Box::new(io::sink()));
        Err(ScoresError { name: self.name.clone(), cause })
    }
}

/// Writes lines; returns the number of bytes of complete lines written.
fn write(to: &mut dyn Write, lines: &[u8]) -> (usize, io::Result<()>) {
    let mut done = 0;
    while done < lines.len() {
        match to.write(&lines[done..]) {
            Ok(0) => return (whole(&lines[..done]), Err(ErrorKind::WriteZero.into())),
            Ok(count) => done += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            Err(error) => return (whole(&lines[..done]), Err(error)),
        }
    }
    (done, to.flush())
}

fn whole(lines: &[u8]) -> usize {
    lines.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1)
}

fn line(to: &mut String, row: &ScoredRow<'_>, detail: ScoreDetail) {
    // Writing to a string does not fail. An empty cell would not be a number to many readers.
    let _ = number(to, Some(row.score.unwrap_or(f64::NAN)));
    for (idx, signal) in row.top.iter().enumerate() {
        to.push(if idx == 0 { ',' } else { ';' });
        let _ = write!(to, "{signal}");
    }
    if row.top.is_empty() {
        to.push(',');
    }
    if detail == ScoreDetail::All {
        let _ = write!(to, ",{},{},", u8::from(row.is_anomaly), u8::from(row.is_alert));
        let _ = number(to, row.confidence);
        to.push(',');
        if let Some(episode) = row.episode {
            let _ = write!(to, "{episode}");
        }
    }
    to.push('\n');
}

fn number(to: &mut String, value: Option<f64>) -> fmt::Result {
    value.map_or(Ok(()), |it| write!(to, "{it}"))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// Accepts this many bytes, a few at a time, then fails.
    #[derive(Clone, Default)]
    struct Disk {
        bytes: Rc<RefCell<Vec<u8>>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.bytes.borrow_mut();
            let count = bytes.len().min(7).min(self.room - held.len());
            held.extend(&bytes[..count]);
            if count == 0 { Err(ErrorKind::StorageFull.into()) } else { Ok(count) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const QUIET: ScoredRow<'_> = ScoredRow {
        score: None,
        top: &[],
        is_anomaly: false,
        is_alert: false,
        confidence: None,
        episode: None,
    };

    fn check(detail: ScoreDetail, row: ScoredRow<'_>, expect: &str) {
        let disk = Disk { room: 1000, ..Disk::default() };
        let mut scores = ScoreWriter::of("disk", disk.clone(), detail);
        scores.push(&row).unwrap();
        scores.flush().unwrap();
        let written = String::from_utf8(disk.bytes.take()).unwrap();
        assert_eq!(written.split_once('\n').unwrap().1, expect);
    }

    #[test]
    fn rows_have_the_columns_of_the_header() {
        let row = ScoredRow {
            score: Some(1.25),
            top: &[3, 0, 2],
            is_anomaly: true,
            is_alert: true,
            confidence: Some(0.75),
            episode: Some(2),
        };
        check(ScoreDetail::Score, row, "1.25,3;0;2\n");
        check(ScoreDetail::All, row, "1.25,3;0;2,1,1,0.75,2\n");
        check(ScoreDetail::Score, QUIET, "NaN,\n");
        check(ScoreDetail::All, QUIET, "NaN,,0,0,,\n");
    }

    #[test]
    fn a_full_disk_is_reported_once_and_leaves_whole_lines() {
        for room in 0..40 {
            let disk = Disk { room, ..Disk::default() };
            let mut scores = ScoreWriter::of("scores.csv", disk.clone(), ScoreDetail::Score);
            for _ in 0..10 {
                scores.push(&ScoredRow { score: Some(0.5), top: &[0], ..QUIET }).unwrap();
            }
            let error = scores.flush().unwrap_err();
            assert!(error.to_string().starts_with("scores.csv: scores cannot be written: "), "{error}");
            let held = disk.bytes.take();
            assert_eq!(scores.whole as usize, whole(&held), "{room}");
            assert!(scores.push(&QUIET).is_ok() && scores.flush().is_ok());
        }
    }

    #[test]
    fn a_closed_pipe_is_distinguished() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(ErrorKind::BrokenPipe.into())
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        assert!(ScoreWriter::of("pipe", Closed, ScoreDetail::Score).flush().unwrap_err().is_closed());
    }
}
