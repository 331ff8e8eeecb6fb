//! The fuzzer's way to the parsers of other servers' responses.

use super::fetch_error::{FetchError, FetchErrorKind};
use super::fetched_series::FetchedSeries;
use super::time_chunks::QueryChunk;
use super::{http_client, influx, prometheus};
use crate::remote::RemoteResponse;

/// Longest message; it shortens what the server wrote.
const MESSAGE_CHARS_MAX: usize = 600;

/// The requested instants.
const CHUNK: QueryChunk = QueryChunk { start: 990_000, step: 30_000, points: 4 };

/// Parses a response. The first byte chooses the server and the request.
///
/// # Panics
/// If a series has values that were not requested, or a message is empty or long.
pub fn parse(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    match choice % 5 {
        0 => check(prometheus::response::parse_matrix(bytes, CHUNK), |it| {
            it.series.iter().for_each(check_series);
            it.warnings.iter().for_each(|it| check_text(it));
        }),
        1 => {
            check(prometheus::response::values(bytes), |it| it.warnings.iter().for_each(|it| check_text(it)));
        }
        2 => check(influx::response::columns(bytes, 2, CHUNK), |it| {
            assert_eq!(it.len(), 2);
            it.iter().flatten().for_each(check_series);
        }),
        3 => check(influx::response::texts(bytes, "name"), |_| ()),
        _ => check_text(&http_client::response_text(&RemoteResponse::new(400, bytes))),
    }
}

fn check<T>(outcome: Result<T, FetchErrorKind>, sound: impl FnOnce(&T)) {
    match outcome {
        Ok(found) => sound(&found),
        Err(cause) => {
            let message = FetchError { url: "http://server".into(), cause }.to_string();
            assert!(message.len() > "http://server: ".len());
            check_text(&message);
        }
    }
}

/// Values are finite, in the order of time, each at a requested instant.
fn check_series(series: &FetchedSeries) {
    assert!(series.values.iter().all(|(idx, it)| *idx < CHUNK.points && it.is_finite()), "{series:?}");
    assert!(series.values.is_sorted_by(|one, other| one.0 < other.0), "{series:?}");
}

/// What a server wrote is shown on one line, shortened.
fn check_text(text: &str) {
    assert!(text.chars().count() <= MESSAGE_CHARS_MAX && !text.contains('\n'), "{text:?}");
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests read files")]

    #[test]
    fn the_corpus_is_parsed() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/remote_responses");
        for file in std::fs::read_dir(corpus).unwrap() {
            super::parse(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }
}
