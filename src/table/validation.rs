//! Validates a whole table in one pass and in fixed memory.
//!
//! Errors prevent a replay; warnings lower the quality of scores.

use std::path::Path;

use serde::Serialize;

use super::{TableProblem, TableReader, TableRow, quoted, time_unit_hint};
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::reading::Timestamp;

mod column_stats;
mod finding;
mod row_interval;

pub use column_stats::{ColumnStats, ValuePattern, ValueRange};
pub use finding::{EXAMPLES_MAX, FindingExample, FindingGroup, FindingKind, FindingSeverity};

use column_stats::CellCounts;
use finding::FindingList;
use row_interval::IntervalHistogram;

/// Smallest number of rows with a score: the first rows have no distance from the usual values.
pub const ROWS_MIN: u64 = 32;
/// Number of rows for a tree of the forest.
const ROWS_FOREST: u64 = 256;
/// Number of days before the time of day counts.
const DAYS_SEASON: u64 = 2;
/// A column with values in a smaller share of rows is sparse.
const SHARE_SPARSE: f64 = 0.1;
/// Largest ratio between the actual and the given interval of rows, in either direction; otherwise each interval would
/// be a gap.
pub const INTERVAL_RATIO_MAX: f64 = 3.0;
/// Tolerance of the given interval, as a share.
const SHARE_INTERVAL: f64 = 0.01;

/// The result of a validation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableValidation {
    /// The file, as the user named it.
    pub file: String,
    /// Its compression.
    pub compression: Option<&'static str>,
    /// Whether there are no errors.
    pub valid: bool,
    /// Number of errors.
    pub errors: u64,
    /// Number of warnings.
    pub warnings: u64,
    /// Number of rows.
    pub rows: u64,
    /// Times of the rows.
    pub time: TimeColumn,
    /// Statistics of each signal.
    pub columns: Vec<ColumnStats>,
    /// Problems by kind, errors first.
    pub findings: Vec<FindingGroup>,
}

/// Times of the rows.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TimeColumn {
    /// Whether the table has times.
    pub has_timestamps: bool,
    /// The time of the first row, RFC 3339.
    pub first: Option<String>,
    /// The time of the last row.
    pub last: Option<String>,
    /// Interval between rows, in seconds: the median, or the given one.
    pub interval_seconds: Option<f64>,
    /// Time covered by all rows, in seconds.
    pub span_seconds: Option<f64>,
    /// Number of intervals longer than three times the median.
    pub gaps: u64,
}

impl TableValidation {
    /// Validates a whole file. `every` is the interval of rows without times.
    pub fn of(path: &Path, every: Option<HumanDuration>) -> Self {
        let mut findings = FindingList::default();
        let mut problems = Vec::new();
        let table = match TableReader::open_with(path, &mut problems) {
            Ok(table) => table,
            Err(error) => {
                findings.record(FindingKind::of(&error.problem), error.line, || error.problem.to_string());
                return Self::new(error.file, None, 0, TimeColumn::default(), Vec::new(), findings);
            }
        };
        for problem in problems {
            findings.record(FindingKind::Header, Some(1), || problem.to_string());
        }
        ValidationPass::new(table, findings).run(every)
    }

    fn new(
        file: String,
        compression: Option<&'static str>,
        rows: u64,
        time: TimeColumn,
        columns: Vec<ColumnStats>,
        findings: FindingList,
    ) -> Self {
        let findings = findings.into_groups();
        let sum = |level| findings.iter().filter(|it| it.level == level).map(|it| it.count).sum();
        let (errors, warnings) = (sum(FindingSeverity::Error), sum(FindingSeverity::Warning));
        Self { file, compression, valid: errors == 0, errors, warnings, rows, time, columns, findings }
    }
}

/// The state of one pass.
struct ValidationPass {
    table: TableReader,
    findings: FindingList,
    tallies: Vec<CellCounts>,
    pace: IntervalHistogram,
    /// Time of the first and the last row with a time.
    ends: Option<(Timestamp, Timestamp)>,
}

impl ValidationPass {
    fn new(table: TableReader, findings: FindingList) -> Self {
        let tallies = vec![CellCounts::new(); table.columns().len()];
        Self { table, findings, tallies, pace: IntervalHistogram::new(), ends: None }
    }

    fn run(mut self, every: Option<HumanDuration>) -> TableValidation {
        let mut row = TableRow::default();
        let mut problems = Vec::new();
        loop {
            problems.clear();
            match self.table.read(&mut row, &mut |problem| problems.push(problem)) {
                Ok(true) => self.row(&row, &problems),
                Ok(false) => break,
                Err(error) => {
                    self.findings
                        .record(FindingKind::of(&error.problem), error.line, || error.problem.to_string());
                    break;
                }
            }
        }
        self.conclude(every)
    }

    fn row(&mut self, row: &TableRow, problems: &[TableProblem]) {
        let mut fits = true;
        for problem in problems {
            self.findings.record(FindingKind::of(problem), Some(row.line), || problem.to_string());
            match problem {
                TableProblem::Ragged { .. }
                | TableProblem::TrailingComma
                | TableProblem::OpenQuote { .. }
                | TableProblem::Long => fits = false,
                TableProblem::Text { column, .. } | TableProblem::OutOfRange { column, .. } => {
                    let idx = self.table.columns().iter().position(|it| it == column);
                    if let Some(tally) = idx.and_then(|it| self.tallies.get_mut(it)) {
                        tally.bad += 1;
                    }
                }
                _ => (),
            }
        }
        if !fits {
            return;
        }
        for ((tally, value), missing) in self.tallies.iter_mut().zip(&row.values).zip(&row.missing) {
            if *missing { tally.add_missing() } else { tally.add(*value) }
        }
        if let Some(at) = row.at {
            let (_, last) = self.ends.get_or_insert((at, at));
            let seconds = at.0 - std::mem::replace(last, at).0;
            if seconds > 0.0 {
                self.pace.add(seconds, row.line);
            }
        }
    }

    fn conclude(mut self, every: Option<HumanDuration>) -> TableValidation {
        let time = self.conclude_time(every);
        let columns: Vec<ColumnStats> =
            self.table.columns().iter().zip(&self.tallies).map(|(name, tally)| tally.column(name)).collect();
        let rows = self.table.rows();
        self.conclude_columns(&columns, rows);
        self.conclude_rows(rows, &time);
        let blank = self.table.blank_lines();
        if blank > 0 {
            let text = "they are skipped; a row whose only cell is empty is written as \"\"";
            let example = FindingExample { line: None, text: text.into() };
            self.findings.note_all(FindingKind::Blank, blank, vec![example]);
        }
        let (name, format) = (self.table.name().to_owned(), self.table.format());
        TableValidation::new(name, format, rows, time, columns, self.findings)
    }

    fn conclude_time(&mut self, every: Option<HumanDuration>) -> TimeColumn {
        let said = every.map(HumanDuration::as_seconds);
        let median = self.pace.median();
        let interval = median.or(said);
        let (gaps, longest) = self.pace.gaps();
        if gaps > 0 {
            let apart = HumanDuration::nearest(median.unwrap_or_default());
            let examples = longest.into_iter().map(|(seconds, line)| FindingExample {
                line: Some(line),
                text: format!(
                    "{} after the previous row; rows are {apart} apart",
                    HumanDuration::nearest(seconds)
                ),
            });
            self.findings.note_all(FindingKind::Gap, gaps, examples.collect());
        }
        match (median, said) {
            (Some(median), Some(said)) if (median / said - 1.0).abs() > SHARE_INTERVAL => {
                let fits = (1.0 / INTERVAL_RATIO_MAX..=INTERVAL_RATIO_MAX).contains(&(median / said));
                let kind = if fits { FindingKind::Interval } else { FindingKind::WrongInterval };
                self.findings.record(kind, None, || {
                    let (median, said) = (HumanDuration::nearest(median), HumanDuration::nearest(said));
                    format!("rows are {median} apart by their timestamps, not {said} as --every says")
                });
            }
            (None, None) if !self.table.has_time() => {
                self.findings.record(FindingKind::Interval, None, || {
                    "no column \"timestamp\"; pass the time between rows with --every".into()
                });
            }
            _ => (),
        }
        if let Some(hint) = self.ends.and_then(|(first, last)| time_unit_hint(first, last)) {
            self.findings.record(FindingKind::TimeUnit, None, || hint);
        }
        let instant = |at: Timestamp| episode_text::instant(at);
        TimeColumn {
            has_timestamps: self.table.has_time(),
            first: self.ends.map(|it| instant(it.0)),
            last: self.ends.map(|it| instant(it.1)),
            interval_seconds: interval,
            span_seconds: match self.ends {
                Some((first, last)) => Some(last.0 - first.0),
                None => said.map(|it| it * self.table.rows() as f64),
            },
            gaps,
        }
    }

    fn conclude_columns(&mut self, columns: &[ColumnStats], rows: u64) {
        let is_number = |it: &ColumnStats| it.name.parse::<f64>().is_ok();
        if !columns.is_empty() && columns.iter().all(is_number) {
            self.findings
                .record(FindingKind::Names, Some(1), || "all are numbers; check for a missing header".into());
        }
        let is_dead = |it: &&ColumnStats| matches!(it.ty, ValuePattern::Empty | ValuePattern::Constant);
        if rows > 1 && columns.iter().filter(is_dead).count() == columns.len() {
            self.findings.record(FindingKind::Unchanging, None, || "no column changes".into());
        }
        for column in columns {
            let (name, present) = (quoted(&column.name), column.present);
            if (present as f64) < SHARE_SPARSE * rows as f64 {
                self.findings.record(FindingKind::Sparse, None, || {
                    format!("{name} has a value in {present} of {rows} rows")
                });
            }
            match column.range {
                Some(range) if column.ty == ValuePattern::Constant && rows > 1 => {
                    self.findings
                        .record(FindingKind::Constant, None, || format!("{name} is always {}", range.min));
                }
                Some(range) if column.ty == ValuePattern::Counter => {
                    self.findings.record(FindingKind::Counter, None, || {
                        format!(
                            "{name} grows from {} to {}; if it is a counter, use its rate",
                            range.min, range.max
                        )
                    });
                }
                _ => (),
            }
        }
    }

    fn conclude_rows(&mut self, rows: u64, time: &TimeColumn) {
        let found = &mut self.findings;
        if rows == 0 {
            // The reader has reported it, or why there are no columns.
            return;
        }
        if rows < ROWS_MIN {
            found.record(FindingKind::TooFew, None, || format!("{rows}; the first score needs {ROWS_MIN}"));
            return;
        }
        if rows < ROWS_FOREST {
            found.record(FindingKind::Few, None, || {
                format!("{rows}; the isolation forest needs {ROWS_FOREST} per tree")
            });
        }
        let season = HumanDuration::days(DAYS_SEASON);
        if let (Some(span), Some(interval)) = (time.span_seconds, time.interval_seconds)
            && span + interval < season.as_seconds()
        {
            let wanted = HumanDuration::nearest(interval);
            let count = (season.as_seconds() / interval).ceil();
            found.record(FindingKind::Few, None, || {
                format!(
                    "{rows}; the time of day counts after {season}, which are {count} rows {wanted} apart"
                )
            });
        }
    }
}
