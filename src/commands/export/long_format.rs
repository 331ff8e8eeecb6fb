//! The long format: one row per observation, with the same columns on every host.

use std::io::Write;

use super::ExportStop;
use super::csv_cell::{self, number, time};
use crate::cli::{ExportArgs, ExportTable};
use crate::reading::{Reading, Subject};
use crate::sources;
use crate::store::{PointRow, ScoreRow, SkippedDataCounts, StoreReader, TimeRange};

pub(super) fn write(
    reader: &StoreReader,
    options: &ExportArgs,
    between: TimeRange,
    to: &mut dyn Write,
) -> Result<SkippedDataCounts, ExportStop> {
    let wanted = |subject: &Subject| options.subject.as_ref().is_none_or(|it| it == subject.name());
    match options.what {
        ExportTable::Readings => {
            csv_cell::row(to, ["timestamp", "kind", "subject", "metric", "labels", "value"])?;
            let metrics: Vec<_> = sources::reading_metrics().collect();
            reader.readings(between, &metrics, |reading| readings(to, &reading, wanted))
        }
        ExportTable::Points => {
            csv_cell::row(to, ["timestamp", "kind", "subject", "signal", "value", "in_episode", "weight"])?;
            reader.points(
                between,
                None,
                |point| if wanted(&point.subject) { points(to, &point) } else { Ok(()) },
            )
        }
        ExportTable::Scores => {
            let columns =
                ["timestamp", "kind", "subject", "score", "instant_score", "is_anomaly", "confidence"];
            csv_cell::row(to, columns)?;
            let each = |score: ScoreRow| if wanted(&score.subject) { scores(to, &score) } else { Ok(()) };
            reader.scores(between, None, each)?;
            Ok(SkippedDataCounts::default())
        }
    }
}

fn readings(
    to: &mut dyn Write,
    reading: &Reading,
    wanted: impl Fn(&Subject) -> bool,
) -> Result<(), ExportStop> {
    let at = time(reading.at);
    for (subject, values) in reading.subjects.iter().filter(|(subject, _)| wanted(subject)) {
        for it in values.iter() {
            let (labels, value) = (csv_cell::labels(it.metric, &it.labels), number(it.value));
            csv_cell::row(to, [&at, subject.kind().name(), subject.name(), it.metric.name, &labels, &value])?;
        }
    }
    Ok(())
}

fn points(to: &mut dyn Write, point: &PointRow) -> Result<(), ExportStop> {
    let (at, weight) = (time(point.at), number(point.weight));
    let in_episode = if point.in_episode { "true" } else { "false" };
    let (kind, subject) = (point.subject.kind().name(), point.subject.name());
    for (idx, signal) in point.signals.iter().enumerate().filter(|(idx, _)| !point.missing[*idx]) {
        csv_cell::row(to, [&at, kind, subject, signal, &number(point.values[idx]), in_episode, &weight])?;
    }
    Ok(())
}

pub(super) fn scores(to: &mut dyn Write, it: &ScoreRow) -> Result<(), ExportStop> {
    let confidence = it.confidence.map(number).unwrap_or_default();
    csv_cell::row(
        to,
        [
            time(it.at).as_str(),
            it.subject.kind().name(),
            it.subject.name(),
            &number(it.score),
            &number(it.instant_score),
            if it.is_anomaly { "true" } else { "false" },
            &confidence,
        ],
    )?;
    Ok(())
}
