//! Metrics of the scores, if labels are given.

use std::path::Path;

use crate::cli::CommandExit;
use crate::dataset::{self, LabelColumn};
use crate::duration::HumanDuration;
use crate::evaluate::{self, EvaluationFormat, LabeledSeries, VUS_WINDOW_MAX};
use crate::reading::Timestamp;

/// The score from which a row counts as anomalous.
const LIMIT: f64 = 1.0;
/// Number of values of the first signal that determine the widest tolerance around events.
const FIRST_MAX: usize = 20_000;

/// Labels, and the scores of the same rows.
pub(super) struct LabeledScores {
    /// Name of the file with labels.
    name: String,
    labels: LabelColumn,
    /// The time of each row, as far as there are labels and rows have times.
    times: Vec<Timestamp>,
    /// At most one more than labels.
    scores: Vec<f64>,
    /// Values of the first signal, at most [`FIRST_MAX`].
    first: Vec<f64>,
    /// Total number of rows.
    rows: usize,
}

impl LabeledScores {
    /// Reads a file with labels. `warn` gets a sentence if its times look like something else.
    pub(super) fn open(path: &Path, warn: &mut dyn FnMut(&str)) -> Result<Self, CommandExit> {
        let labels = dataset::labels(path).map_err(|problem| CommandExit::failure(problem.to_string()))?;
        dataset::warn_of_time_unit(path, labels.times.as_deref(), warn);
        let name = path.display().to_string();
        if !labels.labels.contains(&true) {
            return Err(CommandExit::failure(format!(
                "{name}: no row is labeled 1; at least one event is required"
            )));
        }
        Ok(Self { name, labels, times: Vec::new(), scores: Vec::new(), first: Vec::new(), rows: 0 })
    }

    /// Adds a row of the input, with the value of its first signal.
    pub(super) fn add(&mut self, at: Option<Timestamp>, score: Option<f64>, first: Option<f64>) {
        self.rows += 1;
        if self.scores.len() < self.labels.labels.len() {
            self.scores.push(score.unwrap_or(f64::NAN));
            self.times.extend(at);
        }
        if self.first.len() < FIRST_MAX {
            self.first.extend(first);
        }
    }

    /// The metrics as a table.
    pub(super) fn figures(self, input: &str, every: f64) -> Result<String, CommandExit> {
        let Self { name, labels: LabelColumn { labels, times: label_times }, times, scores, first, rows } =
            self;
        let times = Some(times).filter(|it| !it.is_empty());
        dataset::same_times(Path::new(&name), label_times.as_deref(), Path::new(input), times.as_deref())
            .map_err(|it| CommandExit::failure(it.to_string()))?;
        if rows > labels.len() {
            return Err(CommandExit::failure(format!(
                "{name}: {rows} rows have a score, but {} have a label; each row needs both",
                labels.len()
            )));
        }
        let per_day = HumanDuration::days(1).as_seconds() / every;
        let window = evaluate::period(&first).min(VUS_WINDOW_MAX);
        let series = LabeledSeries::new(input, labels, scores, per_day, window)
            .map_err(|unfit| CommandExit::failure(format!("{name}: {unfit}")))?;
        let set = (input.to_owned(), evaluate::figures(&[series], LIMIT));
        Ok(evaluate::show(&[set], false, EvaluationFormat::Table))
    }
}
