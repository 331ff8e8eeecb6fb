//! Resolves the names in the mapping file to hostnorm's metrics. Errors name the line.

use std::collections::BTreeMap;

use super::{
    Aggregation, ENTRIES_MAX, ExporterMapping, LabelSource, MappingError, MetricMapping, SeriesSelector,
    ServerKind, SignalSelector, mapping_file,
};
use crate::metric::Metric;

/// Smallest similarity for suggesting a name; as for settings.
const SIMILARITY_MIN: f64 = 0.7;

/// Resolves names.
pub(super) struct MetricNameResolver<'a> {
    /// Name of the file, for messages.
    pub(super) file: &'a str,
    /// Its text, to find lines.
    pub(super) text: &'a str,
    /// hostnorm's metrics.
    pub(super) metrics: &'a [&'static Metric],
}

impl MetricNameResolver<'_> {
    pub(super) fn sets(
        &self,
        kind: ServerKind,
        raw: BTreeMap<String, mapping_file::RawProgram>,
    ) -> Result<Vec<ExporterMapping>, MappingError> {
        raw.into_iter().map(|(name, raw)| self.set(kind, name, raw)).collect()
    }

    fn set(
        &self,
        kind: ServerKind,
        name: String,
        raw: mapping_file::RawProgram,
    ) -> Result<ExporterMapping, MappingError> {
        let at = |key: &str| self.line([&name, key]);
        let choice = |key: &str, from: String, filter: String| match wrong_name(kind, &from) {
            None => Ok(SeriesSelector { from, filter }),
            Some(what) => Err(self.wrong(at(key), what)),
        };
        let anchor = choice("anchor", raw.anchor.from, raw.anchor.filter)?;
        let signals = match raw.signals {
            None => None,
            Some(_) if kind == ServerKind::Influx => {
                return Err(self.wrong(at("signals"), "signals are only read from Prometheus".into()));
            }
            Some(it) => {
                Some(SignalSelector { choice: choice("signals", it.from, it.filter)?, name: it.name })
            }
        };
        let mut entries = Vec::new();
        for (metric, sources) in raw.metrics {
            let line = at(&metric);
            for source in sources.0 {
                entries.push(self.entry(kind, &metric, source).map_err(|what| self.wrong(line, what))?);
            }
        }
        if ENTRIES_MAX < entries.len() {
            let what = format!("{} sources; the maximum is {ENTRIES_MAX}", entries.len());
            return Err(self.wrong(at("metrics"), what));
        }
        // A metric that is divided by another comes after it.
        entries.sort_by_key(|it| it.per.is_some());
        Ok(ExporterMapping { name, anchor, signals, entries })
    }

    fn entry(
        &self,
        kind: ServerKind,
        name: &str,
        source: mapping_file::RawMetric,
    ) -> Result<MetricMapping, String> {
        let metric = self.metric(name)?;
        for from in [Some(&source.from), source.plus.as_ref(), source.minus.as_ref()].into_iter().flatten() {
            if let Some(what) = wrong_name(kind, from) {
                return Err(what);
            }
        }
        let per = source.per.as_deref().map(|it| self.metric(it)).transpose()?;
        if let Some(per) = per.filter(|it| !it.labels.is_empty()) {
            return Err(format!("per must be a metric without labels; {per} has labels"));
        }
        if !source.times.is_finite() {
            return Err("times must be a finite number".into());
        }
        if kind == ServerKind::Influx && source.by != Aggregation::Sum {
            return Err("by does not apply to InfluxDB; select one series with where".into());
        }
        let foreign =
            source.labels.keys().chain(source.fixed.keys()).find(|it| !metric.labels.contains(&it.as_str()));
        if let Some(label) = foreign {
            return Err(format!("{metric} has no label {label:?}"));
        }
        let label = |label: &&str| match (source.fixed.get(*label), source.labels.get(*label)) {
            (Some(value), _) => Ok(LabelSource::Fixed(value.clone())),
            (None, Some(from)) => Ok(LabelSource::Of(from.clone())),
            (None, None) if kind == ServerKind::Prometheus => Ok(LabelSource::Of((*label).to_owned())),
            (None, None) => Err(format!(
                "no source for the label {label:?} of {metric}; add the tag under labels, or a value under fixed"
            )),
        };
        Ok(MetricMapping {
            metric,
            labels: metric.labels.iter().map(label).collect::<Result<_, _>>()?,
            choice: SeriesSelector { from: source.from, filter: source.filter },
            plus: source.plus,
            minus: source.minus,
            times: source.times,
            rate: source.rate,
            per,
            by: source.by,
        })
    }

    fn metric(&self, name: &str) -> Result<&'static Metric, String> {
        if let Some(metric) = self.metrics.iter().find(|it| it.name == name) {
            return Ok(metric);
        }
        let nearest = self.metrics.iter().map(|it| (strsim::jaro(it.name, name), it.name));
        let nearest =
            nearest.max_by(|one, other| one.0.total_cmp(&other.0)).filter(|it| it.0 >= SIMILARITY_MIN);
        let hint = nearest.map(|(_, name)| format!("; did you mean {name}?")).unwrap_or_default();
        Err(format!("hostnorm has no metric {name:?}{hint}"))
    }

    fn wrong(&self, line: Option<usize>, what: String) -> MappingError {
        MappingError { file: self.file.to_owned(), line, what }
    }

    /// The line of nested keys, counted from 1.
    fn line(&self, keys: [&str; 2]) -> Option<usize> {
        let mut lines = self.text.lines().enumerate();
        let mut found = None;
        for key in keys {
            let begins = |line: &str| {
                let rest = line.trim_start().trim_start_matches(['"', '\'']).strip_prefix(key);
                rest.is_some_and(|it| it.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
            };
            found = lines.find(|(_, line)| begins(line)).map(|(idx, _)| idx + 1).or(found);
        }
        found
    }
}

/// The problem with the name of a server's series.
fn wrong_name(kind: ServerKind, name: &str) -> Option<String> {
    let is_word =
        |it: &str| !it.is_empty() && it.chars().all(|it| !it.is_control() && !matches!(it, '"' | '\\'));
    match kind {
        ServerKind::Prometheus => {
            // Other names need quotes, which old servers do not support.
            let legal = |(idx, it): (usize, char)| {
                it.is_ascii_alphabetic() || matches!(it, '_' | ':') || (idx > 0 && it.is_ascii_digit())
            };
            let is_name = !name.is_empty() && name.chars().enumerate().all(legal);
            (!is_name).then(|| format!("{name:?} is not the name of a metric of Prometheus"))
        }
        ServerKind::Influx => {
            let is_name = name.split_once('.').is_some_and(|(one, other)| is_word(one) && is_word(other));
            (!is_name).then(|| format!("{name:?} is not a measurement.field of InfluxDB"))
        }
    }
}
