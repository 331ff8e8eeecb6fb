//! Answers requests of the API from a store while no hostnorm runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::event_stream_limit::EventStreamLimit;
use super::large_responses::LargeResponses;
use super::metrics::ExpositionOptions;
use super::rendered_report::RenderedReportCache;
use super::request_traces::RequestTraces;
use super::server_counters::ServerCounters;
use super::store_reads::StoreReads;
use super::web_security::{AccessSettings, WebSecurity};
use super::{api, app_state::AppState};
use crate::clock;
use crate::control_command::ControlSender;
use crate::reading::Timestamp;

/// Gets a resource of the API, such as `explain?at=-2h`, from the store in this directory. Resources that need a running
/// hostnorm, such as `status`, are refused.
///
/// # Errors
/// Why there is no answer, in a sentence.
pub fn get_stored(directory: &Path, now: fn() -> Timestamp, resource: &str) -> Result<Value, String> {
    let (_, reports) = watch::channel(None);
    let pages = RenderedReportCache::new(ExpositionOptions::default(), Arc::<ServerCounters>::default());
    let security = WebSecurity::open(AccessSettings::default()).map_err(|error| error.to_string())?;
    let state = AppState {
        security: Arc::new(security),
        reports,
        pages,
        telemetry_path: String::new(),
        interval: Duration::from_secs(1),
        now,
        instant: clock::instant,
        control: ControlSender::new(|_| false),
        store: Some(directory.to_owned()),
        store_reads: StoreReads::default(),
        reload: None,
        cors_origins: Vec::new(),
        large_responses: LargeResponses::default(),
        event_streams: EventStreamLimit::default(),
        request_traces: RequestTraces::off(),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| it.to_string())?;
    runtime.block_on(api::get(&Arc::new(state), resource)).map_err(|problem| problem.detail)
}
