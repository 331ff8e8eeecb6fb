//! Reads a host's history from a table whose columns are named after signals.

use std::path::Path;

use super::BackfillRequest;
use crate::backfill::{FetchedHistory, UnitCheck};
use crate::cli::CommandExit;
use crate::commands::replay::table_input::TableInput;
use crate::reading::Timestamp;
use crate::table::{TableRow, quoted};
use crate::window::Point;

/// Rows closer to each other than this share of a point are averaged.
const NEAR_SHARE: f64 = 0.75;
/// Largest number of unusable columns listed.
const NAMED_MAX: usize = 5;
/// Largest number of points: ninety days of half minutes.
const POINTS_MAX: usize = 260_000;

pub(super) fn read(path: &Path, order: &BackfillRequest<'_>) -> Result<FetchedHistory, CommandExit> {
    let mut feed = TableInput::open(path)?;
    let (name, hint) = (feed.name().to_owned(), feed.unlikely_times_hint());
    let wrong = |what: String| CommandExit::failure(format!("{name}: {what}"));
    let Some(apart) = feed.apart() else { return Err(feed.missing_times_error()) };
    let place = |it: &String| order.signals.iter().position(|signal| signal.name == it);
    let places: Vec<Option<usize>> = feed.columns().iter().map(place).collect();
    let unknown: Vec<_> =
        feed.columns().iter().zip(&places).filter(|(_, it)| it.is_none()).map(|(it, _)| quoted(it)).collect();
    if places.iter().all(Option::is_none) {
        let names = unknown.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ");
        return Err(wrong(format!("no column is named as a signal, such as cpu_busy_ratio; found {names}")));
    }
    let step = order.step.as_seconds();
    let is_near = apart < NEAR_SHARE * step;
    let mut points = CsvPointBuilder::new(order.signals.len(), is_near.then_some(step));
    let mut ranges = UnitCheck::new(order.signals);
    let mut row = TableRow::default();
    while feed.next(&mut row)? {
        let mut values = vec![None; order.signals.len()];
        for (idx, place) in places.iter().enumerate() {
            if let Some(place) = place {
                values[*place] = (!row.missing[idx]).then_some(row.values[idx]);
            }
        }
        ranges.record(values.iter().copied());
        if !points.push(row.at.unwrap_or_default(), &values) {
            return Err(
                feed.wrong(row.line, &format!("the table is too long; the maximum is {POINTS_MAX} points"))
            );
        }
    }
    ranges.judge().map_err(|amiss| wrong(amiss.to_string()))?;
    let mut points = points.finish();
    if let (Some(lookback), Some(last)) = (order.lookback, points.last()) {
        let first = last.at.0 - lookback.as_seconds();
        points.retain(|it| first < it.at.0);
    }
    let known =
        (0..order.signals.len()).map(|idx| points.iter().filter(|it| !it.missing[idx]).count()).collect();
    let mut remarks: Vec<_> = hint.into_iter().collect();
    if !unknown.is_empty() {
        remarks.push(format!(
            "columns that are not signals, skipped: {}",
            unknown.iter().take(NAMED_MAX).cloned().collect::<Vec<_>>().join(", ")
        ));
    }
    Ok(FetchedHistory { points, every: if is_near { step } else { apart }, known, remarks })
}

/// Points under construction.
struct CsvPointBuilder {
    /// Length of a point, if rows are averaged.
    step: Option<f64>,
    /// End of the current point.
    open: Option<f64>,
    at: Timestamp,
    sums: Vec<(f64, u32)>,
    newest: Point,
    done: Vec<Point>,
}

impl CsvPointBuilder {
    fn new(width: usize, step: Option<f64>) -> Self {
        let sums = vec![(0.0, 0); width];
        Self {
            step,
            open: None,
            at: Timestamp::default(),
            sums,
            newest: Point::unknown(width),
            done: Vec::new(),
        }
    }

    /// Adds a row; returns false if there are too many points.
    fn push(&mut self, at: Timestamp, values: &[Option<f64>]) -> bool {
        // A point averages the rows after the end of the previous point up to its own end.
        let step = self.step.map_or(at.0, |it| (at.0 / it).ceil());
        if self.open.is_some_and(|open| open.total_cmp(&step).is_ne()) {
            self.close();
        }
        self.open = Some(step);
        self.at = at;
        for ((sum, count), value) in self.sums.iter_mut().zip(values) {
            if let Some(value) = value {
                *sum += value;
                *count += 1;
            }
        }
        self.done.len() < POINTS_MAX
    }

    fn close(&mut self) {
        let values: Vec<f64> =
            self.sums.iter().map(|(sum, count)| sum / f64::from((*count).max(1))).collect();
        let missing: Vec<bool> = self.sums.iter().map(|(_, count)| *count == 0).collect();
        self.newest.advance(self.at, &values, &missing);
        if !self.newest.missing.iter().all(|it| *it) {
            self.done.push(self.newest.clone());
        }
        self.sums.fill((0.0, 0));
    }

    fn finish(mut self) -> Vec<Point> {
        if self.open.is_some() {
            self.close();
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(step: Option<f64>, rows: &[(f64, Option<f64>)], expect: &str) {
        let mut points = CsvPointBuilder::new(1, step);
        rows.iter().for_each(|(at, value)| assert!(points.push(Timestamp(*at), &[*value])));
        let shown = points.finish().into_iter().map(|it| format!("{}: {}", it.at.0, it.values[0]));
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expect);
    }

    #[test]
    fn near_rows_are_averaged() {
        let rows = [(10.0, Some(1.0)), (20.0, Some(2.0)), (30.0, None), (31.0, Some(8.0)), (90.0, None)];
        check(Some(30.0), &rows, "30: 1.5, 31: 8");
        check(None, &rows, "10: 1, 20: 2, 31: 8");
        check(Some(30.0), &[], "");
    }
}
