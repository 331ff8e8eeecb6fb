//! The pipeline from a finished span to the exporter: the SDK's batch processor, with counts around it.
//!
//! The processor drops spans if its queue is full, and has a timeout at shutdown. This module adds what it lacks: a count of
//! dropped spans, a timeout for gRPC connections, and one log line per outage instead of one per batch or none.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{
    self, BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter,
    SpanProcessor,
};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use super::resource::resource;
use super::settings::{OtlpProtocol, OtlpSettings, TraceSampler};
use super::span_counts::SpanCounts;
use super::transport::{TlsFiles, TransportError, UnusableSetting, exporter};
use crate::url_credentials::address;

/// Time to send the waiting spans at shutdown; the rest is lost.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(1);

/// A running export of traces.
#[derive(Debug)]
pub struct TracePipeline {
    provider: SdkTracerProvider,
    outcomes: Arc<SpanCounts>,
}

/// Starts to export traces; `None` if no endpoint is set.
///
/// # Errors
/// If a file in the settings cannot be used, or no thread can be started.
pub fn start(settings: &OtlpSettings) -> Result<Option<TracePipeline>, UnusableSetting> {
    let Some(url) = settings.url() else { return Ok(None) };
    let files = TlsFiles::read(settings)?;
    let wrong = |sentence: String| UnusableSetting { key: "otlp.endpoint", sentence };
    let runtime = match settings.protocol {
        OtlpProtocol::Http => None,
        OtlpProtocol::Grpc => Some(grpc_runtime().map_err(|it| wrong(it.to_string()))?),
    };
    let reason = Arc::<TransportError>::default();
    let inner = {
        // The gRPC channel belongs to the runtime in which it is built.
        let _entered = runtime.as_ref().map(Handle::enter);
        exporter(settings, &url, &files, &reason).map_err(|it| wrong(it.to_string()))?
    };
    let outcomes = Arc::<SpanCounts>::default();
    let exporter = Exporter {
        inner,
        runtime,
        limit: settings.timeout.duration(),
        outcomes: Arc::clone(&outcomes),
        outage: Outage { url: address(&url), reason, lost: Mutex::new(None) },
    };
    // `errors` limits it.
    let queue = usize::try_from(settings.queue_size).unwrap_or(usize::MAX);
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(queue)
        .with_scheduled_delay(settings.schedule_delay.duration())
        .build();
    let inner = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Processor { inner, queue, outcomes: Arc::clone(&outcomes) })
        .with_sampler(sampler(settings))
        .with_resource(resource(settings))
        .build();
    Ok(Some(TracePipeline { provider, outcomes }))
}

impl TracePipeline {
    /// Records spans.
    pub(in crate::telemetry) fn tracer(&self) -> SdkTracer {
        self.provider.tracer(env!("CARGO_PKG_NAME"))
    }

    /// Counts of spans so far.
    pub fn outcomes(&self) -> Arc<SpanCounts> {
        Arc::clone(&self.outcomes)
    }

    /// Sends the waiting spans and ends, within [`SHUTDOWN_MAX`].
    pub fn end(self) {
        // After a timeout, the processor's thread stays in its request; the end of the process ends it.
        let _ = self.provider.shutdown_with_timeout(SHUTDOWN_MAX);
    }
}

fn sampler(settings: &OtlpSettings) -> trace::Sampler {
    use trace::Sampler::{AlwaysOff, AlwaysOn, ParentBased, TraceIdRatioBased};
    let ratio = TraceIdRatioBased(settings.sampler_arg);
    match settings.sampler {
        TraceSampler::AlwaysOn => AlwaysOn,
        TraceSampler::AlwaysOff => AlwaysOff,
        TraceSampler::Ratio => ratio,
        TraceSampler::ParentOrOn => ParentBased(Box::new(AlwaysOn)),
        TraceSampler::ParentOrOff => ParentBased(Box::new(AlwaysOff)),
        TraceSampler::ParentOrRatio => ParentBased(Box::new(ratio)),
    }
}

/// A runtime on its own thread, which serves the gRPC connection between batches, too.
fn grpc_runtime() -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // The end of the process ends it, because dropping a runtime waits for unresponsive name servers.
    std::thread::Builder::new().name("otlp-grpc".into()).spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}

/// The SDK's processor behind a queue whose drops are counted.
#[derive(Debug)]
struct Processor {
    inner: BatchSpanProcessor,
    queue: usize,
    outcomes: Arc<SpanCounts>,
}

impl SpanProcessor for Processor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        // Spans of the current batch count as waiting, so the queue of the processor has room for each admitted span.
        if self.outcomes.admit(self.queue) {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// The SDK's exporter with a timeout for a whole batch; counts and logs its outcome.
#[derive(Debug)]
struct Exporter {
    inner: OtlpExporter,
    /// Set for gRPC.
    runtime: Option<Handle>,
    limit: Duration,
    outcomes: Arc<SpanCounts>,
    outage: Outage,
}

impl SpanExporter for Exporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let export = self.inner.export(batch);
        let result = match &self.runtime {
            // For HTTP, the client has this timeout.
            None => export.await,
            Some(runtime) => {
                let limited = {
                    let _entered = runtime.enter();
                    timeout(self.limit, export)
                };
                limited.await.unwrap_or(Err(OTelSdkError::Timeout(self.limit)))
            }
        };
        self.outcomes.settle(spans, result.is_ok());
        self.outage.record(&result, spans as u64);
        result
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(limit)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Logs the start and the end of an outage, and nothing in between.
#[derive(Debug)]
struct Outage {
    url: String,
    reason: Arc<TransportError>,
    /// Spans lost in the outage so far; `None` while spans are sent.
    lost: Mutex<Option<u64>>,
}

impl Outage {
    fn record(&self, result: &OTelSdkResult, spans: u64) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match (result, *lost) {
            (Err(_), Some(before)) => *lost = Some(before + spans),
            (Err(error), None) => {
                let problem = self.reason.take().unwrap_or_else(|| error.to_string());
                tracing::warn!(url = self.url, problem, "traces cannot be sent; spans are lost");
                *lost = Some(spans);
            }
            (Ok(()), Some(before)) => {
                tracing::info!(url = self.url, lost = before, "sending traces works again");
                *lost = None;
            }
            (Ok(()), None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::logged;

    #[test]
    fn an_outage_is_logged_at_its_begin_and_end() {
        let reason = Arc::new(TransportError::default());
        let outage = Outage { url: "http://a".into(), reason: Arc::clone(&reason), lost: Mutex::default() };
        let failed = || Err(OTelSdkError::Timeout(Duration::from_secs(1)));
        let lines = logged(crate::telemetry::LogOutputSettings::default(), || {
            outage.record(&Ok(()), 1);
            reason.set("connection refused".into());
            outage.record(&failed(), 10);
            outage.record(&failed(), 20);
            outage.record(&Ok(()), 1);
            outage.record(&Ok(()), 1);
            outage.record(&failed(), 10);
        });
        let expect = [
            "level=warn msg=\"traces cannot be sent; spans are lost\" url=http://a \
             problem=\"connection refused\"",
            "level=info msg=\"sending traces works again\" url=http://a lost=30",
            "level=warn msg=\"traces cannot be sent; spans are lost\" url=http://a \
             problem=\"Operation timed out after 1s\"",
        ];
        let found: Vec<_> = lines.lines().map(|it| it.split_once(' ').unwrap().1).collect();
        assert_eq!(found, expect);
    }
}
