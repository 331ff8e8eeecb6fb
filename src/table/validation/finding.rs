//! Findings of a validation by kind: the first ones with examples, the others as a count.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::table::TableProblem;

/// Most findings of one kind that are told one by one.
pub const EXAMPLES_MAX: usize = 10;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The table cannot be used as it is.
    Error,
    /// It can be used, with a loss.
    Warning,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The file cannot be read, or not to its end.
    File,
    /// Names of columns.
    Header,
    /// Rows that have more or fewer cells than the header, or are too long.
    Ragged,
    /// Cells that are no numbers.
    Text,
    /// Numbers that are infinite or beyond all measurements.
    NotFinite,
    /// Timestamps that are none.
    Timestamp,
    /// Rows that are older than the row before them.
    Order,
    /// Rows with the time of the row before them.
    Duplicate,
    /// Fewer rows than anything can be learned from.
    TooFew,
    /// No column that ever changes.
    Unchanging,
    /// Fewer rows than all detectors want.
    Few,
    /// Spans without rows.
    Gap,
    /// How far rows are apart is not known, or not as was said.
    Interval,
    /// Columns that never change.
    Constant,
    /// Columns that hardly ever have a value.
    Sparse,
    /// Columns that never fall.
    Counter,
    /// Lines without anything.
    Blank,
    /// Names that are numbers.
    Names,
}

impl FindingKind {
    /// Whether it makes a table unfit.
    pub fn level(self) -> Severity {
        match self {
            Self::File
            | Self::Header
            | Self::Ragged
            | Self::Text
            | Self::NotFinite
            | Self::Timestamp
            | Self::Order
            | Self::Duplicate
            | Self::TooFew
            | Self::Unchanging => Severity::Error,
            Self::Few
            | Self::Gap
            | Self::Interval
            | Self::Constant
            | Self::Sparse
            | Self::Counter
            | Self::Blank
            | Self::Names => Severity::Warning,
        }
    }

    /// What is counted.
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
            Self::Interval => "the time between rows",
            Self::Constant => "columns that never change",
            Self::Sparse => "columns that are mostly empty",
            Self::Counter => "columns that never fall",
            Self::Blank => "blank lines",
            Self::Names => "names of columns",
        }
    }

    /// The kind of what the reader complains of.
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
            | TableProblem::Wide(_)
            | TableProblem::NoSignals => Self::Header,
            TableProblem::HeaderOnly => Self::TooFew,
            TableProblem::Ragged { .. } | TableProblem::Long => Self::Ragged,
            TableProblem::Text { .. } => Self::Text,
            TableProblem::Vast { .. } => Self::NotFinite,
            TableProblem::Time { .. } => Self::Timestamp,
        }
    }
}

/// All findings of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingGroup {
    /// How much they weigh.
    pub level: Severity,
    /// What they are.
    pub kind: FindingKind,
    /// How many there are.
    pub count: u64,
    /// At most [`EXAMPLES_MAX`] of them; of gaps the longest, of others the first.
    pub examples: Vec<FindingExample>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FindingExample {
    /// Where in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// What is the matter.
    pub text: String,
}

/// Findings by kind, errors first.
#[derive(Debug, Default)]
pub(super) struct FindingList {
    groups: BTreeMap<FindingKind, FindingGroup>,
}

impl FindingList {
    /// Counts a finding; it is put into words only if it is among the first.
    pub(super) fn note(&mut self, kind: FindingKind, line: Option<u64>, text: impl FnOnce() -> String) {
        let group = self.group(kind);
        group.count += 1;
        if group.examples.len() < EXAMPLES_MAX {
            group.examples.push(FindingExample { line, text: text() });
        }
    }

    /// Counts many at once, some of which are told.
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
