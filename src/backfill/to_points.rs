//! Converts a server's series to readings, and readings to points with the signals of a live host.

use std::collections::BTreeMap;

use super::fetched_series::FetchedSeries;
use super::mapping::{LabelSource, MetricMapping};
use super::time_chunks::QueryChunk;
use super::unit_check::MetricUnitCheck;
use super::{FetchedHistory, RemoteHistoryQuery};
use crate::reading::{MetricLabels, SubjectValues, Timestamp};
use crate::signal::ReadingPair;
use crate::window::Point;

/// Readings further apart than this many steps have a gap between them, as on a live host.
const GAP_STEPS: f64 = 3.0;
/// Largest number of series of one metric, as for devices of a file; further ones are dropped and reported.
const SERIES_MAX: usize = 256;

/// The series of one chunk.
#[derive(Debug, Default)]
pub(super) struct ChunkSeries {
    /// Instants with a reading, each with its time in seconds since the epoch.
    pub(super) times: Vec<(usize, f64)>,
    /// The series of each source.
    pub(super) entries: Vec<Vec<FetchedSeries>>,
    /// Signals by name.
    pub(super) direct: Vec<FetchedSeries>,
}

/// Builds points from consecutive chunks.
pub(super) struct PointBuilder<'a> {
    wanted: &'a RemoteHistoryQuery<'a>,
    entries: &'a [MetricMapping],
    /// The label with the name of a signal, if signals are fetched by name.
    direct: Option<&'a str>,
    step: f64,
    /// Index of each series of each source.
    places: BTreeMap<(usize, MetricLabels), usize>,
    slots: Vec<PointSlot>,
    dropped: BTreeMap<&'static str, usize>,
    before: Option<(f64, SubjectValues)>,
    units: MetricUnitCheck<'a>,
    past: FetchedHistory,
}

/// One series of one source.
struct PointSlot {
    entry: usize,
    labels: MetricLabels,
    /// Accumulated value of a rate.
    sum: f64,
}

impl<'a> PointBuilder<'a> {
    pub(super) fn new(
        wanted: &'a RemoteHistoryQuery<'a>,
        entries: &'a [MetricMapping],
        direct: Option<&'a str>,
        step: f64,
    ) -> Self {
        let past = FetchedHistory {
            points: Vec::new(),
            every: step,
            known: vec![0; wanted.signals.len()],
            remarks: Vec::new(),
        };
        Self {
            wanted,
            entries,
            direct,
            step,
            places: BTreeMap::new(),
            slots: Vec::new(),
            dropped: BTreeMap::new(),
            before: None,
            units: MetricUnitCheck::new(wanted, entries),
            past,
        }
    }

    /// Processes the next chunk.
    pub(super) fn part(&mut self, chunk: QueryChunk, part: ChunkSeries) {
        let mut values: Vec<Vec<(usize, f64)>> = vec![Vec::new(); chunk.points];
        for (entry, series) in part.entries.into_iter().enumerate() {
            for (slot, known) in self.slots_of(entry, series) {
                for (idx, value) in known {
                    values[idx].push((slot, value));
                }
            }
        }
        let mut direct: Vec<Vec<(usize, f64)>> = vec![Vec::new(); chunk.points];
        for series in part.direct {
            let name = self.direct.and_then(|it| series.labels.get(it));
            let signal = name.and_then(|name| self.wanted.signals.iter().position(|it| it.name == name));
            let Some(signal) = signal else { continue };
            for (idx, value) in series.values {
                direct[idx].push((signal, value));
            }
        }
        for (idx, at) in part.times {
            if self.before.as_ref().is_none_or(|(before, _)| *before < at) {
                self.reading(at, &values[idx], &direct[idx]);
            }
        }
    }

    /// The slots of some series, ordered by labels, because the order matters, for example for partitions that follow
    /// their disk.
    fn slots_of(&mut self, entry: usize, series: Vec<FetchedSeries>) -> Vec<(usize, Vec<(usize, f64)>)> {
        let Some(own) = self.entries.get(entry) else { return Vec::new() };
        // Having no labels differs from an empty list of labels.
        let labels = |series: &FetchedSeries| match own.labels.is_empty() {
            true => MetricLabels::NONE,
            false => MetricLabels::new(own.labels.iter().map(|it| match it {
                LabelSource::Of(name) => series.labels.get(name).map_or("", String::as_str),
                LabelSource::Fixed(value) => value,
            })),
        };
        let mut series: Vec<_> = series.into_iter().map(|it| (labels(&it), it.values)).collect();
        series.sort_by(|one, other| one.0.cmp(&other.0));
        let over = series.len().saturating_sub(SERIES_MAX);
        if over > 0 {
            let most = self.dropped.entry(own.metric.name).or_default();
            *most = over.max(*most);
        }
        let slot = |(labels, values): (MetricLabels, Vec<(usize, f64)>)| {
            let slots = &mut self.slots;
            let place = *self.places.entry((entry, labels.clone())).or_insert_with(|| {
                slots.push(PointSlot { entry, labels, sum: 0.0 });
                slots.len() - 1
            });
            (place, values)
        };
        series.into_iter().take(SERIES_MAX).map(slot).collect()
    }

    /// Processes one reading.
    fn reading(&mut self, at: f64, known: &[(usize, f64)], direct: &[(usize, f64)]) {
        let elapsed = self.before.as_ref().map(|(before, _)| at - before);
        let elapsed = elapsed.filter(|it| *it <= GAP_STEPS * self.step);
        let now = self.values(known, elapsed);
        let before = self.before.as_ref().map(|(_, values)| values);
        let change =
            before.zip(elapsed).and_then(|(before, elapsed)| ReadingPair::new(before, &now, elapsed));
        let mut signals: Vec<Option<f64>> = match &change {
            Some(change) => self.wanted.signals.iter().map(|it| (it.formula)(change)).collect(),
            None => vec![None; self.wanted.signals.len()],
        };
        for (signal, value) in direct {
            signals[*signal] = Some(*value);
        }
        self.units.reading(&now, change.as_ref());
        self.units.point(&signals);
        self.before = Some((at, now));
        self.point(at, &signals);
    }

    fn values(&mut self, known: &[(usize, f64)], elapsed: Option<f64>) -> SubjectValues {
        let mut values = SubjectValues::default();
        for (place, value) in known {
            let slot = &mut self.slots[*place];
            let entry = &self.entries[slot.entry];
            let mut value = value * entry.times;
            if entry.rate {
                slot.sum += elapsed.map_or(0.0, |it| value * it);
                value = slot.sum;
            }
            if let Some(per) = entry.per {
                let Some(whole) = values.get(per).filter(|it| *it > 0.0) else { continue };
                value /= whole;
            }
            values.set_by(entry.metric, &slot.labels, value);
        }
        values
    }

    fn point(&mut self, at: f64, signals: &[Option<f64>]) {
        let mut point = self.past.points.last().cloned().unwrap_or_else(|| Point::unknown(signals.len()));
        let values: Vec<f64> = signals.iter().map(|it| it.unwrap_or_default()).collect();
        let missing: Vec<bool> = signals.iter().map(Option::is_none).collect();
        point.advance(Timestamp(at), &values, &missing);
        if point.missing.iter().all(|it| *it) {
            return;
        }
        for (known, missing) in self.past.known.iter_mut().zip(&point.missing) {
            *known += usize::from(!missing);
        }
        self.past.points.push(point);
    }

    /// Returns the points, after checking the units of the values.
    pub(super) fn finish(mut self) -> Result<FetchedHistory, super::UnitError> {
        self.units.judge()?;
        let dropped = self.dropped.into_iter();
        self.past.remarks.extend(dropped.map(|(name, count)| {
            format!(
                "{name} has {count} series more than the maximum of {SERIES_MAX}; select one host with --host"
            )
        }));
        Ok(self.past)
    }
}

#[cfg(test)]
mod tests {
    use super::super::mapping::{Aggregation, SeriesSelector};
    use super::*;
    use crate::duration::HumanDuration;
    use crate::metric::Metric;
    use crate::reading::SubjectKind;
    use crate::signal::{Signal, SignalUnit};

    static READ: Metric = Metric::counter("read_total", "Bytes").by(&["device"]);
    static CPUS: Metric = Metric::gauge("cpus", "Processors");
    static RUNNING: Metric = Metric::gauge("running", "Tasks");
    static SIGNALS: [Signal; 3] = [
        signal("read", |it| it.rate_sum(&READ)),
        signal("running", |it| it.level(&RUNNING)),
        signal("direct", |_| None),
    ];

    const fn signal(name: &'static str, of: fn(&ReadingPair<'_>) -> Option<f64>) -> Signal {
        Signal {
            kind: SubjectKind::Host,
            name,
            title: "",
            help: "",
            unit: SignalUnit::Count,
            floor: 0.0,
            device: None,
            formula: of,
        }
    }

    fn entry(metric: &'static Metric) -> MetricMapping {
        MetricMapping {
            metric,
            choice: SeriesSelector { from: metric.name.into(), filter: String::new() },
            plus: None,
            minus: None,
            labels: metric.labels.iter().map(|it| LabelSource::Of((*it).into())).collect(),
            times: 1.0,
            rate: false,
            per: None,
            by: Aggregation::Sum,
        }
    }

    fn series(label: &str, values: &[(usize, f64)]) -> FetchedSeries {
        let labels = BTreeMap::from([("device".to_owned(), label.to_owned())]);
        FetchedSeries { labels, values: values.to_vec() }
    }

    /// Checks the points of one chunk of ten instants, given as time and values, with `-` for a missing value.
    fn check(entries: &[MetricMapping], part: ChunkSeries, expect: &str) {
        let signals: Vec<&Signal> = SIGNALS.iter().collect();
        let wanted = RemoteHistoryQuery {
            metrics: &[],
            signals: &signals,
            step: HumanDuration::seconds(10),
            until: Timestamp(0.0),
            lookback: HumanDuration::days(1),
            host: None,
            selector: None,
        };
        let mut fold = PointBuilder::new(&wanted, entries, Some("device"), 10.0);
        fold.part(QueryChunk { start: 0, step: 10_000, points: 10 }, part);
        let past = fold.finish().unwrap();
        let shown = past.points.iter().map(|it| {
            let values = it.values.iter().zip(&it.missing);
            let values = values.map(|(value, missing)| if *missing { "-".into() } else { value.to_string() });
            format!("{}: {}", it.at.0, values.collect::<Vec<_>>().join(" "))
        });
        assert_eq!(shown.collect::<Vec<_>>().join(", "), expect);
    }

    fn times(of: &[usize]) -> Vec<(usize, f64)> {
        of.iter().map(|it| (*it, *it as f64 * 10.0)).collect()
    }

    #[test]
    fn counters_become_rates_across_no_gap_and_no_reset() {
        let read = |values: &[(usize, f64)]| vec![vec![series("sda", values)]];
        let part = |of: &[usize], values: &[(usize, f64)]| ChunkSeries {
            times: times(of),
            entries: read(values),
            direct: Vec::new(),
        };
        let entries = [entry(&READ)];
        check(&entries, part(&[0, 1, 2], &[(0, 0.0), (1, 50.0), (2, 70.0)]), "10: 5 - -, 20: 2 - -");
        check(&entries, part(&[0, 1, 2], &[(0, 90.0), (1, 50.0), (2, 70.0)]), "20: 2 - -");
        check(
            &entries,
            part(&[0, 1, 6, 7], &[(0, 0.0), (1, 50.0), (6, 70.0), (7, 80.0)]),
            "10: 5 - -, 70: 1 - -",
        );
        // A value missing in one reading is missing in two pairs.
        check(&entries, part(&[0, 1, 2, 3], &[(0, 0.0), (2, 50.0), (3, 70.0)]), "30: 2 - -");
    }

    #[test]
    fn rates_are_added_up_and_shares_are_divided() {
        let rate = MetricMapping { rate: true, times: 0.5, ..entry(&READ) };
        let part = ChunkSeries {
            times: times(&[0, 1, 2]),
            entries: vec![vec![series("a", &[(0, 8.0), (1, 4.0), (2, 6.0)])]],
            direct: Vec::new(),
        };
        check(&[rate], part, "10: 2 - -, 20: 3 - -");
        let per = [entry(&CPUS), MetricMapping { per: Some(&CPUS), ..entry(&RUNNING) }];
        let entries =
            vec![vec![series("", &[(0, 4.0), (1, 4.0)])], vec![series("", &[(0, 6.0), (1, 6.0), (2, 6.0)])]];
        check(&per, ChunkSeries { times: times(&[0, 1, 2]), entries, direct: Vec::new() }, "10: - 1.5 -");
    }

    #[test]
    fn signals_may_come_as_they_are() {
        let direct = vec![series("direct", &[(0, 1.0), (2, 3.0)]), series("unknown", &[(0, 1.0)])];
        check(
            &[],
            ChunkSeries { times: times(&[0, 1, 2]), entries: Vec::new(), direct },
            "0: - - 1, 20: - - 3",
        );
    }
}
