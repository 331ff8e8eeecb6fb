//! The frame of docker's `json-file`: an object a line, whose `log` has the line end unless docker split the message.

use std::borrow::Cow;

use serde::Deserialize;

use super::Frame;

/// The fields that count; `time` tells it from other JSON with a `log`.
#[derive(Deserialize)]
struct JsonFile<'a> {
    #[serde(borrow)]
    log: Cow<'a, str>,
    #[serde(borrow)]
    stream: Cow<'a, str>,
    #[serde(borrow, rename = "time")]
    _time: Cow<'a, str>,
}

/// Takes the frame off a line; none if it has no such frame.
pub(super) fn parse(line: &[u8]) -> Option<Frame<String>> {
    if !line.starts_with(b"{") {
        return None;
    }
    let JsonFile { log, stream, .. } = serde_json::from_slice(line).ok()?;
    let whole = log.strip_suffix('\n').map(|it| it.strip_suffix('\r').unwrap_or(it));
    Some(Frame {
        is_partial: whole.is_none(),
        text: whole.unwrap_or(&log).to_owned(),
        is_error_stream: stream == "stderr",
    })
}
