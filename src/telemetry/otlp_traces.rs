//! Traces by OTLP: spans of ticks and requests, sent to an OTLP endpoint.
//!
//! Nothing is sent unless an endpoint is set. A finished span enters the bounded queue of the SDK's batch processor.
//! Spans that do not fit or are not accepted are dropped and counted, so a broken endpoint loses spans only.

mod settings;
mod transport;
mod resource;
mod span_counts;
mod pipeline;
mod context;

pub use context::{join_trace, trace_of};
pub use pipeline::{SHUTDOWN_MAX, TracePipeline, start};
pub use settings::{OtlpCompression, OtlpProtocol, OtlpSettings, TraceSampler};
pub use span_counts::{METRICS, SpanCounts};
pub use transport::{UnusableSetting, unusable_file_setting};
