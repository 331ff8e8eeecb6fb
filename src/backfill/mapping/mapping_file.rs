//! The mapping file as parsed, before its names are resolved.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Aggregation, MappingError};
use crate::yaml_text;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingFile {
    #[serde(default)]
    pub(super) prometheus: BTreeMap<String, RawProgram>,
    #[serde(default)]
    pub(super) influxdb: BTreeMap<String, RawProgram>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProgram {
    pub(super) anchor: RawSelector,
    #[serde(default)]
    pub(super) signals: Option<RawSignals>,
    #[serde(default)]
    pub(super) metrics: BTreeMap<String, RawMetrics>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSelector {
    pub(super) from: String,
    #[serde(default, rename = "where")]
    pub(super) filter: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignals {
    pub(super) from: String,
    #[serde(default, rename = "where")]
    pub(super) filter: String,
    pub(super) name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetric {
    pub(super) from: String,
    #[serde(default)]
    pub(super) plus: Option<String>,
    #[serde(default)]
    pub(super) minus: Option<String>,
    #[serde(default, rename = "where")]
    pub(super) filter: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) fixed: BTreeMap<String, String>,
    #[serde(default = "one")]
    pub(super) times: f64,
    #[serde(default)]
    pub(super) rate: bool,
    #[serde(default)]
    pub(super) per: Option<String>,
    #[serde(default)]
    pub(super) by: Aggregation,
}

fn one() -> f64 {
    1.0
}

/// One source or a list of them. Not by serde's `untagged`, whose errors name no cause.
pub(super) struct RawMetrics(pub(super) Vec<RawMetric>);

impl<'de> Deserialize<'de> for RawMetrics {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SourcesVisitor)
    }
}

struct SourcesVisitor;

impl<'de> Visitor<'de> for SourcesVisitor {
    type Value = RawMetrics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a source such as {from: name}, or a list of them")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<RawMetrics, A::Error> {
        RawMetric::deserialize(de::value::MapAccessDeserializer::new(map)).map(|it| RawMetrics(vec![it]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<RawMetrics, A::Error> {
        Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(RawMetrics)
    }
}

/// Parses the text of a file.
pub(super) fn parse(file: &str, text: &str) -> Result<MappingFile, MappingError> {
    yaml_serde::from_str(text).map_err(|error| {
        let (line, what) = yaml_text::problem(text, &error);
        MappingError { file: file.to_owned(), line, what }
    })
}
