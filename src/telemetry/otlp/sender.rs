//! The thread that sends: a batch when there is one, or when some time has passed.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{self, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as _};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::queue::{BATCH_MAX, Entrance, Outcomes, Queue};
use super::resource::resource;
use super::settings::{Sampler, Settings};
use super::transport::{Files, Reason, Unusable, exporter};

/// What spans that wait at the end are given to be sent; then the process ends without them.
pub const END_MAX: Duration = Duration::from_secs(1);

/// Traces are recorded and sent.
#[derive(Debug)]
pub struct Traces {
    tracer: SdkTracer,
    outcomes: Arc<Outcomes>,
    stop: watch::Sender<bool>,
    ended: mpsc::Receiver<()>,
}

/// Begins to send, on a thread of its own that `lower` makes stand back; nothing when no endpoint is set.
///
/// # Errors
/// When a file that the settings name is of no use, or the system gives no thread.
pub fn start(settings: &Settings, lower: fn()) -> Result<Option<Traces>, Unusable> {
    let Some(url) = settings.url() else { return Ok(None) };
    let files = Files::read(settings)?;
    let wrong = |sentence: String| Unusable { key: "otlp.endpoint", sentence };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|it| wrong(it.to_string()))?;
    let reason = Arc::<Reason>::default();
    let entered = runtime.enter();
    let mut exporter = exporter(settings, &url, &files, &reason).map_err(|it| wrong(it.to_string()))?;
    drop(entered);
    let resource = resource(settings);
    exporter.set_resource(&resource);
    // The settings keep it small.
    let (queue, exit) = Queue::new(usize::try_from(settings.queue).unwrap_or(BATCH_MAX));
    let provider = SdkTracerProvider::builder()
        .with_span_processor(Entrance(Arc::clone(&queue)))
        .with_sampler(sampler(settings))
        .with_resource(resource)
        .build();
    let (stop, stopped) = watch::channel(false);
    let (alive, ended) = mpsc::channel();
    let outcomes = Arc::clone(&queue.outcomes);
    let (every, limit) = (settings.every.duration(), settings.timeout.duration());
    let sender = Sender { queue, exit, exporter, reason, url, every, limit, failing: None };
    let job = move || {
        // Dropped at the end, and so tells who waits for it.
        let _alive = alive;
        lower();
        sender.run(&runtime, stopped);
    };
    std::thread::Builder::new().name("otlp".into()).spawn(job).map_err(|it| wrong(it.to_string()))?;
    Ok(Some(Traces { tracer: provider.tracer(env!("CARGO_PKG_NAME")), outcomes, stop, ended }))
}

impl Traces {
    /// What records spans.
    pub(in crate::telemetry) fn tracer(&self) -> SdkTracer {
        self.tracer.clone()
    }

    /// What became of the spans so far.
    pub fn outcomes(&self) -> Arc<Outcomes> {
        Arc::clone(&self.outcomes)
    }

    /// Sends what waits, within [`END_MAX`], and ends; a collector that hangs is left behind.
    pub fn end(self) {
        let _ = self.stop.send(true);
        // The thread may be within a request that cannot be broken off; the end of the process ends it.
        let _ = self.ended.recv_timeout(END_MAX + Duration::from_millis(100));
    }
}

fn sampler(settings: &Settings) -> trace::Sampler {
    use trace::Sampler::{AlwaysOff, AlwaysOn, ParentBased, TraceIdRatioBased};
    let ratio = TraceIdRatioBased(settings.sampler_arg);
    match settings.sampler {
        Sampler::AlwaysOn => AlwaysOn,
        Sampler::AlwaysOff => AlwaysOff,
        Sampler::Ratio => ratio,
        Sampler::ParentOrOn => ParentBased(Box::new(AlwaysOn)),
        Sampler::ParentOrOff => ParentBased(Box::new(AlwaysOff)),
        Sampler::ParentOrRatio => ParentBased(Box::new(ratio)),
    }
}

struct Sender {
    queue: Arc<Queue>,
    exit: mpsc::Receiver<Box<SpanData>>,
    exporter: SpanExporter,
    reason: Arc<Reason>,
    url: String,
    every: Duration,
    limit: Duration,
    /// Spans that were lost since batches began to fail, so that this is said once.
    failing: Option<u64>,
}

impl Sender {
    fn run(mut self, runtime: &Runtime, mut stopped: watch::Receiver<bool>) {
        runtime.block_on(async {
            let mut stopping = stopped.clone();
            let end = async move {
                let _ = stopping.wait_for(|it| *it).await;
                sleep(END_MAX).await;
            };
            let work = async {
                loop {
                    let last = tokio::select! {
                        () = self.queue.full() => false,
                        () = sleep(self.every) => false,
                        // The other side is gone, or says so.
                        _ = stopped.wait_for(|it| *it) => true,
                    };
                    self.send().await;
                    if last {
                        break;
                    }
                }
            };
            tokio::select! {
                () = work => {}
                () = end => {}
            }
        });
    }

    /// Sends what waits now, batch by batch.
    async fn send(&mut self) {
        loop {
            let batch = self.queue.batch(&self.exit);
            let count = batch.len();
            if count == 0 {
                return;
            }
            let problem = match timeout(self.limit, self.exporter.export(batch)).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(self.reason.take().unwrap_or_else(|| error.to_string())),
                Err(_) => Some(format!("no answer within {:?}", self.limit)),
            };
            self.queue.outcomes.note(count, problem.is_none());
            let failed = problem.is_some();
            self.tell(problem, count as u64);
            if failed || count < BATCH_MAX {
                return;
            }
        }
    }

    /// Says when an outage begins and when it ends, and nothing between.
    fn tell(&mut self, problem: Option<String>, spans: u64) {
        match (problem, &mut self.failing) {
            (Some(_), Some(lost)) => *lost += spans,
            (Some(problem), None) => {
                tracing::warn!(url = self.url, problem, "traces cannot be sent and are lost until they can");
                self.failing = Some(spans);
            }
            (None, Some(lost)) => {
                tracing::info!(url = self.url, lost = *lost, "traces are sent again");
                self.failing = None;
            }
            (None, None) => {}
        }
    }
}
