//! Follows a log on a server by asking again and again, without loss and without counting a line twice.
//!
//! Each request overlaps the one before, because lines arrive late and out of order. A server that fails is asked again
//! after a wait that grows; its error is logged once.

use std::time::Duration;

use super::{LogPositions, LogReadState, StopFlag};
use crate::clock;
use crate::duration::HumanDuration;
use crate::log_stream::LogStream;
use crate::reading::Timestamp;
use crate::remote::{self, RemoteClient, RemoteClientOptions, RemoteError, ServerConnection};

mod line_severity;
mod log_cursor;
mod remote_line;
mod remote_log_error;

pub(super) use line_severity::SeverityLabels;
pub(super) use log_cursor::LogCursor;
pub(super) use remote_line::{NANOSECONDS, RemoteLine, line_identity};
pub(super) use remote_log_error::{RemoteLogError, RemoteLogErrorKind};

/// Largest number of lines of a response: the default limit of Loki.
const PAGE_LINES_MAX: usize = 5_000;
/// Smallest page that is asked for if the server refuses larger ones.
const PAGE_LINES_MIN: usize = 20;
/// Longest wait after a failure.
const WAIT_MAX: HumanDuration = HumanDuration::seconds(60);
/// Longest wait that a server may request.
const RETRY_AFTER_MAX: HumanDuration = HumanDuration::minutes(5);
/// The key of the position.
const POSITION: &str = "server";

/// Range of the time that is read when a log is read for the first time, and after an outage.
const LOOKBACK_MIN: HumanDuration = HumanDuration::seconds(10);
const LOOKBACK_MAX: HumanDuration = HumanDuration::minutes(60);
/// Range of the time between two requests.
const POLL_MIN: HumanDuration = HumanDuration::seconds(1);
const POLL_MAX: HumanDuration = HumanDuration::minutes(1);

/// What differs between servers.
pub(super) trait LogServer {
    /// The address of the server, as in the settings.
    fn url(&self) -> &str;
    /// Credentials, TLS and headers with the tenant.
    fn connection(&self) -> ServerConnection;
    /// How far to read back.
    fn lookback(&self) -> HumanDuration;
    /// The time between two requests.
    fn poll(&self) -> HumanDuration;
    /// The path behind the address.
    fn path(&self) -> &'static str;
    /// The query for the oldest lines of a time range.
    fn query(&self, range: &LogPageRange) -> Vec<(&'static str, String)>;
    /// The lines of a response, in any order.
    ///
    /// # Errors
    /// If it is not what the API documents.
    fn lines(&self, body: &[u8]) -> Result<Vec<RemoteLine>, RemoteLogErrorKind>;
}

/// What one request asks for, in nanoseconds of Unix time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogPageRange {
    /// Start, inclusive.
    pub(super) start: i64,
    /// End, exclusive.
    pub(super) end: i64,
    /// Largest number of lines.
    pub(super) limit: usize,
}

/// The key and the reason of an invalid value among those that all servers have; none if all are valid.
pub(super) fn settings_error(server: &impl LogServer) -> Option<(&'static str, String)> {
    let (url, lookback, poll) = (server.url(), server.lookback(), server.poll());
    if url.contains('@') {
        // The text may contain a password.
        return Some((
            "url",
            "contains a user or password; use connection.user and connection.password_file".to_owned(),
        ));
    }
    if !remote::is_base_url(url) {
        return Some(("url", format!("{url:?} is not an address such as http://localhost:3100")));
    }
    if !(LOOKBACK_MIN..=LOOKBACK_MAX).contains(&lookback) {
        return Some((
            "lookback",
            format!("{lookback} is out of range; expected {LOOKBACK_MIN} to {LOOKBACK_MAX}"),
        ));
    }
    if !(POLL_MIN..=POLL_MAX).contains(&poll) {
        return Some(("poll", format!("{poll} is out of range; expected {POLL_MIN} to {POLL_MAX}")));
    }
    (lookback < poll).then(|| ("lookback", format!("{lookback} is shorter than poll, which is {poll}")))
}

/// Reads lines until `stop` is set.
pub(super) fn follow(
    server: &impl LogServer,
    stream: &LogStream,
    positions: &LogPositions,
    counts: &LogReadState,
    stop: &StopFlag,
) {
    let mut follower = Follower::new(server, stream, positions, counts);
    let mut failure: Option<RemoteLogError> = None;
    let mut wait = server.poll();
    while !stop.is_set() {
        let outcome = follower.poll(clock::now(), stop);
        counts.set_success(outcome.is_ok());
        let pause = match outcome {
            Ok(()) => {
                if failure.take().is_some() {
                    tracing::info!(log = &**stream.name(), "log is read again");
                }
                wait = server.poll();
                wait
            }
            Err(error) => {
                let pause = error.retry_after.map_or(wait, |it| it.min(RETRY_AFTER_MAX).max(wait));
                if failure.as_ref().is_none_or(|it| !it.kind.is_repeat_of(&error.kind)) {
                    tracing::warn!(log = &**stream.name(), %error, "log cannot be read; it is tried again");
                }
                failure = Some(error);
                wait = wait.times(2).min(WAIT_MAX);
                pause
            }
        };
        if stop.wait(pause.duration()) {
            return;
        }
    }
}

/// One log on a server.
struct Follower<'a, S> {
    server: &'a S,
    stream: &'a LogStream,
    positions: &'a LogPositions,
    counts: &'a LogReadState,
    /// None before the first request and after a failure, so that new secrets and certificates are read.
    client: Option<RemoteClient>,
    cursor: Option<LogCursor>,
    page_lines: usize,
}

impl<'a, S: LogServer> Follower<'a, S> {
    fn new(
        server: &'a S,
        stream: &'a LogStream,
        positions: &'a LogPositions,
        counts: &'a LogReadState,
    ) -> Self {
        let cursor = positions.get(stream.name(), POSITION).and_then(|it| LogCursor::from_text(&it));
        Self { server, stream, positions, counts, client: None, cursor, page_lines: PAGE_LINES_MAX }
    }

    /// Reads what is new, page by page.
    fn poll(&mut self, now: Timestamp, stop: &StopFlag) -> Result<(), RemoteLogError> {
        let outcome = self.pages(now, stop);
        if outcome.is_err() {
            self.client = None;
        }
        outcome
    }

    fn pages(&mut self, now: Timestamp, stop: &StopFlag) -> Result<(), RemoteLogError> {
        let (lookback, poll) = (nanoseconds(self.server.lookback()), nanoseconds(self.server.poll()));
        let at = (now.0 * NANOSECONDS) as i64;
        let cursor = self.cursor.get_or_insert_with(|| LogCursor::new(at, lookback));
        let Some((mut start, end)) = cursor.range(at, lookback, poll) else { return Ok(()) };
        while !stop.is_set() {
            let range = LogPageRange { start, end, limit: self.page_lines };
            let mut lines = match self.page(&range) {
                Err(error) if error.kind.is_page_too_large() && self.page_lines > PAGE_LINES_MIN => {
                    self.page_lines = (self.page_lines / 4).max(PAGE_LINES_MIN);
                    continue;
                }
                other => other?,
            };
            let is_last = lines.len() < range.limit;
            lines.sort_by_key(|it| it.at);
            let last = lines.last().map_or(start, |it| it.at);
            self.take(&lines, end, now);
            // The last instant may have further lines: it is asked for again, and known lines are skipped. If a page has
            // no other instant, the rest of it cannot be had.
            start = if last > start { last } else { start + 1 };
            if let Some(cursor) = &mut self.cursor {
                cursor.advance(if is_last { end } else { start });
                self.positions.set(self.stream.name(), POSITION, cursor.to_text());
            }
            if is_last || start >= end {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Hands the lines over that are new.
    fn take(&mut self, lines: &[RemoteLine], end: i64, now: Timestamp) {
        let Some(cursor) = &mut self.cursor else { return };
        for line in lines.iter().filter(|it| it.at < end) {
            if cursor.take(line) {
                let at = Timestamp((line.at as f64 / NANOSECONDS).min(now.0));
                self.stream.line(line.text.as_bytes(), line.severity, at);
                self.counts.note_line(now);
            }
        }
        self.stream.drop_lines(cursor.take_lost_line_count());
    }

    /// One request.
    fn page(&mut self, range: &LogPageRange) -> Result<Vec<RemoteLine>, RemoteLogError> {
        let url = format!("{}{}", self.server.url().trim_end_matches('/'), self.server.path());
        let failed = |kind| RemoteLogError { url: self.server.url().to_owned(), kind, retry_after: None };
        let client = match self.client.take() {
            Some(client) => client,
            None => RemoteClient::new(&self.server.connection(), RemoteClientOptions::default())
                .map_err(|error| failed(RemoteLogErrorKind::Client(error.to_string())))?,
        };
        let query = self.server.query(range);
        let pairs: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let response = match client.get(&url, &pairs) {
            Ok(response) => response,
            Err(RemoteError::Half) => return Err(failed(RemoteLogErrorKind::Half)),
            Err(error) => return Err(failed(RemoteLogErrorKind::Remote(error))),
        };
        if let Some(kind) = RemoteLogErrorKind::of_response(&response, client.has_credentials()) {
            let retry_after = response.retry_after();
            return Err(RemoteLogError { retry_after, ..failed(kind) });
        }
        let lines = self.server.lines(&response.body).map_err(failed)?;
        self.client = Some(client);
        Ok(lines)
    }
}

fn nanoseconds(duration: HumanDuration) -> i64 {
    i64::try_from(Duration::from(duration).as_nanos()).unwrap_or(i64::MAX / 4)
}
