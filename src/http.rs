//! The HTTP server: metrics, health, the page for people and the commands of the control socket.
//!
//! A request never touches the sampling loop: it reads the newest report, or sends a command and waits for the reply. All
//! limits are constants, so a slow or greedy client does not disturb others.

mod control_client;
mod health_client;
mod systemd_sockets;
mod listen;
mod control_socket;
mod connection_peer;
mod server;
mod web_app;
mod webhook_server;
mod connection_table;
mod timeouts;
mod http2_frames;
mod web_config;
mod tls;
mod web_security;
mod authentication;
mod token_bucket;
mod client_buckets;
mod request_access;
mod client_context;
mod app_state;
mod store_reads;
mod route;
mod routes;
mod problem_details;
mod message;
mod api;
mod api_operation;
mod query_arguments;
mod cors;
mod mcp;
mod offline_api;
mod content_negotiation;
mod rendered_report;
mod collector_filter;
mod metrics_route;
mod metrics;
mod metric_families;
mod openmetrics_to_text;
mod page;
mod client_quota;
mod large_responses;
mod event_stream_limit;
mod events;
mod request_span;
mod request_traces;
mod request_metrics;
mod series_count;
mod server_counters;
mod tick_histogram;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use api::{openapi, spellings};
pub use app_state::{AppState, ReloadRequests};
pub use authentication::hash_password;
pub use connection_table::CONNECTIONS_PER_ADDRESS_MAX;
pub use content_negotiation::MetricsFormat;
pub use control_client::{ControlClientError, get, send};
pub use control_socket::{ControlSocket, ControlSocketError};
pub use event_stream_limit::{
    EVENT_STREAMS_MAX, EVENT_STREAMS_PER_CLIENT_MAX, EventStreamLimit, LOCAL_EVENT_STREAMS_MAX,
};
pub use health_client::{HealthError, HealthTransport, health, health_on_socket};
pub use large_responses::LargeResponses;
pub use listen::{ListenError, bind};
pub use message::{BODY_BYTES_MAX, HEAD_BYTES_MAX};
pub use metrics::{BuildInfo, ExpositionOptions, METRICS, SUBJECT_SERIES_MAX};
pub use offline_api::get_stored;
pub use rendered_report::{RenderedReport, RenderedReportCache};
pub use request_metrics::{RequestMetrics, WebConfigStatus};
pub use request_traces::{JoinTrace, RequestTraces};
pub use routes::methods_and_paths as routes;
pub use server::{CONNECTIONS_MAX, CONTROL_CONNECTIONS_MAX, GRACE, serve};
pub use server_counters::ServerCounters;
pub use store_reads::{STORE_READS_MAX, STORE_READS_WAITING_MAX, StoreReads};
pub use systemd_sockets::inherited;
pub use tick_histogram::TickHistogram;
pub use web_config::WebConfigError;
pub use web_security::{AccessSettings, WebSecurity, check_web_config};
pub use webhook_server::{ReceiveError, ReceiverApp, WebhookBodyReceiver};

/// Most threads for work that takes long: reads of the store, and one each for metrics, for logins, and for files that a disk
/// may not give.
pub const BLOCKING_THREADS_MAX: usize = STORE_READS_MAX + 3;
