//! Parses responses of `/query` (<https://docs.influxdata.com/influxdb/v1/tools/api/#query-http-endpoint>) into series.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::fetch_error::FetchErrorKind;
use super::super::fetched_series::FetchedSeries;
use super::super::time_chunks::QueryChunk;
use crate::remote::quoted;

#[derive(Deserialize)]
struct InfluxResponse {
    #[serde(default)]
    results: Vec<StatementResult>,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct StatementResult {
    #[serde(default)]
    series: Vec<RawSeries>,
    #[serde(default)]
    error: String,
    /// The server has more rows than it returned: `max-row-limit`.
    #[serde(default)]
    partial: bool,
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    tags: BTreeMap<String, String>,
    columns: Vec<String>,
    #[serde(default)]
    values: Vec<Vec<InfluxValue>>,
    #[serde(default)]
    partial: bool,
}

/// One cell of a row.
#[derive(Debug, PartialEq)]
enum InfluxValue {
    Number(f64),
    Text(String),
    Nothing,
}

impl<'de> Deserialize<'de> for InfluxValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor)
    }
}

struct CellVisitor;

impl<'de> Visitor<'de> for CellVisitor {
    type Value = InfluxValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<InfluxValue, E> {
        Ok(InfluxValue::Number(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<InfluxValue, E> {
        Ok(InfluxValue::Number(value as f64))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<InfluxValue, E> {
        Ok(InfluxValue::Number(value as f64))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<InfluxValue, E> {
        Ok(InfluxValue::Number(f64::from(u8::from(value))))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<InfluxValue, E> {
        Ok(InfluxValue::Text(text.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<InfluxValue, E> {
        Ok(InfluxValue::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<InfluxValue, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(InfluxValue::Nothing)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InfluxValue, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(InfluxValue::Nothing)
    }
}

/// Series of each of the columns `v0`, `v1`, …: a row is a step, with the time of its start plus one millisecond.
pub(in crate::backfill) fn columns(
    bytes: &[u8],
    count: usize,
    chunk: QueryChunk,
) -> Result<Vec<Vec<FetchedSeries>>, FetchErrorKind> {
    let mut columns = vec![Vec::new(); count];
    for raw in open(bytes)? {
        let place = |name: &str| raw.columns.iter().position(|it| it == name);
        let time =
            place("time").ok_or_else(|| FetchErrorKind::Malformed("the column `time` is missing".into()))?;
        for (idx, column) in columns.iter_mut().enumerate() {
            let Some(place) = place(&format!("v{idx}")) else { continue };
            let known = raw.values.iter().filter_map(|row| {
                let (Some(InfluxValue::Number(at)), Some(InfluxValue::Number(value))) =
                    (row.get(time), row.get(place))
                else {
                    return None;
                };
                Some((chunk.idx(at - 1.0 + chunk.step as f64)?, *value)).filter(|(_, it)| it.is_finite())
            });
            let mut values: Vec<_> = known.collect();
            values.sort_by_key(|(idx, _)| *idx);
            values.dedup_by_key(|(idx, _)| *idx);
            if !values.is_empty() {
                column.push(FetchedSeries { labels: raw.tags.clone(), values });
            }
        }
    }
    Ok(columns)
}

/// The strings of one column, as `SHOW` returns them.
pub(in crate::backfill) fn texts(bytes: &[u8], column: &str) -> Result<Vec<String>, FetchErrorKind> {
    let mut texts = Vec::new();
    for raw in open(bytes)? {
        let Some(place) = raw.columns.iter().position(|it| it == column) else { continue };
        let cells = raw.values.into_iter().filter_map(|row| row.into_iter().nth(place));
        texts.extend(cells.filter_map(|it| match it {
            InfluxValue::Text(text) => Some(text),
            InfluxValue::Number(_) | InfluxValue::Nothing => None,
        }));
    }
    Ok(texts)
}

fn open(bytes: &[u8]) -> Result<Vec<RawSeries>, FetchErrorKind> {
    let answer: InfluxResponse = serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
        true => FetchErrorKind::Half,
        false => FetchErrorKind::Malformed(quoted(&error.to_string())),
    })?;
    let said = std::iter::once(&answer.error).chain(answer.results.iter().map(|it| &it.error));
    if let Some(error) = said.into_iter().find(|it| !it.is_empty()) {
        return Err(FetchErrorKind::BadQuery { status: 200, said: quoted(error) });
    }
    if answer.results.is_empty() {
        return Err(FetchErrorKind::Malformed("the field `results` is missing".into()));
    }
    let is_partial = answer.results.iter().any(|it| it.partial || it.series.iter().any(|it| it.partial));
    if is_partial {
        let said = "the server truncates the rows; raise its max-row-limit".into();
        return Err(FetchErrorKind::BadQuery { status: 200, said });
    }
    Ok(answer.results.into_iter().flat_map(|it| it.series).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CHUNK: QueryChunk = QueryChunk { start: 990_000, step: 30_000, points: 3 };

    fn check(text: &str, expect: &str) {
        let found = match columns(text.as_bytes(), 2, CHUNK) {
            Ok(it) => {
                let series =
                    it.iter().map(|it| it.iter().map(|it| format!("{:?}{:?}", it.labels, it.values)));
                series.map(|it| it.collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("; ")
            }
            Err(cause) => format!("{cause:?}"),
        };
        assert_eq!(found, expect, "{text}");
    }

    fn result(values: &str) -> String {
        format!(
            r#"{{"results":[{{"statement_id":0,"series":[{{"name":"diskio","tags":{{"name":"sda"}},"columns":["time","v0","v1"],"values":[{values}]}}]}}]}}"#
        )
    }

    #[test]
    fn rows_are_put_on_the_ends_of_their_steps() {
        check(
            &result("[960001,1,null],[990001,2,3.5]"),
            r#"{"name": "sda"}[(0, 1.0), (1, 2.0)]; {"name": "sda"}[(1, 3.5)]"#,
        );
        // Values that are no numbers are gaps; unrequested instants are ignored.
        check(
            &result(r#"[960001,"x",true],[930001,1,2],["y",1,2],[],[960001]"#),
            r#"; {"name": "sda"}[(0, 1.0)]"#,
        );
        check(r#"{"results":[{"statement_id":0}]}"#, "; ");
    }

    #[test]
    fn malformed_responses_are_refused() {
        check("", "Half");
        check(r#"{"results":[{"statement_id":0,"ser"#, "Half");
        check("{}", r#"Malformed("the field `results` is missing")"#);
        check(r#"{"error":"x"}"#, r#"BadQuery { status: 200, said: "x" }"#);
        check(
            r#"{"results":[{"error":"database not found: y"}]}"#,
            r#"BadQuery { status: 200, said: "database not found: y" }"#,
        );
        check(
            r#"{"results":[{"series":[{"columns":["time"],"partial":true}]}]}"#,
            r#"BadQuery { status: 200, said: "the server truncates the rows; raise its max-row-limit" }"#,
        );
        check(
            r#"{"results":[{"series":[{"columns":["v0"]}]}]}"#,
            r#"Malformed("the column `time` is missing")"#,
        );
    }

    #[test]
    fn texts_are_listed() {
        let text = r#"{"results":[{"series":[{"columns":["key","value"],"values":[["host","a"],["host","b"],["host"]]}]}]}"#;
        assert_eq!(texts(text.as_bytes(), "value"), Ok(vec!["a".to_owned(), "b".to_owned()]));
    }

    proptest! {
        #[test]
        fn what_a_server_writes_is_read(values in prop::collection::vec((0usize..3, -1_000_000..1_000_000), 0..9)) {
            let rows: Vec<_> = values.iter().map(|(idx, it)| json!([CHUNK.at(*idx) - CHUNK.step + 1, it])).collect();
            let text = json!({"results": [{"series": [{"columns": ["time", "v0"], "values": rows}]}]});
            let found = columns(text.to_string().as_bytes(), 1, CHUNK).unwrap();
            for (idx, value) in found[0].iter().flat_map(|it| &it.values) {
                prop_assert!(values.contains(&(*idx, *value as i32)));
            }
        }

        #[test]
        fn any_response_is_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60), cut in 0usize..130) {
            let whole = result("[960001,1,null],[990001,2,3.5]");
            let _ = (columns(&bytes, 2, CHUNK), texts(&bytes, "value"));
            // A truncated response is reported as such.
            let half = &whole.as_bytes()[..cut.min(whole.len() - 1)];
            prop_assert_eq!(columns(half, 2, CHUNK), Err(FetchErrorKind::Half));
        }
    }
}
