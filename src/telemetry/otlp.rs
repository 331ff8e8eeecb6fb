//! Traces by OTLP: what hostnorm was at, tick by tick, to a collector of OpenTelemetry.
//!
//! Nothing is sent unless an endpoint is set. A span that is over goes into a bounded queue and nothing else happens
//! on the thread that it was on; a thread of its own sends. What does not fit or is not taken is dropped and counted,
//! so that a collector that is gone, slow or lying costs spans and nothing else.

mod settings;
mod transport;
mod resource;
mod queue;
mod sender;
mod context;

pub use context::{adopt, trace_of};
pub use queue::{BATCH_MAX, METRICS, Outcomes};
pub use sender::{END_MAX, Traces, start};
pub use settings::{Compression, Protocol, Sampler, Settings};
pub use transport::{Unusable, unusable};
