//! The volume under the surface of Paparrizos et al., "Volume Under the Surface" (PVLDB 15, 2022), computed as in TSB-AD
//! (`RangeAUC_volume_opt`): the mean of the areas under range-aware curves over buffer widths.
//!
//! A detector that fires shortly before or after its label is not entirely wrong. Rows in a buffer around an event count
//! less with their distance. No width is the right one, so the mean over widths is used. Help texts call the widest
//! buffer the tolerance.

use std::ops::Range;

use super::pointwise::RankedRows;
use super::quantiles::linspace;

/// Number of points of each curve: evenly spaced ranks of the score.
const LEVELS: usize = 250;

/// The two volumes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct VolumesUnderSurface {
    /// Of the ROC curves; `None` if every row is anomalous.
    pub(super) roc: Option<f64>,
    /// Of the precision-recall curves.
    pub(super) pr: f64,
}

/// Values shared by all widths.
struct ThresholdLevels {
    /// The scores at the points of the curves, descending.
    values: Vec<f64>,
    /// Number of rows at or above each score.
    flagged: Vec<f64>,
    /// Number of anomalous rows among these.
    hard: Vec<f64>,
    /// The first level that each row reaches.
    of_row: Vec<usize>,
}

impl ThresholdLevels {
    fn new(ranked: &RankedRows<'_>) -> Self {
        let RankedRows { labels, scores, order, .. } = ranked;
        let last = order.len().saturating_sub(1);
        // Truncated, not rounded, as in TSB-AD.
        let ranks = linspace(0.0, last as f64, LEVELS).into_iter().map(|it| it as usize);
        let values: Vec<f64> = ranks.map(|rank| scores[order[rank.min(last)]]).collect();
        let counts: Vec<usize> =
            values.iter().map(|level| order.partition_point(|row| *level <= scores[*row])).collect();
        let mut of_row = vec![0; order.len()];
        let mut hard = vec![0.0; LEVELS];
        let mut level = 0;
        for (rank, row) in order.iter().enumerate() {
            while counts[level] <= rank && level < LEVELS - 1 {
                level += 1;
            }
            of_row[*row] = level;
            hard[level] += f64::from(u8::from(labels[*row]));
        }
        accumulate(&mut hard);
        Self { values, flagged: counts.into_iter().map(|it| it as f64).collect(), hard, of_row }
    }
}

/// The volumes over buffer widths up to `window` rows; `None` without an event.
pub(super) fn volumes(
    ranked: &RankedRows<'_>,
    events: &[Range<usize>],
    window: usize,
) -> Option<VolumesUnderSurface> {
    if events.is_empty() {
        return None;
    }
    let levels = ThresholdLevels::new(ranked);
    let (rows, positives) = (ranked.order.len() as f64, ranked.positives as f64);
    let mut soft = vec![0.0; ranked.order.len()];
    let (mut roc, mut pr) = (0.0, 0.0);
    for width in 0..=window {
        let found = soft_recall(&levels, ranked.labels, events, width, &mut soft);
        let existence = existence(&levels, ranked.scores, events, width);
        let (mut recall_before, mut fall_out_before) = (0.0, 0.0);
        for idx in 0..LEVELS {
            let (found, flagged) = (found[idx], levels.flagged[idx]);
            let weight = positives + (found - levels.hard[idx]) / 2.0;
            let recall = (found / weight).min(1.0) * existence[idx];
            let fall_out = (flagged - found) / (rows - weight);
            roc += (fall_out - fall_out_before) * (recall + recall_before) / 2.0;
            pr += (recall - recall_before) * found / flagged;
            (recall_before, fall_out_before) = (recall, fall_out);
        }
        roc += (1.0 - fall_out_before) * (1.0 + recall_before) / 2.0;
    }
    let widths = (window + 1) as f64;
    Some(VolumesUnderSurface { roc: Some(roc / widths).filter(|it| it.is_finite()), pr: pr / widths })
}

/// Recall at each level, if rows near an event count with a ramp of square-root decay that is half the width long.
/// Only the rows of ramps are visited, because anomalous rows add the same for all widths. `soft` is all zeros before
/// and after.
fn soft_recall(
    levels: &ThresholdLevels,
    labels: &[bool],
    events: &[Range<usize>],
    width: usize,
    soft: &mut [f64],
) -> Vec<f64> {
    let mut touched = Vec::new();
    for event in events {
        for away in 1..=width / 2 {
            let ramp = (1.0 - away as f64 / width as f64).sqrt();
            let after = event.end + away - 1;
            let before = event.start.checked_sub(away);
            for row in before.into_iter().chain([after]) {
                if labels.get(row) == Some(&false) {
                    soft[row] += ramp;
                    touched.push(row);
                }
            }
        }
    }
    let mut found = vec![0.0; LEVELS];
    for row in touched {
        // A row between two events is visited twice; the second time, nothing is left.
        found[levels.of_row[row]] += std::mem::take(&mut soft[row]).min(1.0);
    }
    accumulate(&mut found);
    found.iter_mut().zip(&levels.hard).for_each(|(found, hard)| *found += hard);
    found
}

/// Share of zones with at least one row found at each level. A zone is an event with its buffers; overlapping ones are
/// merged.
fn existence(levels: &ThresholdLevels, scores: &[f64], events: &[Range<usize>], width: usize) -> Vec<f64> {
    let mut zones: Vec<Range<usize>> = Vec::with_capacity(events.len());
    for event in events {
        let end = (event.end + width / 2).min(scores.len());
        match zones.last_mut() {
            Some(before) if event.start < before.end + width / 2 => before.end = end,
            _ => zones.push(event.start.saturating_sub(width / 2)..end),
        }
    }
    let mut existence = vec![0.0; LEVELS];
    for zone in &zones {
        let peak = scores[zone.clone()].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let first = levels.values.partition_point(|level| peak < *level);
        if let Some(count) = existence.get_mut(first) {
            *count += 1.0;
        }
    }
    accumulate(&mut existence);
    existence.iter_mut().for_each(|it| *it /= zones.len() as f64);
    existence
}

/// Cumulative sums, in place.
fn accumulate(values: &mut [f64]) {
    let mut sum = 0.0;
    for value in values {
        sum += *value;
        *value = sum;
    }
}

#[cfg(test)]
mod tests {
    use super::super::events_of;
    use super::*;

    fn of(labels: &str, scores: &[f64], window: usize) -> Option<VolumesUnderSurface> {
        let labels: Vec<bool> = labels.chars().map(|it| it == '1').collect();
        volumes(&RankedRows::new(&labels, scores), &events_of(&labels), window)
    }

    #[test]
    fn without_buffers_it_is_the_area() {
        // One event, with existence 1 at every level that finds one of its rows.
        let volumes = of("000110", &[0.0, 0.1, 0.2, 1.0, 0.9, 0.3], 0).unwrap();
        assert!((volumes.pr - 1.0).abs() < 1e-12 && (volumes.roc.unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn undefined_volumes_are_absent() {
        assert_eq!(of("0000", &[1.0; 4], 10), None);
        assert_eq!(of("111", &[1.0; 3], 10).unwrap().roc, None);
        assert_eq!(of("", &[], 10), None);
    }

    #[test]
    fn a_miss_by_one_row_costs_less_with_buffers() {
        let scores = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let (strict, mild) = (of("00010000", &scores, 0).unwrap(), of("00010000", &scores, 4).unwrap());
        assert!(strict.pr < mild.pr, "{strict:?} {mild:?}");
    }
}
