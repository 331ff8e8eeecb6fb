//! `GET /events`: the state of a subject as server-sent events, at most one a second.
//!
//! Each stream is a task that writes into the body of its response. It ends with its client, with the server, or when the web
//! configuration that let its client in is replaced: its user may have no password any more.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::api::{KIND, SUBJECT, subject};
use super::api_operation::ApiOperation;
use super::app_state::AppState;
use super::client_context::ClientContext;
use super::client_quota::QuotaPermit;
use super::message::{ProblemDetails, Request, Response, with};
use super::page::StateSummary;
use crate::reading::Subject;
use crate::report::Report;

/// The shortest time between two events of a stream.
const EVENT_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// A stream without events sends a comment this often, so that neither end takes the other for lost.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events on their way to a client that reads slowly; a further one waits, and older reports are skipped.
const EVENTS_BUFFERED_MAX: usize = 2;
/// When a client that was refused may try again, in seconds.
const RETRY_SECONDS: u64 = 5;
/// The beginning of a stream: how long a client waits before it connects again, in milliseconds.
const RETRY: &str = "retry: 5000\n\n";

pub(super) static OPERATION: ApiOperation = ApiOperation {
    id: "events",
    summary: "The state of a subject as server-sent events",
    parameters: &[SUBJECT, KIND],
    ..ApiOperation::EMPTY
};

/// Where the events of one stream come from.
struct EventSource {
    subject: Subject,
    reports: watch::Receiver<Option<Arc<Report>>>,
    ended: watch::Receiver<bool>,
    /// The next event is sent no earlier.
    next: Instant,
    _permit: QuotaPermit,
}

pub(super) async fn events(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let subject = subject(state, &request.query).await?;
    let streams = &state.event_streams;
    let client = ClientContext::current();
    let permit = streams.acquire(client.as_ref().and_then(|it| it.address)).map_err(|limit| {
        let detail = format!("too many streams of events: {limit}; close another page");
        ProblemDetails::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, RETRY_SECONDS)
    })?;
    let (reports, ended) = (state.reports.clone(), streams.ended());
    let (sender, body) = Channel::<Bytes, Infallible>::new(EVENTS_BUFFERED_MAX);
    let source = EventSource { subject, reports, ended, next: Instant::now(), _permit: permit };
    tokio::spawn(async move {
        match client.map(|it| it.web_config) {
            Some(mut web_config) => tokio::select! {
                () = source.send_all(sender) => (),
                _ = web_config.changed() => (),
            },
            None => source.send_all(sender).await,
        }
    });
    let response = with(Response::new(body.boxed_unsync()), CONTENT_TYPE, "text/event-stream");
    // Tells nginx not to buffer the response.
    let unbuffered = with(response, HeaderName::from_static("x-accel-buffering"), "no");
    Ok(with(unbuffered, CACHE_CONTROL, "no-store"))
}

impl EventSource {
    /// Sends the state now and after each tick, until client or server ends.
    async fn send_all(mut self, sender: Sender<Bytes, Infallible>) {
        let mut ended = self.ended.clone();
        tokio::select! {
            () = self.follow(sender) => (),
            _ = ended.wait_for(|it| *it) => (),
        }
    }

    /// Sends events until the client is gone, which makes a send fail, or until there are no more reports.
    async fn follow(&mut self, mut sender: Sender<Bytes, Infallible>) {
        let mut text = Bytes::from_static(RETRY.as_bytes());
        self.reports.mark_changed();
        while sender.send_data(text).await.is_ok() {
            text = match timeout(HEARTBEAT, self.reports.changed()).await {
                Ok(Ok(())) => {
                    // Reports of the next second are skipped but for the last one.
                    sleep_until(self.next).await;
                    self.next = Instant::now() + EVENT_INTERVAL_MIN;
                    self.event()
                }
                Ok(Err(_)) => return,
                Err(_) => Bytes::from_static(b": no news\n\n"),
            };
        }
    }

    /// The newest report as an event; a comment while the subject is not in it.
    fn event(&mut self) -> Bytes {
        let report = self.reports.borrow_and_update().clone();
        let summary = report.as_deref().and_then(|it| StateSummary::of(it, &self.subject));
        // Numbers and text can always be written as JSON, on one line.
        let data = summary.and_then(|it| serde_json::to_string(&it).ok());
        data.map_or_else(|| ": no reading yet\n\n".into(), |data| format!("data: {data}\n\n").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::event_stream_limit::{EventStreamLimit, LOCAL_EVENT_STREAMS_MAX};
    use crate::reading::{Reading, Timestamp};
    use crate::report::Assessment;

    type Reports = watch::Sender<Option<Arc<Report>>>;

    fn report(at: f64) -> Option<Arc<Report>> {
        let assessments =
            [(Subject::Host, Assessment { ready_at: Timestamp(600.0), ..Assessment::default() })];
        let reading = Arc::new(Reading::new(Timestamp(at)));
        Some(Arc::new(Report { reading, assessments: assessments.into(), ..Report::default() }))
    }

    fn stream(streams: &EventStreamLimit) -> (Reports, Channel<Bytes, Infallible>) {
        let (reports, newest) = watch::channel(None);
        let (sender, body) = Channel::new(EVENTS_BUFFERED_MAX);
        let source = EventSource {
            subject: Subject::Host,
            reports: newest,
            ended: streams.ended(),
            next: Instant::now(),
            _permit: streams.acquire(None).unwrap(),
        };
        tokio::spawn(source.send_all(sender));
        (reports, body)
    }

    async fn next(body: &mut Channel<Bytes, Infallible>) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn events_come_at_most_once_a_second_and_a_comment_when_there_are_none() {
        let streams = EventStreamLimit::default();
        let (reports, mut body) = stream(&streams);
        assert_eq!(next(&mut body).await.unwrap(), RETRY);
        assert_eq!(next(&mut body).await.unwrap(), ": no reading yet\n\n");
        let began = Instant::now();
        reports.send_replace(report(1.0));
        reports.send_replace(report(1.1));
        let text = "Learning what is normal on host; the first score comes at 00:10 UTC";
        let event = format!(
            "data: {{\"at\":1.1,\"state\":\"learning\",\"is_anomaly\":false,\"alert\":false,\"sentence\":\"{text}\"}}\n\n"
        );
        assert_eq!(next(&mut body).await.unwrap(), event);
        assert!(began.elapsed() >= EVENT_INTERVAL_MIN);
        let began = Instant::now();
        assert_eq!(next(&mut body).await.unwrap(), ": no news\n\n");
        assert!(began.elapsed() >= HEARTBEAT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_server_or_the_loop_and_frees_its_place() {
        let streams = EventStreamLimit::default();
        let (reports, mut body) = stream(&streams);
        drop(reports);
        while next(&mut body).await.is_some() {}
        let (_reports, mut body) = stream(&streams);
        streams.end();
        while next(&mut body).await.is_some() {}
        tokio::task::yield_now().await;
        let free: Vec<_> = std::iter::from_fn(|| streams.acquire(None).ok()).collect();
        assert_eq!(free.len(), LOCAL_EVENT_STREAMS_MAX);
    }
}
