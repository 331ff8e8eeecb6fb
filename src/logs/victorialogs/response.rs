//! Parses responses of `/select/logsql/query` (<https://docs.victoriametrics.com/victorialogs/querying/>) into lines.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::logs::remote_log::{RemoteLine, RemoteLogErrorKind, SeverityLabels, line_identity};

/// Parses lines of JSON, each with the fields of a log line. One without a message counts with its JSON as its text.
pub(in crate::logs) fn lines(body: &[u8]) -> Result<Vec<RemoteLine>, RemoteLogErrorKind> {
    let rows = body.split(|it| *it == b'\n').filter(|it| !it.trim_ascii().is_empty());
    rows.map(line).collect()
}

fn line(row: &[u8]) -> Result<RemoteLine, RemoteLogErrorKind> {
    let fields: BTreeMap<String, Value> =
        serde_json::from_slice(row).map_err(|error| RemoteLogErrorKind::of_json(&error))?;
    let text_of = |name: &str| fields.get(name).and_then(Value::as_str);
    let time = text_of("_time").ok_or(RemoteLogErrorKind::NoTime)?;
    let at: Timestamp = time.parse().map_err(|_| RemoteLogErrorKind::Malformed(0))?;
    let at = i64::try_from(at.as_nanosecond()).ok().filter(|it| *it >= 0);
    let at = at.ok_or(RemoteLogErrorKind::Malformed(0))?;
    let mut level = SeverityLabels::default();
    fields.iter().for_each(|(name, value)| level.see(name, value.as_str().unwrap_or_default()));
    let texts = fields.iter().flat_map(|(name, value)| [name.as_str(), value.as_str().unwrap_or_default()]);
    let text = match text_of("_msg") {
        Some(text) => text.to_owned(),
        None => String::from_utf8_lossy(row).into_owned(),
    };
    Ok(RemoteLine { at, identity: line_identity(texts), severity: level.severity(), text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_stream::LogSeverity;

    #[test]
    fn lines_have_time_text_and_severity() {
        let body = "{\"_msg\":\"boom\",\"_stream\":\"{}\",\"_time\":\"2023-11-14T22:13:20.000000001Z\",\"level\":\"error\"}\n\
                    {\"_time\":\"2023-11-14T22:13:21Z\",\"status\":\"500\"}\r\n\n";
        let found = lines(body.as_bytes()).unwrap();
        let summary: Vec<_> = found.iter().map(|it| (it.at, it.severity, it.text.trim())).collect();
        let without = "{\"_time\":\"2023-11-14T22:13:21Z\",\"status\":\"500\"}";
        let expect = [
            (1_700_000_000_000_000_001, Some(LogSeverity::Error), "boom"),
            (1_700_000_001_000_000_000, None, without),
        ];
        assert_eq!(summary, expect);
        assert_eq!(lines(b""), Ok(Vec::new()));
    }

    #[test]
    fn other_responses_are_refused() {
        let check = |body: &str, expect: &RemoteLogErrorKind| {
            assert_eq!(lines(body.as_bytes()).as_ref(), Err(expect), "{body}");
        };
        check("{\"_msg\":\"secret\"}", &RemoteLogErrorKind::NoTime);
        check("{\"_msg\":\"sec", &RemoteLogErrorKind::Half);
        check("cannot parse", &RemoteLogErrorKind::Malformed(1));
        check("{\"_time\":\"yesterday\"}", &RemoteLogErrorKind::Malformed(0));
        check("{\"_time\":\"1066-10-14T00:00:00Z\"}", &RemoteLogErrorKind::Malformed(0));
    }
}
