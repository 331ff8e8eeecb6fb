//! A server with test pages.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hostnorm::control_command::{CommandResult, ControlCommand, ControlSender};
use hostnorm::http::{
    self, AccessSettings, AppState, ControlSocket, ExpositionOptions, RenderedReportCache, ServerCounters,
    WebSecurity,
};
use hostnorm::metric::Metric;
use hostnorm::reading::{MetricLabels, Reading, Subject, Timestamp};
use hostnorm::report::{Assessment, Report};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

use super::client::Client;

/// The monotonic clock of tests stands still unless they move it.
pub(crate) static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

static FILLER: Metric = Metric::gauge("hostnorm_filler", "Something to read").by(&["name"]);

pub(crate) struct Server {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) reports: watch::Sender<Option<Arc<Report>>>,
    pub(crate) counts: Arc<ServerCounters>,
    /// The received commands, and the results of the next ones; `None` while they get no reply.
    pub(crate) commands: Arc<Mutex<Vec<ControlCommand>>>,
    pub(crate) outcome: Arc<Mutex<Option<CommandResult>>>,
    pub(crate) instant: fn() -> Instant,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) thread: JoinHandle<()>,
    directory: TempDir,
}

/// How a server is started.
#[derive(Clone)]
pub(crate) struct Start {
    pub(crate) address: &'static str,
    pub(crate) telemetry_path: &'static str,
    pub(crate) now: fn() -> Timestamp,
    pub(crate) instant: fn() -> Instant,
    /// Directory of the store.
    pub(crate) store: Option<PathBuf>,
    /// Whether the server's timers ring as soon as there is nothing else to do.
    pub(crate) hasty: bool,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0",
            telemetry_path: "/metrics",
            now: || Timestamp(1_795_262_400.5),
            instant: || *STARTED,
            store: None,
            hasty: false,
        }
    }
}

impl Server {
    pub(crate) fn start(start: Start) -> Self {
        Self::start_with(start, AccessSettings::default())
    }

    /// A server with a web configuration file, or with commands over TCP.
    pub(crate) fn start_with(start: Start, access: AccessSettings) -> Self {
        let Start { address, telemetry_path, now, instant, store, hasty } = start;
        let listeners = http::bind(&[address]).unwrap();
        let addresses = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
        let (reports, newest) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let (counts, commands) =
            (Arc::<ServerCounters>::default(), Arc::<Mutex<Vec<ControlCommand>>>::default());
        let outcome = Arc::<Mutex<Option<CommandResult>>>::default();
        let waiting = Mutex::new(Vec::new());
        let (arrived, next) = (Arc::clone(&commands), Arc::clone(&outcome));
        let control = ControlSender::new(move |request| {
            arrived.lock().unwrap().push(request.command.clone());
            match next.lock().unwrap().clone() {
                Some(outcome) => request.reply(outcome),
                None => waiting.lock().unwrap().push(request),
            }
            true
        });
        let state = AppState {
            security: Arc::new(WebSecurity::open(access).unwrap()),
            reports: newest,
            pages: RenderedReportCache::new(
                ExpositionOptions { raw: true, ..ExpositionOptions::default() },
                Arc::clone(&counts),
            ),
            telemetry_path: telemetry_path.to_owned(),
            interval: Duration::from_secs(1),
            now,
            instant,
            control,
            store,
            reload: None,
            cors_origins: vec!["https://grafana.example".to_owned()],
            large_responses: http::LargeResponses::default(),
            event_streams: http::EventStreamLimit::default(),
            store_reads: http::StoreReads::default(),
            request_traces: http::RequestTraces::off(),
        };
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("control.sock");
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().max_blocking_threads(http::BLOCKING_THREADS_MAX);
            let runtime = runtime.start_paused(hasty).build().unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            runtime.block_on(async {
                let control = cfg!(unix).then_some(ControlSocket::bind(&socket));
                let control = match control {
                    Some(control) => Some(control.await.unwrap()),
                    None => None,
                };
                ready.send(()).unwrap();
                http::serve(listeners, async { control }, state, stopped).await.unwrap();
            });
        });
        is_ready.recv().unwrap();
        Self { addresses, reports, counts, commands, outcome, instant, stop, thread, directory }
    }

    /// A server with a page of this many values.
    pub(crate) fn with_page(values: usize) -> Self {
        let server = Self::start(Start::default());
        server.publish(values, 1000.0);
        server
    }

    pub(crate) fn publish(&self, values: usize, at: f64) {
        let mut reading = Reading::new(Timestamp(at));
        for idx in 0..values {
            let name = format!("{idx:0>120}");
            reading.host().set_by(&FILLER, &MetricLabels::new([name.as_str()]), 1.0);
        }
        let assessments =
            [(Subject::Host, Assessment { ready_at: Timestamp(1600.0), ..Assessment::default() })].into();
        let began = Some((self.instant)());
        let report = Report { reading: Arc::new(reading), began, assessments, ..Report::default() };
        self.reports.send_replace(Some(Arc::new(report)));
    }

    /// Path of the control socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    /// Connections closed to make room.
    pub(crate) fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}
