//! Parses responses of the API (<https://prometheus.io/docs/prometheus/latest/querying/api/>) into series.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::fetch_error::FetchErrorKind;
use super::super::fetched_series::FetchedSeries;
use super::super::time_chunks::QueryChunk;
use crate::remote::quoted;

/// Series at the instants of a chunk.
#[derive(Debug, Default, PartialEq)]
pub(in crate::backfill) struct Matrix {
    pub(in crate::backfill) series: Vec<FetchedSeries>,
    pub(in crate::backfill) warnings: Vec<String>,
}

/// Values of a label.
#[derive(Debug, Default, PartialEq)]
pub(in crate::backfill) struct LabelValues {
    pub(in crate::backfill) values: Vec<String>,
    pub(in crate::backfill) warnings: Vec<String>,
}

/// The object around every response.
#[derive(Deserialize)]
struct Envelope<D> {
    status: String,
    #[serde(default = "Option::default")]
    data: Option<D>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseData {
    result_type: String,
    #[serde(default)]
    result: Vec<RawSeries>,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, Number)>,
}

/// A quoted number, because JSON has no NaN.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        text.parse().map(Number).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }
}

/// Parses the response of `query_range`. A value that is not finite is a gap: NaN, and staleness markers.
pub(in crate::backfill) fn parse_matrix(bytes: &[u8], chunk: QueryChunk) -> Result<Matrix, FetchErrorKind> {
    let (data, warnings): (ResponseData, _) = open(bytes)?;
    if data.result_type != "matrix" {
        let what = format!("a {:?} came instead of a matrix", quoted(&data.result_type));
        return Err(FetchErrorKind::Malformed(what));
    }
    let series = data.result.into_iter().map(|raw| {
        let known = raw.values.into_iter().filter(|(_, it)| it.0.is_finite());
        let mut values: Vec<_> = known.filter_map(|(at, it)| Some((chunk.idx(at * 1e3)?, it.0))).collect();
        values.sort_by_key(|(idx, _)| *idx);
        values.dedup_by_key(|(idx, _)| *idx);
        FetchedSeries { labels: raw.metric, values }
    });
    Ok(Matrix { series: series.collect(), warnings })
}

/// Parses a list of strings.
pub(in crate::backfill) fn values(bytes: &[u8]) -> Result<LabelValues, FetchErrorKind> {
    let (values, warnings) = open(bytes)?;
    Ok(LabelValues { values, warnings })
}

fn open<D: DeserializeOwned>(bytes: &[u8]) -> Result<(D, Vec<String>), FetchErrorKind> {
    let envelope: Envelope<D> = serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
        true => FetchErrorKind::Half,
        false => FetchErrorKind::Malformed(quoted(&error.to_string())),
    })?;
    let warnings = envelope.warnings.iter().map(|it| quoted(it)).collect();
    match envelope.data {
        Some(data) if envelope.status == "success" => Ok((data, warnings)),
        _ if envelope.error.is_empty() => {
            Err(FetchErrorKind::Malformed("the field `data` is missing".into()))
        }
        _ => Err(FetchErrorKind::BadQuery { status: 200, said: quoted(&envelope.error) }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CHUNK: QueryChunk = QueryChunk { start: 1_000_000, step: 30_000, points: 3 };

    fn check(text: &str, expect: &str) {
        let found = match parse_matrix(text.as_bytes(), CHUNK) {
            Ok(it) => {
                let series = it.series.iter().map(|it| format!("{:?} {:?}", it.labels, it.values));
                series.chain(it.warnings).collect::<Vec<_>>().join("; ")
            }
            Err(cause) => format!("{cause:?}"),
        };
        assert_eq!(found, expect, "{text}");
    }

    fn result(values: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"mode":"idle"}},"values":[{values}]}}]}}}}"#
        )
    }

    #[test]
    fn series_are_put_on_their_instants() {
        check(&result(r#"[1000,"1.5"],[1060.001,"2e3"]"#), r#"{"mode": "idle"} [(0, 1.5), (2, 2000.0)]"#);
        check(&result(""), r#"{"mode": "idle"} []"#);
        // Values that are not finite are gaps; unrequested instants are ignored.
        check(
            &result(r#"[1000,"NaN"],[1030,"+Inf"],[1060,"-Inf"],[1015,"7"],[9999,"7"]"#),
            r#"{"mode": "idle"} []"#,
        );
        check(&result(r#"[1060,"3"],[1000,1],[1000,"2"]"#), r#"{"mode": "idle"} [(0, 1.0), (2, 3.0)]"#);
        let empty = r#"{"status":"success","warnings":["PromQL info:\n x"],"data":{"resultType":"matrix","result":[]}}"#;
        check(empty, "PromQL info: x");
    }

    #[test]
    fn malformed_responses_are_refused() {
        check("", "Half");
        check(r#"{"status":"success","data":{"resultType":"matrix","result":[{"met"#, "Half");
        check(r#"{"status":"success"}"#, r#"Malformed("the field `data` is missing")"#);
        check(r#"{"status":"error","error":"bad"}"#, r#"BadQuery { status: 200, said: "bad" }"#);
        check(
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#,
            r#"Malformed("a \"vector\" came instead of a matrix")"#,
        );
        check(
            &result(r#"[1000,"x"]"#),
            r#"Malformed("invalid value: string \"x\", expected a number in quotes at line 1 column 105")"#,
        );
        check(
            "[]",
            r#"Malformed("invalid length 0, expected struct Envelope with 4 elements at line 1 column 2")"#,
        );
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_read(values in prop::collection::vec((0usize..3, -1e9..1e9f64), 0..9)) {
            let rows: Vec<_> = values.iter().map(|(idx, it)| json!([CHUNK.at(*idx) as f64 / 1e3, it.to_string()])).collect();
            let text = json!({"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": rows}]}});
            let found = parse_matrix(text.to_string().as_bytes(), CHUNK).unwrap();
            for (idx, value) in &found.series[0].values {
                prop_assert!(values.contains(&(*idx, *value)));
            }
            prop_assert!(found.series[0].values.is_sorted_by(|one, other| one.0 < other.0));
        }

        #[test]
        fn any_response_is_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..130) {
            let whole = result(r#"[1000,"1.5"],[1030,"NaN"]"#);
            let _ = (parse_matrix(&bytes, CHUNK), values(&bytes));
            // A truncated response is reported as such.
            let half = &whole.as_bytes()[..cut.min(whole.len() - 1)];
            prop_assert_eq!(parse_matrix(half, CHUNK), Err(FetchErrorKind::Half));
        }
    }
}
