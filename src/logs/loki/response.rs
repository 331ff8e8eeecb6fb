//! Parses responses of `query_range` (<https://grafana.com/docs/loki/latest/reference/loki-http-api/>) into lines.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::logs::remote_log::{RemoteLine, RemoteLogErrorKind, SeverityLabels, line_identity};

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Option<ResponseData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseData {
    result_type: String,
    #[serde(default)]
    result: Vec<RawStream>,
}

/// A stream: all its lines have its labels.
#[derive(Deserialize)]
struct RawStream {
    #[serde(default)]
    stream: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<RawEntry>,
}

/// `["1700000000000000000", "text"]`, with structured metadata as a third element in newer versions. The results of a
/// query for numbers have a number first.
struct RawEntry {
    at: Option<i64>,
    text: String,
    /// Labels of this line alone.
    metadata: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for RawEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RawEntryVisitor)
    }
}

struct RawEntryVisitor;

impl<'de> Visitor<'de> for RawEntryVisitor {
    type Value = RawEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time and a line")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<RawEntry, A::Error> {
        let missing = || de::Error::invalid_length(0, &self);
        let at: EntryTime = seq.next_element()?.ok_or_else(missing)?;
        let text = seq.next_element()?.ok_or_else(missing)?;
        let metadata = seq.next_element()?.map(labels_of).unwrap_or_default();
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(RawEntry { at: at.0, text, metadata })
    }
}

/// Nanoseconds in quotes; none for a number without quotes.
struct EntryTime(Option<i64>);

impl<'de> Deserialize<'de> for EntryTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryTimeVisitor)
    }
}

struct EntryTimeVisitor;

impl Visitor<'_> for EntryTimeVisitor {
    type Value = EntryTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nanoseconds in quotes")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<EntryTime, E> {
        let at = text.parse().ok().filter(|it| *it >= 0);
        at.map(|it| EntryTime(Some(it))).ok_or_else(|| E::custom("no time"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<EntryTime, E> {
        Ok(EntryTime(None))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<EntryTime, E> {
        Ok(EntryTime(None))
    }
}

/// Labels of a line: at the top, or in groups if a proxy asks for groups.
fn labels_of(metadata: Value) -> BTreeMap<String, String> {
    let Value::Object(fields) = metadata else { return BTreeMap::new() };
    let label = |(name, value): (String, Value)| match value {
        Value::String(text) => vec![(name, text)],
        Value::Object(group) => {
            let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
            group.into_iter().filter_map(text).collect()
        }
        _ => Vec::new(),
    };
    fields.into_iter().flat_map(label).collect()
}

/// Parses lines, stream by stream.
pub(in crate::logs) fn lines(body: &[u8]) -> Result<Vec<RemoteLine>, RemoteLogErrorKind> {
    let envelope: Envelope =
        serde_json::from_slice(body).map_err(|error| RemoteLogErrorKind::of_json(&error))?;
    let Some(data) = envelope.data else { return Err(RemoteLogErrorKind::Malformed(0)) };
    if data.result_type != "streams" {
        return Err(RemoteLogErrorKind::Numbers);
    }
    let mut lines = Vec::with_capacity(data.result.iter().map(|it| it.values.len()).sum());
    for raw in data.result {
        let labels = raw.stream.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let stream = line_identity(labels);
        for entry in raw.values {
            let at = entry.at.ok_or(RemoteLogErrorKind::Malformed(0))?;
            let mut level = SeverityLabels::default();
            // Labels of the line before those of the stream.
            let all = raw.stream.iter().filter(|(name, _)| !entry.metadata.contains_key(*name));
            all.chain(&entry.metadata).for_each(|(name, value)| level.see(name, value));
            let identity = line_identity([entry.text.as_str()]) ^ stream.rotate_left(1);
            lines.push(RemoteLine { at, identity, severity: level.severity(), text: entry.text });
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_stream::LogSeverity;

    fn summary(body: &str) -> Vec<(i64, Option<LogSeverity>, String)> {
        lines(body.as_bytes()).unwrap().into_iter().map(|it| (it.at, it.severity, it.text)).collect()
    }

    fn streams(result: &str) -> String {
        format!(
            r#"{{"status":"success","data":{{"resultType":"streams","result":[{result}],"stats":{{}}}}}}"#
        )
    }

    #[test]
    fn lines_have_time_text_and_severity() {
        let body = streams(
            r#"{"stream":{"app":"a","level":"warn"},"values":[["2","x"],["3","y",{"detected_level":"error"}]]},
               {"stream":{"app":"b"},"values":[["1","z",{"structuredMetadata":{"level":"error"},"parsed":{"a":"b"}}],
                ["4","\u00e9",{}, 7]]}"#,
        );
        use LogSeverity::{Error, Warning};
        let expect = [
            (2, Some(Warning), "x".to_owned()),
            (3, Some(Warning), "y".to_owned()),
            (1, Some(Error), "z".to_owned()),
            (4, None, "é".to_owned()),
        ];
        assert_eq!(summary(&body), expect);
        assert_eq!(summary(&streams("")), []);
    }

    #[test]
    fn the_stream_belongs_to_the_identity() {
        let body = streams(
            r#"{"stream":{"app":"a"},"values":[["1","x"],["2","x"]]},{"stream":{"app":"b"},"values":[["1","x"]]}"#,
        );
        let found = lines(body.as_bytes()).unwrap();
        assert_eq!(found[0].identity, found[1].identity);
        assert_ne!(found[0].identity, found[2].identity);
    }

    #[test]
    fn other_responses_are_refused() {
        let check = |body: &str, expect: &RemoteLogErrorKind| {
            assert_eq!(lines(body.as_bytes()).as_ref(), Err(expect), "{body}");
        };
        check("", &RemoteLogErrorKind::Half);
        let whole = streams(r#"{"stream":{"app":"a"},"values":[["2","secret"]]}"#);
        check(&whole[..whole.len() - 30], &RemoteLogErrorKind::Half);
        check("[]", &RemoteLogErrorKind::Malformed(0));
        check("?", &RemoteLogErrorKind::Malformed(1));
        check(r#"{"status":"error"}"#, &RemoteLogErrorKind::Malformed(0));
        let matrix = r#"{"data":{"resultType":"matrix","result":[{"metric":{"app":"a"},"values":[[1700000000,"2"]]}]}}"#;
        check(matrix, &RemoteLogErrorKind::Numbers);
        let error = lines(streams(r#"{"stream":{},"values":[["secret","x"]]}"#).as_bytes()).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("secret"), "{error}");
    }
}
