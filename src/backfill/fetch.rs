//! The order of queries: find the server's names, find the times with data, then fetch chunk by chunk.

use super::fetch_error::{FetchError, FetchErrorKind};
use super::fetched_series::{FetchedSeries, some_of};
use super::http_client::OnProgress;
use super::influx::InfluxClient;
use super::mapping::{ExporterMapping, MetricMapping, SeriesSelector, SignalSelector};
use super::prometheus::PrometheusClient;
use super::time_chunks::QueryChunk;
use super::to_points::{ChunkSeries, PointBuilder};
use super::{
    FetchHistoryError, FetchProgress, FetchedHistory, MetricNameMapping, RemoteHistoryQuery, ServerAddress,
    ServerKind,
};
use crate::duration::HumanDuration;
use crate::remote::ServerConnection;

/// Ratio of sample interval to step from which samples are used as they are; the points then have the interval of the
/// samples.
const SPARSE_STEPS: f64 = 1.25;

/// Instants with a sample of the anchor, in milliseconds, with the time of the sample in seconds.
type SampleTimes = Vec<(i64, f64)>;

/// A server of either kind.
enum HistoryServer {
    Prometheus(PrometheusClient),
    Influx(InfluxClient),
}

impl HistoryServer {
    fn new(
        address: &ServerAddress,
        access: &ServerConnection,
        wanted: &RemoteHistoryQuery<'_>,
    ) -> Result<Self, FetchError> {
        match address.kind {
            ServerKind::Prometheus => PrometheusClient::new(address, access, wanted).map(Self::Prometheus),
            ServerKind::Influx => InfluxClient::new(address, access, wanted).map(Self::Influx),
        }
    }

    fn failure(&self, cause: FetchErrorKind) -> FetchError {
        match self {
            Self::Prometheus(it) => it.failure(cause),
            Self::Influx(it) => it.failure(cause),
        }
    }

    fn hosts(
        &mut self,
        anchor: &SeriesSelector,
        whole: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<String>, FetchError> {
        match self {
            Self::Prometheus(it) => it.hosts(anchor, whole, tell),
            Self::Influx(it) => it.hosts(anchor, tell),
        }
    }

    fn instead(&mut self, whole: QueryChunk, tell: OnProgress<'_>) -> String {
        match self {
            Self::Prometheus(it) => it.instead(whole, tell),
            Self::Influx(it) => it.instead(tell),
        }
    }

    fn times(
        &mut self,
        anchor: &SeriesSelector,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<(usize, f64)>, FetchError> {
        match self {
            Self::Prometheus(it) => it.times(anchor, chunk, tell),
            Self::Influx(it) => it.times(anchor, chunk, tell),
        }
    }

    fn direct(
        &mut self,
        direct: &SignalSelector,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<FetchedSeries>, FetchError> {
        match self {
            Self::Prometheus(it) => it.direct(direct, chunk, tell),
            // No set for InfluxDB has signals by name: the mapping refuses it.
            Self::Influx(_) => Ok(Vec::new()),
        }
    }

    /// Sources that are fetched together.
    fn groups(&self, entries: &[MetricMapping]) -> Vec<Vec<usize>> {
        match self {
            Self::Prometheus(_) => (0..entries.len()).map(|it| vec![it]).collect(),
            Self::Influx(_) => InfluxClient::groups(entries),
        }
    }

    fn fetch(
        &mut self,
        entries: &[&MetricMapping],
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<Vec<FetchedSeries>>, FetchError> {
        match self {
            Self::Prometheus(it) => entries.iter().map(|entry| it.fetch(entry, chunk, tell)).collect(),
            Self::Influx(it) => it.fetch(entries, chunk, tell),
        }
    }

    fn warnings(&self) -> Vec<String> {
        match self {
            Self::Prometheus(it) => it.warnings.iter().map(|it| format!("the server warns: {it}")).collect(),
            Self::Influx(_) => Vec::new(),
        }
    }

    /// How to choose one of several hosts.
    fn how(&self) -> &'static str {
        match self {
            Self::Prometheus(_) => "--host NAME, or --match 'instance=\"NAME\"'",
            Self::Influx(_) => "--host NAME",
        }
    }
}

/// See [`super::read`].
pub(super) fn read(
    address: &ServerAddress,
    access: &ServerConnection,
    mapping: &MetricNameMapping,
    wanted: &RemoteHistoryQuery<'_>,
    tell: OnProgress<'_>,
) -> Result<FetchedHistory, FetchHistoryError> {
    let mut server = HistoryServer::new(address, access, wanted)?;
    let millis = |span: HumanDuration| i64::try_from(span.duration().as_millis()).unwrap_or(i64::MAX);
    let grid = |step: i64| QueryChunk::whole(wanted.until.0, wanted.lookback.as_seconds(), step);
    let step = millis(wanted.step);
    let mut whole = grid(step);
    let (set, mut times) = choose(&mut server, mapping.sets(address.kind), whole, tell)?;
    let mut remarks = vec![format!("using the metric names of {}", set.name)];
    if let Some(apart) = apart(&times).filter(|it| it * 1e3 > SPARSE_STEPS * step as f64) {
        let steps = (apart * 1e3 / step as f64 - 0.01).ceil() as i64;
        whole = grid(step.saturating_mul(steps));
        times = instants(&mut server, &set.anchor, whole, tell)?;
        let shown = [HumanDuration::nearest(apart), HumanDuration::nearest(whole.step as f64 / 1e3)];
        remarks.push(format!("the server has one sample per {}, so points are {} apart", shown[0], shown[1]));
    }
    let direct = set.signals.as_ref();
    let mut fold =
        PointBuilder::new(wanted, &set.entries, direct.map(|it| it.name.as_str()), whole.step as f64 / 1e3);
    let parts: Vec<QueryChunk> = whole.parts().collect();
    let mut course = FetchRun { groups: server.groups(&set.entries), server, set, done: 0, of: 0 };
    course.of = parts.len() * (course.groups.len() + usize::from(direct.is_some()));
    for part in parts {
        course.part(part, &times, &mut fold, tell)?;
    }
    let mut past = fold.finish().map_err(FetchHistoryError::MetricUnitCheck)?;
    if past.points.is_empty() {
        let names: Vec<_> = set.entries.iter().map(|it| it.choice.from.clone()).collect();
        let instead = course.server.instead(whole, tell);
        return Err(course.server.failure(FetchErrorKind::NoData { names: some_of(&names), instead }).into());
    }
    remarks.extend(course.server.warnings());
    past.remarks.splice(0..0, remarks);
    Ok(past)
}

/// The set of names with the most samples, and their times.
fn choose<'a>(
    server: &mut HistoryServer,
    sets: &'a [ExporterMapping],
    whole: QueryChunk,
    tell: OnProgress<'_>,
) -> Result<(&'a ExporterMapping, SampleTimes), FetchError> {
    let mut best: Option<(&ExporterMapping, SampleTimes)> = None;
    for set in sets {
        let hosts = server.hosts(&set.anchor, whole, tell)?;
        if hosts.len() > 1 {
            return Err(
                server.failure(FetchErrorKind::AmbiguousHost { hosts: some_of(&hosts), how: server.how() })
            );
        }
        let times = instants(server, &set.anchor, whole, tell)?;
        if best.as_ref().map_or(0, |(_, best)| best.len()) < times.len() {
            best = Some((set, times));
        }
    }
    match best {
        Some(best) => Ok(best),
        None => {
            let names = sets.iter().map(|it| it.anchor.from.clone()).collect();
            let instead = server.instead(whole, tell);
            Err(server.failure(FetchErrorKind::NoData { names, instead }))
        }
    }
}

/// Times of the samples of the anchor.
fn instants(
    server: &mut HistoryServer,
    anchor: &SeriesSelector,
    whole: QueryChunk,
    tell: OnProgress<'_>,
) -> Result<SampleTimes, FetchError> {
    let mut found = Vec::new();
    let mut left: Vec<QueryChunk> = whole.parts().collect();
    left.reverse();
    while let Some(part) = left.pop() {
        match (server.times(anchor, part, tell), part.split_in_half()) {
            (Ok(times), _) => found.extend(times.into_iter().map(|(idx, at)| (part.at(idx), at))),
            (Err(failure), Some([one, other])) if failure.cause.is_query_too_large() => {
                left.extend([other, one]);
            }
            (Err(failure), _) => return Err(failure),
        }
    }
    Ok(found)
}

/// Median interval of samples, in seconds.
fn apart(times: &[(i64, f64)]) -> Option<f64> {
    let mut apart: Vec<f64> = times.windows(2).map(|it| it[1].1 - it[0].1).filter(|it| *it > 0.0).collect();
    apart.sort_by(f64::total_cmp);
    apart.get(apart.len() / 2).copied()
}

/// A fetch in progress.
struct FetchRun<'a> {
    server: HistoryServer,
    set: &'a ExporterMapping,
    groups: Vec<Vec<usize>>,
    /// Number of answered queries, and of all; halved chunks increase both.
    done: usize,
    of: usize,
}

impl FetchRun<'_> {
    /// Fetches one chunk, or its halves if it is too large for the server.
    fn part(
        &mut self,
        part: QueryChunk,
        times: &[(i64, f64)],
        fold: &mut PointBuilder<'_>,
        tell: OnProgress<'_>,
    ) -> Result<(), FetchError> {
        let done = self.done;
        let outcome = self.ask(part, tell);
        match (outcome, part.split_in_half()) {
            (Ok(mut found), _) => {
                let within = times.iter().filter(|(at, _)| (part.start..=part.end()).contains(at));
                found.times =
                    within.filter_map(|(at, sampled)| Some((part.idx(*at as f64)?, *sampled))).collect();
                fold.part(part, found);
                Ok(())
            }
            (Err(failure), Some(halves)) if failure.cause.is_query_too_large() => {
                self.of += self.done - done + self.groups.len();
                halves.into_iter().try_for_each(|half| self.part(half, times, fold, tell))
            }
            (Err(failure), _) => Err(failure),
        }
    }

    fn ask(&mut self, part: QueryChunk, tell: OnProgress<'_>) -> Result<ChunkSeries, FetchError> {
        let mut found =
            ChunkSeries { entries: vec![Vec::new(); self.set.entries.len()], ..ChunkSeries::default() };
        if let Some(direct) = &self.set.signals {
            found.direct = self.server.direct(direct, part, tell)?;
            self.answered(tell);
        }
        for group in self.groups.clone() {
            let entries: Vec<&MetricMapping> = group.iter().map(|it| &self.set.entries[*it]).collect();
            for (idx, series) in group.iter().zip(self.server.fetch(&entries, part, tell)?) {
                found.entries[*idx] = series;
            }
            self.answered(tell);
        }
        Ok(found)
    }

    fn answered(&mut self, tell: OnProgress<'_>) {
        self.done += 1;
        tell(FetchProgress::Done { requests: self.done.min(self.of), of: self.of });
    }
}
