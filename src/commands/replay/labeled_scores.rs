//! Metrics of the scores, if labels are given.

use std::path::Path;

use crate::cli::Exit;
use crate::dataset;
use crate::duration::HumanDuration;
use crate::evaluate::{self, LabeledSeries, TableStyle, VUS_WINDOW_MAX};

/// The score from which a row counts as anomalous.
const LIMIT: f64 = 1.0;
/// Number of values of the first signal that determine the widest buffer around events.
const FIRST_MAX: usize = 20_000;

/// Labels, and the scores of the same rows.
pub(super) struct LabeledScores {
    /// Name of the file with labels.
    name: String,
    labels: Vec<bool>,
    /// At most one more than labels.
    scores: Vec<f64>,
    /// Values of the first signal, at most [`FIRST_MAX`].
    first: Vec<f64>,
    /// Total number of rows.
    rows: usize,
}

impl LabeledScores {
    /// Reads a file with labels.
    pub(super) fn open(path: &Path) -> Result<Self, Exit> {
        let labels = dataset::labels(path).map_err(|problem| Exit::failure(problem.to_string()))?;
        let name = path.display().to_string();
        if !labels.contains(&true) {
            return Err(Exit::failure(format!(
                "{name}: no row is labeled 1; at least one event is required"
            )));
        }
        Ok(Self { name, labels, scores: Vec::new(), first: Vec::new(), rows: 0 })
    }

    /// Adds a row of the input, with the value of its first signal.
    pub(super) fn add(&mut self, score: Option<f64>, first: Option<f64>) {
        self.rows += 1;
        if self.scores.len() < self.labels.len() {
            self.scores.push(score.unwrap_or(f64::NAN));
        }
        if self.first.len() < FIRST_MAX {
            self.first.extend(first);
        }
    }

    /// The metrics as a table.
    pub(super) fn figures(self, input: &str, every: f64) -> Result<String, Exit> {
        let Self { name, labels, scores, first, rows } = self;
        if rows > labels.len() {
            return Err(Exit::failure(format!(
                "{name}: {rows} rows have a score, but {} have a label; each row needs both",
                labels.len()
            )));
        }
        let per_day = HumanDuration::days(1).as_seconds() / every;
        let window = evaluate::period(&first).min(VUS_WINDOW_MAX);
        let series = LabeledSeries::new(input, labels, scores, per_day, window)
            .map_err(|unfit| Exit::failure(format!("{name}: {unfit}")))?;
        let set = (input.to_owned(), evaluate::figures(&[series], LIMIT));
        Ok(evaluate::show(&[set], false, TableStyle::Table))
    }
}
