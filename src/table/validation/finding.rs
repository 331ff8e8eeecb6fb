//! Problems found by a validation, by kind: the first ones as examples, all as a count.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::table::TableProblem;

/// Largest number of examples of one kind.
pub const EXAMPLES_MAX: usize = 10;

/// Severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingSeverity {
    /// The table cannot be used.
    Error,
    /// The table can be used with lower quality.
    Warning,
}

/// Kind of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The file cannot be read to its end.
    File,
    /// Invalid names of columns.
    Header,
    /// Rows that have more or fewer cells than the header, or are too long.
    Ragged,
    /// Cells that are no numbers.
    Text,
    /// Numbers that are infinite or too large.
    NotFinite,
    /// Malformed timestamps.
    Timestamp,
    /// Rows older than the previous row.
    Order,
    /// Rows with the time of the previous row.
    Duplicate,
    /// The interval between rows is far from the given one.
    WrongInterval,
    /// Too few rows for a score.
    TooFew,
    /// No column that varies.
    Unchanging,
    /// Too few rows for all detectors.
    Few,
    /// Gaps in time.
    Gap,
    /// Times that look like numbers of another unit than seconds.
    TimeUnit,
    /// The interval between rows is unknown, or differs from the given one.
    Interval,
    /// Constant columns.
    Constant,
    /// Columns with few values.
    Sparse,
    /// Columns that never decrease.
    Counter,
    /// Empty lines.
    Blank,
    /// Names of columns that are numbers.
    Names,
}

impl FindingKind {
    /// Severity of this kind.
    pub fn level(self) -> FindingSeverity {
        match self {
            Self::File
            | Self::Header
            | Self::Ragged
            | Self::Text
            | Self::NotFinite
            | Self::Timestamp
            | Self::Order
            | Self::Duplicate
            | Self::WrongInterval
            | Self::TooFew
            | Self::Unchanging => FindingSeverity::Error,
            Self::Few
            | Self::Gap
            | Self::TimeUnit
            | Self::Interval
            | Self::Constant
            | Self::Sparse
            | Self::Counter
            | Self::Blank
            | Self::Names => FindingSeverity::Warning,
        }
    }

    /// What is counted, in words.
    pub fn about(self) -> &'static str {
        match self {
            Self::File => "the file",
            Self::Header => "the header",
            Self::Ragged => "rows that do not match the header",
            Self::Text => "cells that are not numbers",
            Self::NotFinite => "numbers that are infinite or beyond any measurement",
            Self::Timestamp => "timestamps that cannot be read",
            Self::Order => "rows older than the previous row",
            Self::Duplicate => "rows with the time of the previous row",
            Self::TooFew | Self::Few => "too few rows",
            Self::Unchanging => "nothing to learn from",
            Self::Gap => "gaps between rows",
            Self::TimeUnit => "times that look like numbers of another unit",
            Self::WrongInterval | Self::Interval => "the time between rows",
            Self::Constant => "columns that never change",
            Self::Sparse => "columns that are mostly empty",
            Self::Counter => "columns that never fall",
            Self::Blank => "blank lines",
            Self::Names => "names of columns",
        }
    }

    /// The kind of a problem of the reader.
    pub fn of(problem: &TableProblem) -> Self {
        match problem {
            TableProblem::Unreadable(_)
            | TableProblem::Broken { .. }
            | TableProblem::Truncated { .. }
            | TableProblem::Foreign(_)
            | TableProblem::Empty => Self::File,
            TableProblem::NotUtf8 { .. }
            | TableProblem::Unnamed { .. }
            | TableProblem::Duplicate { .. }
            | TableProblem::Preface(_)
            | TableProblem::NoHeader(_)
            | TableProblem::TimeName { .. }
            | TableProblem::Wide(_)
            | TableProblem::NoSignals => Self::Header,
            TableProblem::HeaderOnly { .. } => Self::TooFew,
            TableProblem::Order { at, before, .. } if at == before => Self::Duplicate,
            TableProblem::Order { .. } => Self::Order,
            TableProblem::Ragged { .. }
            | TableProblem::TrailingComma
            | TableProblem::OpenQuote { .. }
            | TableProblem::Long => Self::Ragged,
            TableProblem::Text { .. } => Self::Text,
            TableProblem::OutOfRange { .. } => Self::NotFinite,
            TableProblem::Time { .. } => Self::Timestamp,
        }
    }
}

/// All problems of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingGroup {
    /// Their severity.
    pub level: FindingSeverity,
    /// Their kind.
    pub kind: FindingKind,
    /// Their number.
    pub count: u64,
    /// At most [`EXAMPLES_MAX`] of them: the longest gaps, or the first of other kinds.
    pub examples: Vec<FindingExample>,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingExample {
    /// Line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Description of the problem.
    pub text: String,
}

/// Problems by kind, errors first.
#[derive(Debug, Default)]
pub(super) struct FindingList {
    groups: BTreeMap<FindingKind, FindingGroup>,
}

impl FindingList {
    /// Counts a problem; its text is created only for the first ones.
    pub(super) fn record(&mut self, kind: FindingKind, line: Option<u64>, text: impl FnOnce() -> String) {
        let group = self.group(kind);
        group.count += 1;
        if group.examples.len() < EXAMPLES_MAX {
            group.examples.push(FindingExample { line, text: text() });
        }
    }

    /// Counts several problems at once, with some examples.
    pub(super) fn note_all(&mut self, kind: FindingKind, count: u64, examples: Vec<FindingExample>) {
        let group = self.group(kind);
        group.count += count;
        group.examples.extend(examples);
        group.examples.truncate(EXAMPLES_MAX);
    }

    pub(super) fn into_groups(self) -> Vec<FindingGroup> {
        self.groups.into_values().collect()
    }

    fn group(&mut self, kind: FindingKind) -> &mut FindingGroup {
        let level = kind.level();
        self.groups.entry(kind).or_insert(FindingGroup { level, kind, count: 0, examples: Vec::new() })
    }
}
