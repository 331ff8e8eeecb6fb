//! Queries the HTTP API of Prometheus, which VictoriaMetrics, Thanos and Mimir also serve.
//!
//! Of counters, the newest value of each step is queried; of gauges, the mean, as on a live host. Windows are one
//! millisecond shorter than a step, because Prometheus before version 3 includes both ends.

use std::collections::BTreeSet;

use super::fetch_error::{FetchError, FetchErrorKind};
use super::fetched_series::{FetchedSeries, some_of};
use super::http_client::{HttpClient, OnProgress};
use super::mapping::{LabelSource, MetricMapping, SeriesSelector, SignalSelector};
use super::time_chunks::QueryChunk;
use super::{RemoteHistoryQuery, ServerAddress};
use crate::metric::MetricType;
use crate::remote::ServerConnection;

pub(super) mod response;

/// The server being queried.
pub(super) struct PrometheusClient {
    client: HttpClient,
    /// Selectors of the host, for use between braces.
    selectors: Vec<String>,
    /// Warnings of the server, without duplicates.
    pub(super) warnings: BTreeSet<String>,
}

/// Largest number of warnings kept.
const WARNINGS_MAX: usize = 5;

impl PrometheusClient {
    pub(super) fn new(
        address: &ServerAddress,
        access: &ServerConnection,
        wanted: &RemoteHistoryQuery<'_>,
    ) -> Result<Self, FetchError> {
        let matching =
            wanted.selector.map(|it| it.trim().trim_start_matches('{').trim_end_matches('}').trim());
        let host = wanted.host.map(|it| format!("instance=~\"{}(:[0-9]+)?\"", literal(it)));
        let selectors =
            matching.map(str::to_owned).into_iter().chain(host).filter(|it| !it.is_empty()).collect();
        Ok(Self { client: HttpClient::new(address, access)?, selectors, warnings: BTreeSet::new() })
    }

    pub(super) fn failure(&self, cause: FetchErrorKind) -> FetchError {
        self.client.failure(cause)
    }

    /// The hosts with an anchor in this time range; none if its series have no label `instance`.
    pub(super) fn hosts(
        &mut self,
        anchor: &SeriesSelector,
        whole: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<String>, FetchError> {
        self.label("instance", Some(&self.selected(anchor)), whole, tell)
    }

    /// Names for a user whose query found nothing.
    pub(super) fn instead(&mut self, whole: QueryChunk, tell: OnProgress<'_>) -> String {
        match self.label("instance", None, whole, tell) {
            Ok(hosts) if hosts.is_empty() => "it has no series with a label instance in this range".into(),
            Ok(hosts) => format!("in this range it has the instances {}", some_of(&hosts).join(", ")),
            // The list is only a courtesy.
            Err(_) => String::new(),
        }
    }

    /// Time of the newest sample of the anchor in each step that has one, in seconds.
    pub(super) fn times(
        &mut self,
        anchor: &SeriesSelector,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<(usize, f64)>, FetchError> {
        let query = format!("max(timestamp({}))", self.selected(anchor));
        let series = self.range(&query, chunk, tell)?;
        let found = series.into_iter().flat_map(|it| it.values);
        // An older sample is from before a gap.
        Ok(found.filter(|(idx, at)| chunk.at(*idx) as f64 - at * 1e3 < chunk.step as f64).collect())
    }

    /// Fetches signals by name.
    pub(super) fn direct(
        &mut self,
        direct: &SignalSelector,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<FetchedSeries>, FetchError> {
        let inner = over("last", &self.selected(&direct.choice), chunk);
        self.range(&format!("max by ({}) ({inner})", direct.name), chunk, tell)
    }

    /// Fetches one raw metric.
    pub(super) fn fetch(
        &mut self,
        entry: &MetricMapping,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<FetchedSeries>, FetchError> {
        let query = self.query(entry, chunk);
        self.range(&query, chunk, tell)
    }

    fn query(&self, entry: &MetricMapping, chunk: QueryChunk) -> String {
        let over_time = if entry.metric.ty == MetricType::Counter && !entry.rate { "last" } else { "avg" };
        let labels = entry.labels.iter().filter_map(|it| match it {
            LabelSource::Of(name) => Some(name.as_str()),
            LabelSource::Fixed(_) => None,
        });
        let labels = labels.collect::<Vec<_>>().join(",");
        let term = |name: &str| {
            let choice = SeriesSelector { from: name.to_owned(), filter: entry.choice.filter.clone() };
            let inner = over(over_time, &self.selected(&choice), chunk);
            format!("{} by ({labels}) ({inner})", entry.by.name())
        };
        let plus = entry.plus.as_deref().map(|it| format!(" + {}", term(it))).unwrap_or_default();
        let minus = entry.minus.as_deref().map(|it| format!(" - {}", term(it))).unwrap_or_default();
        format!("{}{plus}{minus}", term(&entry.choice.from))
    }

    /// A selector for series of the host.
    fn selected(&self, choice: &SeriesSelector) -> String {
        let filter = Some(choice.filter.as_str()).filter(|it| !it.is_empty());
        let inner: Vec<_> = filter.into_iter().chain(self.selectors.iter().map(String::as_str)).collect();
        format!("{}{{{}}}", choice.from, inner.join(","))
    }

    fn range(
        &mut self,
        query: &str,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<FetchedSeries>, FetchError> {
        let [start, end, step] =
            [chunk.start, chunk.end(), chunk.step].map(|it| format!("{:.3}", it as f64 / 1e3));
        let form = [("query", query), ("start", &start), ("end", &end), ("step", &step)];
        let bytes = self.client.query("/api/v1/query_range", &form, tell)?;
        let answer = response::parse_matrix(&bytes, chunk).map_err(|cause| self.failure(cause))?;
        self.warn(answer.warnings);
        Ok(answer.series)
    }

    fn label(
        &mut self,
        name: &str,
        series: Option<&str>,
        whole: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<String>, FetchError> {
        let [start, end] = [whole.start, whole.end()].map(|it| (it / 1000).to_string());
        let mut form = vec![("start", start.as_str()), ("end", &end)];
        form.extend(series.map(|it| ("match[]", it)));
        let bytes = self.client.get(&format!("/api/v1/label/{name}/values"), &form, tell)?;
        let answer = response::values(&bytes).map_err(|cause| self.failure(cause))?;
        self.warn(answer.warnings);
        Ok(answer.values)
    }

    fn warn(&mut self, warnings: Vec<String>) {
        let room = WARNINGS_MAX.saturating_sub(self.warnings.len());
        self.warnings.extend(warnings.into_iter().take(room));
    }
}

fn over(what: &str, selected: &str, chunk: QueryChunk) -> String {
    format!("{what}_over_time({selected}[{}ms])", (chunk.step - 1).max(1))
}

/// Escapes a text for a quoted regular expression.
fn literal(text: &str) -> String {
    let escape = |it: char| match it {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => it.to_string(),
        '"' => "\\\"".into(),
        '\\' => "\\\\\\\\".into(),
        _ if it.is_ascii_punctuation() => format!("\\\\{it}"),
        _ => it.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::super::mapping::Aggregation;
    use super::super::{HistorySource, ServerKind};
    use super::*;
    use crate::duration::HumanDuration;
    use crate::metric::Metric;
    use crate::reading::Timestamp;

    static SECONDS: Metric = Metric::counter("seconds_total", "Time").by(&["mode"]);
    static USED: Metric = Metric::gauge("used_bytes", "Bytes");

    fn server(host: Option<&str>, matching: Option<&str>) -> PrometheusClient {
        let Ok(HistorySource::Server(address)) = "prometheus:http://h".parse() else { panic!("it is one") };
        assert_eq!(address.kind, ServerKind::Prometheus);
        let wanted = RemoteHistoryQuery {
            metrics: &[],
            signals: &[],
            step: HumanDuration::seconds(30),
            until: Timestamp(0.0),
            lookback: HumanDuration::days(1),
            host,
            selector: matching,
        };
        PrometheusClient::new(&address, &ServerConnection::default(), &wanted).unwrap()
    }

    fn entry(metric: &'static Metric, from: &str, filter: &str) -> MetricMapping {
        MetricMapping {
            metric,
            choice: SeriesSelector { from: from.into(), filter: filter.into() },
            plus: None,
            minus: None,
            labels: metric.labels.iter().map(|it| LabelSource::Of((*it).into())).collect(),
            times: 1.0,
            rate: false,
            per: None,
            by: Aggregation::Sum,
        }
    }

    fn check(server: &PrometheusClient, entry: &MetricMapping, expect: &str) {
        assert_eq!(server.query(entry, QueryChunk { start: 0, step: 30_000, points: 1 }), expect);
    }

    #[test]
    fn counters_are_taken_and_gauges_are_averaged() {
        let any = server(None, None);
        check(&any, &entry(&SECONDS, "cpu", ""), "sum by (mode) (last_over_time(cpu{}[29999ms]))");
        let memory = MetricMapping { minus: Some("free".into()), ..entry(&USED, "total", "") };
        let expect =
            "sum by () (avg_over_time(total{}[29999ms])) - sum by () (avg_over_time(free{}[29999ms]))";
        check(&any, &memory, expect);
        let count = MetricMapping { by: Aggregation::Count, ..entry(&USED, "cpu", "mode=\"idle\"") };
        let expect = "count by () (avg_over_time(cpu{mode=\"idle\",job=\"a\",instance=~\"a\\\\.b(:[0-9]+)?\"}[29999ms]))";
        check(&server(Some("a.b"), Some("{job=\"a\"}")), &count, expect);
    }
}
