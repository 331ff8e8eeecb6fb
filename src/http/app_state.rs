//! Everything that handlers answer from.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot, watch};

use super::event_stream_limit::EventStreamLimit;
use super::large_responses::LargeResponses;
use super::rendered_report::RenderedReportCache;
use super::request_traces::RequestTraces;
use super::store_reads::StoreReads;
use super::web_security::WebSecurity;
use crate::control_command::ControlSender;
use crate::reading::Timestamp;
use crate::report::Report;

/// Everything that handlers answer from.
#[derive(Debug)]
pub struct AppState {
    /// TLS, authentication and rate limit.
    pub security: Arc<WebSecurity>,
    /// The newest report; `None` before the first reading.
    pub reports: watch::Receiver<Option<Arc<Report>>>,
    /// The newest report as pages.
    pub pages: RenderedReportCache,
    /// Path of the metrics.
    pub telemetry_path: String,
    /// Time between two readings; a report that is three times as old is stale.
    pub interval: Duration,
    /// The wall clock.
    pub now: fn() -> Timestamp,
    /// The monotonic clock, for the age of a report.
    pub instant: fn() -> Instant,
    /// The way to the sampling loop.
    pub control: ControlSender,
    /// Directory of the store; absent if nothing is stored.
    pub store: Option<PathBuf>,
    /// Limits the reads of the store.
    pub store_reads: StoreReads,
    /// The way to a reload of the settings; absent unless the setting `web.enable_lifecycle` is on.
    pub reload: Option<ReloadRequests>,
    /// Origins whose pages may read responses; `*` is every origin.
    pub cors_origins: Vec<String>,
    /// Limits the memory of responses.
    pub large_responses: LargeResponses,
    /// The open streams of events.
    pub event_streams: EventStreamLimit,
    /// Which requests get a span, and whose trace they are part of.
    pub request_traces: RequestTraces,
}

/// Requests for a reload, each with the channel for its outcome: nothing, or the reason why the settings stay.
pub type ReloadRequests = mpsc::Sender<oneshot::Sender<Result<(), String>>>;
