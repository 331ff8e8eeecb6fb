//! Queries Telegraf's data from InfluxDB 1.x and servers that speak InfluxQL.
//!
//! The fields of a measurement are queried together. Steps are shifted by one millisecond, because InfluxDB includes the
//! start of a step and Prometheus its end.

use super::fetch_error::{FetchError, FetchErrorKind};
use super::fetched_series::{FetchedSeries, some_of};
use super::http_client::{HttpClient, OnProgress};
use super::mapping::{LabelSource, MetricMapping, SeriesSelector};
use super::time_chunks::QueryChunk;
use super::{RemoteHistoryQuery, ServerAddress};
use crate::metric::MetricType;
use crate::remote::ServerConnection;

pub(super) mod response;

/// The server being queried.
pub(super) struct InfluxClient {
    client: HttpClient,
    database: String,
    /// The retention policy, unless it is the default.
    policy: Option<String>,
    /// Conditions that select the host.
    conditions: Vec<String>,
}

/// Largest number of measurements or databases listed in a message.
const LISTED_MAX: usize = 20;

impl InfluxClient {
    pub(super) fn new(
        address: &ServerAddress,
        access: &ServerConnection,
        wanted: &RemoteHistoryQuery<'_>,
    ) -> Result<Self, FetchError> {
        let host =
            wanted.host.map(|it| format!("\"host\" = '{}'", it.replace('\\', "\\\\").replace('\'', "\\'")));
        let matching = wanted.selector.map(str::trim).filter(|it| !it.is_empty()).map(|it| format!("({it})"));
        let (database, policy) = address.database.clone().unwrap_or_default();
        let conditions = host.into_iter().chain(matching).collect();
        Ok(Self { client: HttpClient::new(address, access)?, database, policy, conditions })
    }

    pub(super) fn failure(&self, cause: FetchErrorKind) -> FetchError {
        self.client.failure(cause)
    }

    /// The hosts that wrote the measurement of an anchor, at any time.
    pub(super) fn hosts(
        &mut self,
        anchor: &SeriesSelector,
        tell: OnProgress<'_>,
    ) -> Result<Vec<String>, FetchError> {
        let conditions = self.conditions.join(" AND ");
        let filter = if conditions.is_empty() { String::new() } else { format!(" WHERE {conditions}") };
        let (measurement, _) = parted(&anchor.from);
        self.list(
            &format!("SHOW TAG VALUES FROM \"{measurement}\" WITH KEY = \"host\"{filter}"),
            "value",
            tell,
        )
    }

    /// Names for a user whose query found nothing.
    pub(super) fn instead(&mut self, tell: OnProgress<'_>) -> String {
        match self.list(&format!("SHOW MEASUREMENTS LIMIT {LISTED_MAX}"), "name", tell) {
            Ok(names) if names.is_empty() => format!("the database {:?} is empty", self.database),
            Ok(names) => {
                format!(
                    "the database {:?} has the measurements {}",
                    self.database,
                    some_of(&names).join(", ")
                )
            }
            // The list is only a courtesy.
            Err(_) => String::new(),
        }
    }

    /// Steps with an anchor, each with its end in seconds.
    pub(super) fn times(
        &mut self,
        anchor: &SeriesSelector,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<(usize, f64)>, FetchError> {
        let (measurement, field) = parted(&anchor.from);
        let query = self.query(measurement, &[format!("count(\"{field}\")")], &anchor.filter, &[], chunk);
        let found = self.range(&query, 1, chunk, tell)?.into_iter().flatten().flat_map(|it| it.values);
        let mut steps: Vec<_> = found.map(|(idx, _)| (idx, chunk.at(idx) as f64 / 1e3)).collect();
        steps.sort_by_key(|(idx, _)| *idx);
        steps.dedup_by_key(|(idx, _)| *idx);
        Ok(steps)
    }

    /// Sources that one query may combine: those of one measurement with the same condition and tags.
    pub(super) fn groups(entries: &[MetricMapping]) -> Vec<Vec<usize>> {
        let key =
            |it: &MetricMapping| (parted(&it.choice.from).0.to_owned(), it.choice.filter.clone(), tags(it));
        let mut groups: Vec<(_, Vec<usize>)> = Vec::new();
        for (idx, entry) in entries.iter().enumerate() {
            let key = key(entry);
            match groups.iter_mut().find(|(other, _)| *other == key) {
                Some((_, group)) => group.push(idx),
                None => groups.push((key, vec![idx])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    /// Fetches the sources of one group.
    pub(super) fn fetch(
        &mut self,
        entries: &[&MetricMapping],
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<Vec<FetchedSeries>>, FetchError> {
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let (measurement, _) = parted(&first.choice.from);
        let columns: Vec<String> = entries.iter().map(|it| column(it)).collect();
        let query = self.query(measurement, &columns, &first.choice.filter, &tags(first), chunk);
        self.range(&query, entries.len(), chunk, tell)
    }

    fn query(
        &self,
        measurement: &str,
        columns: &[String],
        filter: &str,
        tags: &[String],
        chunk: QueryChunk,
    ) -> String {
        let columns: Vec<_> =
            columns.iter().enumerate().map(|(idx, it)| format!("{it} AS \"v{idx}\"")).collect();
        let filter = (!filter.is_empty()).then(|| format!("({filter})"));
        let conditions =
            filter.iter().chain(&self.conditions).map(|it| format!("{it} AND ")).collect::<String>();
        let tags: String = tags.iter().map(|it| format!(", \"{it}\"")).collect();
        let (after, until, step) = (chunk.start - chunk.step, chunk.end(), chunk.step);
        format!(
            "SELECT {} FROM \"{measurement}\" WHERE {conditions}time > {after}ms AND time <= {until}ms \
             GROUP BY time({step}ms, 1ms){tags} fill(none)",
            columns.join(", ")
        )
    }

    /// Fetches the series of each column.
    fn range(
        &mut self,
        query: &str,
        columns: usize,
        chunk: QueryChunk,
        tell: OnProgress<'_>,
    ) -> Result<Vec<Vec<FetchedSeries>>, FetchError> {
        let bytes = self.ask(query, tell)?;
        response::columns(&bytes, columns, chunk).map_err(|cause| self.explained(cause, tell))
    }

    fn list(&mut self, query: &str, column: &str, tell: OnProgress<'_>) -> Result<Vec<String>, FetchError> {
        let bytes = self.ask(query, tell)?;
        response::texts(&bytes, column).map_err(|cause| self.explained(cause, tell))
    }

    fn ask(&mut self, query: &str, tell: OnProgress<'_>) -> Result<Vec<u8>, FetchError> {
        let mut form = vec![("db", self.database.as_str()), ("epoch", "ms"), ("q", query)];
        form.extend(self.policy.as_deref().map(|it| ("rp", it)));
        self.client.get("/query", &form, tell)
    }

    /// For a missing database, adds the existing ones to the error.
    fn explained(&self, cause: FetchErrorKind, tell: OnProgress<'_>) -> FetchError {
        let FetchErrorKind::BadQuery { status, mut said } = cause else { return self.failure(cause) };
        if said.starts_with("database not found") {
            let form = [("epoch", "ms"), ("q", "SHOW DATABASES")];
            let names =
                self.client.get("/query", &form, tell).ok().and_then(|it| response::texts(&it, "name").ok());
            let names: Vec<_> =
                names.unwrap_or_default().into_iter().filter(|it| !it.starts_with('_')).collect();
            said.push_str(&match names.is_empty() {
                true => String::new(),
                false => format!(" (there are {})", some_of(&names).join(", ")),
            });
        }
        self.failure(FetchErrorKind::BadQuery { status, said })
    }
}

/// Measurement and field; the mapping guarantees both.
fn parted(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

fn tags(entry: &MetricMapping) -> Vec<String> {
    let of = entry.labels.iter().filter_map(|it| match it {
        LabelSource::Of(tag) => Some(tag.replace(['"', '\\'], "")),
        LabelSource::Fixed(_) => None,
    });
    of.collect()
}

/// The newest value of counters, the mean of gauges.
fn column(entry: &MetricMapping) -> String {
    let function = if entry.metric.ty == MetricType::Counter && !entry.rate { "last" } else { "mean" };
    let term = |name: &str| format!("{function}(\"{}\")", parted(name).1);
    let plus = entry.plus.as_deref().map(|it| format!(" + {}", term(it))).unwrap_or_default();
    let minus = entry.minus.as_deref().map(|it| format!(" - {}", term(it))).unwrap_or_default();
    format!("{}{plus}{minus}", term(&entry.choice.from))
}
