//! The wide format: one row per instant and one column per series, of one subject.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use super::ExportStop;
use super::csv_cell::{self, number, time};
use crate::cli::{ExportArgs, ExportTable};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Subject, SubjectValues};
use crate::sources;
use crate::store::{PointRow, SkippedDataCounts, StoreReader, TimeRange};

pub(super) fn write(
    reader: &StoreReader,
    options: &ExportArgs,
    between: TimeRange,
    to: &mut dyn Write,
) -> Result<SkippedDataCounts, ExportStop> {
    let name = options.subject.as_deref().unwrap_or(Subject::Host.name());
    match options.what {
        ExportTable::Readings => readings(reader, name, between, to),
        ExportTable::Points => points(reader, name, between, to),
        ExportTable::Scores => {
            csv_cell::row(to, ["timestamp", "score", "instant_score", "is_anomaly", "confidence"])?;
            reader.scores::<ExportStop>(between, None, |it| {
                if it.subject.name() == name {
                    let confidence = it.confidence.map(number).unwrap_or_default();
                    let (score, instant_score) = (number(it.score), number(it.instant_score));
                    let is_anomaly = if it.is_anomaly { "1" } else { "0" };
                    csv_cell::row(to, [&time(it.at), &score, &instant_score, is_anomaly, &confidence])?;
                }
                Ok(())
            })?;
            Ok(SkippedDataCounts::default())
        }
    }
}

/// The values of the subject with this name.
fn of<'a>(reading: &'a Reading, name: &str) -> Option<&'a SubjectValues> {
    reading.subjects.iter().find(|(subject, _)| subject.name() == name).map(|(_, values)| values)
}

fn readings(
    reader: &StoreReader,
    name: &str,
    between: TimeRange,
    to: &mut dyn Write,
) -> Result<SkippedDataCounts, ExportStop> {
    let metrics: Vec<_> = sources::reading_metrics().collect();
    // Devices come and go, but the columns must be known before the first row.
    let mut columns: BTreeMap<(&'static str, MetricLabels), (usize, &'static Metric)> = BTreeMap::new();
    reader.readings::<ExportStop>(between, &metrics, |reading| {
        for it in of(&reading, name).iter().flat_map(|it| it.iter()) {
            let next = columns.len();
            columns.entry((it.metric.name, it.labels.clone())).or_insert((next, it.metric));
        }
        Ok(())
    })?;
    let mut header = vec![String::new(); columns.len()];
    for ((_, labels), (idx, metric)) in &columns {
        header[*idx] = csv_cell::series(metric, labels);
    }
    csv_cell::row(to, std::iter::once("timestamp").chain(header.iter().map(String::as_str)))?;
    reader.readings(between, &metrics, |reading| {
        let mut cells = vec![String::new(); columns.len()];
        let Some(values) = of(&reading, name) else { return Ok(()) };
        for it in values.iter() {
            if let Some((idx, _)) = columns.get(&(it.metric.name, it.labels.clone())) {
                cells[*idx] = number(it.value);
            }
        }
        let at = time(reading.at);
        Ok(csv_cell::row(to, std::iter::once(at.as_str()).chain(cells.iter().map(String::as_str)))?)
    })
}

fn points(
    reader: &StoreReader,
    name: &str,
    between: TimeRange,
    to: &mut dyn Write,
) -> Result<SkippedDataCounts, ExportStop> {
    // Later versions may have other signals.
    let mut columns: Vec<String> = Vec::new();
    let mut newest: Option<Arc<[String]>> = None;
    reader.points::<ExportStop>(between, None, |point| {
        if point.subject.name() == name && newest.as_ref().is_none_or(|it| !Arc::ptr_eq(it, &point.signals)) {
            let new = point.signals.iter().filter(|it| !columns.contains(it)).cloned().collect::<Vec<_>>();
            columns.extend(new);
            newest = Some(Arc::clone(&point.signals));
        }
        Ok(())
    })?;
    csv_cell::row(to, std::iter::once("timestamp").chain(columns.iter().map(String::as_str)))?;
    reader.points(between, None, |point| {
        if point.subject.name() != name {
            return Ok(());
        }
        let cells: Vec<String> = columns.iter().map(|it| value(&point, it)).collect();
        let at = time(point.at);
        Ok(csv_cell::row(to, std::iter::once(at.as_str()).chain(cells.iter().map(String::as_str)))?)
    })
}

/// The value of a signal; empty if missing.
fn value(point: &PointRow, signal: &str) -> String {
    let known = point.signals.iter().position(|it| it == signal).filter(|idx| !point.missing[*idx]);
    known.map(|idx| number(point.values[idx])).unwrap_or_default()
}
