//! Feeds a table into replay, in order of time, with its interval and columns.

use std::collections::VecDeque;
use std::path::Path;

use crate::cli::CommandExit;
use crate::reading::Timestamp;
use crate::table::{TableError, TableReader, TableRow, foreign_separator, quoted, time_unit_hint};

/// Number of intervals that determine the interval of rows.
const INTERVALS: usize = 32;

/// A table that is read row by row.
pub(in crate::commands) struct TableInput {
    table: TableReader,
    /// The first rows, read ahead to determine their interval.
    ahead: VecDeque<TableRow>,
    /// Error of the row after them.
    wrong: Option<TableError>,
    /// The first value of each signal.
    first: Vec<Option<f64>>,
    /// Whether a signal changed.
    changes: bool,
    rows: u64,
}

impl TableInput {
    pub(in crate::commands) fn open(path: &Path) -> Result<Self, CommandExit> {
        let table = TableReader::open(path).map_err(|error| CommandExit::failure(error.to_string()))?;
        Ok(Self::of(table))
    }

    fn of(table: TableReader) -> Self {
        let first = vec![None; table.columns().len()];
        let ahead = VecDeque::new();
        let mut feed = Self { table, ahead, wrong: None, first, changes: false, rows: 0 };
        while feed.table.has_time() && feed.ahead.len() <= INTERVALS {
            let mut row = TableRow::default();
            match feed.table.next_row(&mut row) {
                Ok(true) => feed.ahead.push_back(row),
                Ok(false) => break,
                Err(error) => {
                    // The error is reported after the valid rows before it.
                    feed.wrong = Some(error);
                    break;
                }
            }
        }
        feed
    }

    pub(in crate::commands) fn name(&self) -> &str {
        self.table.name()
    }

    pub(in crate::commands) fn columns(&self) -> &[String] {
        self.table.columns()
    }

    /// Reads the next row; returns false at the end.
    pub(in crate::commands) fn next(&mut self, row: &mut TableRow) -> Result<bool, CommandExit> {
        let found = match self.ahead.pop_front() {
            Some(next) => {
                *row = next;
                Ok(true)
            }
            None => self.wrong.take().map_or_else(|| self.table.next_row(row), Err),
        };
        let found = found.map_err(|error| CommandExit::failure(error.to_string()))?;
        if found {
            self.rows += 1;
            self.compare(row);
        }
        Ok(found)
    }

    /// Records whether any signal changes.
    fn compare(&mut self, row: &TableRow) {
        if self.changes {
            return;
        }
        let cells = row.values.iter().zip(&row.missing);
        for (first, (value, _)) in self.first.iter_mut().zip(cells).filter(|(_, (_, missing))| !**missing) {
            self.changes |= first.get_or_insert(*value).total_cmp(value).is_ne();
        }
    }

    /// Continues after the end of the history, whose last row the first one must follow.
    pub(in crate::commands) fn follow(&mut self, history: &Self) {
        let first = self.ahead.front();
        if let Some(Err(error)) = first.map(|it| self.table.check_after(&history.table, it)) {
            self.ahead.clear();
            self.wrong = Some(error);
        }
    }

    /// A hint, if the times of the first rows look wrong.
    pub(in crate::commands) fn unlikely_times_hint(&self) -> Option<String> {
        let (first, last) = (self.ahead.front()?.at?, self.ahead.back()?.at?);
        let hint = time_unit_hint(first, last)?;
        Some(format!("{}: {hint}", self.name()))
    }

    /// An error in a line.
    pub(in crate::commands) fn wrong(&self, line: u64, what: &str) -> CommandExit {
        CommandExit::failure(format!("{}, line {line}: {what}", self.name()))
    }

    /// Time of the first row; `None` without timestamps.
    pub(in crate::commands) fn begins(&self) -> Option<Timestamp> {
        self.ahead.front().and_then(|it| it.at)
    }

    /// Median interval of the first rows, in seconds; `None` without timestamps.
    pub(in crate::commands) fn apart(&self) -> Option<f64> {
        let times = self.ahead.iter().filter_map(|it| it.at);
        let pairs = times.clone().zip(times.skip(1));
        let mut apart: Vec<f64> = pairs.map(|(old, new)| new.0 - old.0).filter(|it| *it > 0.0).collect();
        apart.sort_by(f64::total_cmp);
        apart.get(apart.len() / 2).copied()
    }

    /// The error that the interval is unknown.
    pub(in crate::commands) fn unknown_interval_error(&self) -> CommandExit {
        let no_column = CommandExit::usage(match foreign_separator(self.columns()) {
            Some(_) => format!("error: {}, line 1: {}", self.name(), self.table.without_time()),
            None => format!(
                "error: {} has no column \"timestamp\"; pass the time between rows, such as --every 60s",
                self.name()
            ),
        });
        self.no_pace("too few rows to find their interval; pass --every", no_column)
    }

    /// The error that a history has no times.
    pub(in crate::commands) fn missing_times_error(&self) -> CommandExit {
        let no_column = CommandExit::failure(match foreign_separator(self.columns()) {
            Some(_) => format!("{}, line 1: {}", self.name(), self.table.without_time()),
            None => format!(
                "{}: {}; a history needs the time of each row",
                self.name(),
                self.table.without_time()
            ),
        });
        self.no_pace("too few rows; a history needs two", no_column)
    }

    /// Why there are not two rows with times: an error, too few rows, or no column of times.
    fn no_pace(&self, too_few: &str, no_column: CommandExit) -> CommandExit {
        match (&self.wrong, self.table.has_time()) {
            (Some(wrong), true) => CommandExit::failure(wrong.to_string()),
            (None, true) => CommandExit::failure(format!("{}: {too_few}", self.name())),
            (_, false) => no_column,
        }
    }

    /// Checks that the input can follow this history.
    pub(in crate::commands) fn fits(&self, input: &Self) -> Result<(), CommandExit> {
        let (history, input_name) = (self.name(), input.name());
        let (ours, theirs) = (self.columns(), input.columns());
        let differs = |idx: &usize| ours.get(*idx) != theirs.get(*idx);
        if let Some(idx) = (0..ours.len().max(theirs.len())).find(differs) {
            let named = |names: &[String]| names.get(idx).map_or("missing".to_owned(), |it| quoted(it));
            return Err(CommandExit::failure(format!(
                "{input_name}, line 1: signal {} is {}, but {} in {history}; both need the same columns in the same order",
                idx + 1,
                named(theirs),
                named(ours)
            )));
        }
        let (with, without) = match (self.table.has_time(), input.table.has_time()) {
            (true, false) => (history, input_name),
            (false, true) => (input_name, history),
            _ => return Ok(()),
        };
        Err(CommandExit::failure(format!(
            "{without}, line 1: no column \"timestamp\", but {with} has one; both need it, or neither"
        )))
    }

    /// Checks the table at its end: one that is constant or too short teaches nothing.
    pub(in crate::commands) fn conclude(&self, rows_min: u64) -> Result<(), CommandExit> {
        let count = if self.rows == 1 { "1 row".to_owned() } else { format!("{} rows", self.rows) };
        let what = if self.rows < rows_min {
            format!("{count}; the first score needs {rows_min}")
        } else if !self.changes {
            format!("no column changes in {count}")
        } else {
            return Ok(());
        };
        Err(CommandExit::failure(format!("{}: {what}", self.name())))
    }
}
