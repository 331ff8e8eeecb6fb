//! Traces by OTLP: what hostnorm does in each tick and request, sent to an OpenTelemetry endpoint.
//!
//! Nothing is sent unless an endpoint is set. A span that ends goes into the bounded queue of the SDK's batch processor,
//! and nothing else happens on its thread. What does not fit or is not accepted is dropped and counted, so that an endpoint
//! that is gone, slow or broken costs spans and nothing else.

mod settings;
mod transport;
mod resource;
mod span_counts;
mod pipeline;
mod context;

pub use context::{adopt, trace_of};
pub use pipeline::{SHUTDOWN_MAX, Traces, start};
pub use settings::{Compression, OtlpSettings, Protocol, TraceSampler};
pub use span_counts::{METRICS, SpanCounts};
pub use transport::{UnusableSetting, unusable};
