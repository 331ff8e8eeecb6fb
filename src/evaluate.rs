//! Computes metrics of a detector from labels and scores.
//!
//! Names and definitions are those of the benchmark of labeled host metrics that measures hostnorm: pointwise metrics
//! without point adjustment, the volume under the surface, and the metrics that matter to users of alerts: events
//! detected, delays and false alerts per day. `tests/it/reference_figures.rs` holds expected values.
//!
//! A NaN score counts as the lowest; an infinite one as ±1e30.

use std::fmt;
use std::ops::Range;

mod alert_metrics;
mod hit_rate;
mod level_metrics;
mod compare;
mod dominant_period;
mod quantiles;
mod pointwise;
mod output;
mod vus;

pub use compare::{FigureComparison, listed, side_by_side};
pub use dominant_period::period;
pub use hit_rate::RootCause;
pub use level_metrics::{LevelFigures, LevelRows, levels, show_levels};
pub use output::{EvaluationFormat, show};

use alert_metrics::{BUDGETS, FOR, SeriesAlerts};
use pointwise::RankedRows;

/// Widest tolerance around events for the volumes; the rule for it never exceeds 303.
pub const VUS_WINDOW_MAX: usize = 2_000;

/// Replaces an infinite score, so that thresholds between scores exist.
const INFINITE: f64 = 1e30;

/// The labeled rows of one machine, with the scores of a detector.
#[derive(Debug, Clone, PartialEq)]
pub struct LabeledSeries {
    /// Name of the machine.
    name: String,
    /// Whether each row is anomalous.
    labels: Vec<bool>,
    /// The score of each row, higher if more anomalous; as many as labels.
    scores: Vec<f64>,
    /// Rows per day; positive.
    per_day: f64,
    /// The widest tolerance around events, in rows.
    vus_window: usize,
    /// The labeled causes of events.
    causes: Vec<RootCause>,
    /// For each row the top signals of the detector, in descending order; as many as labels.
    top: Option<Vec<Vec<u16>>>,
    /// Whether each row is at each level; as many as labels.
    levels: Option<LevelRows>,
}

/// Why labels and scores are no valid series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LabeledSeriesError {
    /// There are no rows.
    Empty,
    /// The numbers of scores and labels differ.
    Lengths {
        /// Number of rows with a score.
        scores: usize,
        /// Number of rows with a label.
        labels: usize,
    },
    /// The number of rows per day is invalid.
    PerDay(f64),
    /// The tolerance is wider than [`VUS_WINDOW_MAX`].
    Window(usize),
}

impl fmt::Display for LabeledSeriesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the file has no rows"),
            Self::Lengths { scores, labels } => {
                write!(f, "{scores} rows have a score, but {labels} have a label; each row needs both")
            }
            Self::PerDay(found) => write!(f, "{found} rows per day is out of range; it must be above 0"),
            Self::Window(found) => {
                write!(f, "a tolerance of {found} rows for the volumes is over {VUS_WINDOW_MAX}")
            }
        }
    }
}

impl std::error::Error for LabeledSeriesError {}

impl LabeledSeries {
    /// Joins labels and scores, row by row. `per_day` is the number of rows per day, and `vus_window` the widest
    /// tolerance around events for the volumes; see [`period`].
    ///
    /// # Errors
    /// If labels and scores do not match, or a parameter is out of range.
    pub fn new(
        name: impl Into<String>,
        labels: Vec<bool>,
        scores: Vec<f64>,
        per_day: f64,
        vus_window: usize,
    ) -> Result<Self, LabeledSeriesError> {
        if labels.len() != scores.len() {
            return Err(LabeledSeriesError::Lengths { scores: scores.len(), labels: labels.len() });
        }
        if labels.is_empty() {
            return Err(LabeledSeriesError::Empty);
        }
        if !per_day.is_finite() || per_day <= 0.0 {
            return Err(LabeledSeriesError::PerDay(per_day));
        }
        if vus_window > VUS_WINDOW_MAX {
            return Err(LabeledSeriesError::Window(vus_window));
        }
        Ok(Self {
            name: name.into(),
            labels,
            scores,
            per_day,
            vus_window,
            causes: Vec::new(),
            top: None,
            levels: None,
        })
    }

    /// Adds labeled causes, and the top signals of the detector for each row.
    ///
    /// # Errors
    /// If there are no top signals for some row.
    pub fn with_causes(
        mut self,
        causes: Vec<RootCause>,
        top: Vec<Vec<u16>>,
    ) -> Result<Self, LabeledSeriesError> {
        if top.len() != self.labels.len() {
            return Err(LabeledSeriesError::Lengths { scores: top.len(), labels: self.labels.len() });
        }
        (self.causes, self.top) = (causes, Some(top));
        Ok(self)
    }

    /// Adds the decisions of the detector for each row.
    ///
    /// # Errors
    /// If their number is not that of the rows.
    pub fn with_levels(mut self, levels: LevelRows) -> Result<Self, LabeledSeriesError> {
        let rows = self.labels.len();
        let differing = [&levels.is_anomaly, &levels.alert].into_iter().find(|it| it.len() != rows);
        if let Some(differing) = differing {
            return Err(LabeledSeriesError::Lengths { scores: differing.len(), labels: rows });
        }
        self.levels = Some(levels);
        Ok(self)
    }

    /// Events in order of time.
    pub fn events(&self) -> Vec<Range<usize>> {
        events_of(&self.labels)
    }
}

/// Metrics by name, in the order of display. One that cannot be computed is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EvaluationMetrics {
    named: Vec<(String, f64)>,
}

impl EvaluationMetrics {
    /// A metric, if it can be computed.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }

    /// All metrics.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.named.iter().map(|(name, value)| (name.as_str(), *value))
    }

    fn put(&mut self, name: impl Into<String>, value: Option<f64>) {
        if let Some(value) = value.filter(|it| it.is_finite()) {
            self.named.push((name.into(), value));
        }
    }
}

/// The metrics of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesEvaluation {
    /// Name of the machine.
    pub name: String,
    /// Number of events.
    pub events: usize,
    /// Pointwise metrics, volumes and hit rates; events detected at the best threshold for this series alone.
    pub figures: EvaluationMetrics,
}

/// The metrics of a set of series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DatasetEvaluation {
    /// Each series.
    pub series: Vec<SeriesEvaluation>,
    /// Total number of events.
    pub events: usize,
    /// Total length, in days.
    pub days: f64,
    /// The means over series; then metrics with one threshold for all series, with the prefix `fleet_` if an alert
    /// needs 5 rows above it, and `fleet1_` if one row is enough.
    pub figures: EvaluationMetrics,
}

/// All metrics of a set of series. Metrics with the prefix `threshold_` count rows from `limit` on as anomalous.
pub fn figures(series: &[LabeledSeries], limit: f64) -> DatasetEvaluation {
    let (mut rows, mut held, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for one in series {
        let scores: Vec<f64> = one.scores.iter().map(|it| finite(*it)).collect();
        let events = one.events();
        let alerts = SeriesAlerts::new(&events, &scores, one.per_day, FOR);
        let mut figures = of_rows(one, &scores, &events, limit);
        add_recall(&mut figures, &alerts);
        if let Some(hits) =
            one.top.as_deref().and_then(|top| hit_rate::mean_hit_rates(&one.causes, &one.scores, top))
        {
            hits.into_iter().for_each(|(name, value)| figures.put(name, Some(value)));
        }
        rows.push(SeriesEvaluation { name: one.name.clone(), events: events.len(), figures });
        held.push(alerts);
        single.push(SeriesAlerts::new(&events, &scores, one.per_day, 1));
    }
    let mut figures = means(&rows);
    add_fleet(&mut figures, "fleet", &held);
    add_fleet(&mut figures, "fleet1", &single);
    DatasetEvaluation {
        events: rows.iter().map(|it| it.events).sum(),
        days: held.iter().map(|it| it.days).sum(),
        series: rows,
        figures,
    }
}

/// Runs of anomalous rows.
pub fn events_of(labels: &[bool]) -> Vec<Range<usize>> {
    let mut events: Vec<Range<usize>> = Vec::new();
    for (row, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        match events.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => events.push(row..row + 1),
        }
    }
    events
}

/// A finite score.
fn finite(score: f64) -> f64 {
    match score {
        it if it.is_nan() => -INFINITE,
        it if it.is_infinite() => INFINITE.copysign(it),
        it => it,
    }
}

/// Pointwise metrics and volumes.
fn of_rows(series: &LabeledSeries, scores: &[f64], events: &[Range<usize>], limit: f64) -> EvaluationMetrics {
    let ranked = RankedRows::new(&series.labels, scores);
    let volumes = vus::volumes(&ranked, events, series.vus_window);
    let (best, at_limit) = (ranked.best_f1_threshold(), ranked.at_threshold(limit));
    let mut figures = EvaluationMetrics::default();
    figures.put("vus_pr", volumes.map(|it| it.pr));
    figures.put("vus_roc", volumes.and_then(|it| it.roc));
    figures.put("auc_pr", ranked.average_precision());
    figures.put("auc_roc", ranked.auc());
    figures.put("best_f1", best.map(|it| it.f1()));
    figures.put("best_precision", best.map(|it| it.precision));
    figures.put("best_recall", best.map(|it| it.recall));
    figures.put("best_threshold", best.map(|it| it.threshold));
    figures.put("threshold_f1", at_limit.map(|it| it.f1()));
    figures.put("threshold_precision", at_limit.map(|it| it.precision));
    figures.put("threshold_recall", at_limit.map(|it| it.recall));
    figures
}

/// Share of events detected with the lowest threshold for this series that meets each budget.
fn add_recall(figures: &mut EvaluationMetrics, alerts: &SeriesAlerts) {
    let found = alert_metrics::thresholds(std::slice::from_ref(alerts), &alerts.candidates());
    for ((_, name), threshold) in BUDGETS.iter().zip(found.into_iter().flatten()) {
        let share = alerts.found(threshold) as f64 / alerts.events().max(1) as f64;
        figures.put(format!("rec@{name}"), Some(share));
    }
}

/// Metrics with one threshold for all series, as with a default setting.
fn add_fleet(figures: &mut EvaluationMetrics, tag: &str, alerts: &[SeriesAlerts]) {
    let events: usize = alerts.iter().map(SeriesAlerts::events).sum();
    let found = alert_metrics::thresholds(alerts, &alert_metrics::shared_candidates(alerts));
    for ((_, name), threshold) in BUDGETS.iter().zip(found.into_iter().flatten()) {
        let found: usize = alerts.iter().map(|it| it.found(threshold)).sum();
        let delays = alerts.iter().flat_map(|it| it.delays(threshold)).collect();
        figures.put(format!("{tag}_rec@{name}"), Some(found as f64 / events.max(1) as f64));
        figures.put(format!("{tag}_delay@{name}"), quantiles::median(delays));
        figures.put(format!("{tag}_thr@{name}"), Some(threshold));
    }
}

/// The mean of each metric over the series that have it. Hit rates are shown only if all series have them: a mean over
/// the series with known causes would look like one over the set.
fn means(rows: &[SeriesEvaluation]) -> EvaluationMetrics {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().flat_map(|row| row.figures.iter()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut figures = EvaluationMetrics::default();
    for name in names {
        let values: Vec<f64> = rows.iter().filter_map(|row| row.figures.get(name)).collect();
        if !name.starts_with(hit_rate::HIT) || values.len() == rows.len() {
            figures.put(name, Some(values.iter().sum::<f64>() / values.len() as f64));
        }
    }
    figures
}

#[cfg(test)]
mod tests;
