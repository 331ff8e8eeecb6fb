//! A server with pages of the test's making.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hostnorm::metric::Metric;
use hostnorm::reading::{Labels, Reading, Subject, Timestamp};
use hostnorm::report::{Judgement, Report};
use hostnorm::serve::{self, Counts, Options, Page, Site};
use tokio::sync::{oneshot, watch};

use super::client::Client;

static FILLER: Metric = Metric::gauge("hostnorm_filler", "Something to read").by(&["name"]);

pub(crate) struct Server {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) page: watch::Sender<Option<Arc<Page>>>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(address: &str, telemetry_path: &str, now: fn() -> Timestamp) -> Self {
        Self::start_with(address, telemetry_path, now, false)
    }

    /// With `hasty`, the server's timers ring as soon as there is nothing else to do.
    pub(crate) fn start_with(
        address: &str,
        telemetry_path: &str,
        now: fn() -> Timestamp,
        hasty: bool,
    ) -> Self {
        let listeners = serve::bind(&[address]).unwrap();
        let addresses = listeners.iter().map(|it| it.local_addr().unwrap()).collect();
        let (page, pages) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let counts = Arc::new(Counts::default());
        let site = Site {
            page: pages,
            telemetry_path: telemetry_path.to_owned(),
            interval: Duration::from_secs(1),
            now,
            counts: Arc::clone(&counts),
            adopt: None,
        };
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().start_paused(hasty).build().unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            runtime.block_on(serve::serve(listeners, site, stopped)).unwrap();
        });
        Self { addresses, page, counts, stop, thread }
    }

    /// A server with a page of this many values.
    pub(crate) fn with_page(values: usize) -> Self {
        let server = Self::start("127.0.0.1:0", "/metrics", || Timestamp(1000.5));
        server.publish(values, 1000.0);
        server
    }

    pub(crate) fn publish(&self, values: usize, at: f64) {
        let mut reading = Reading::new(Timestamp(at));
        for idx in 0..values {
            let name = format!("{idx:0>120}");
            reading.host().set_by(&FILLER, &Labels::new([name.as_str()]), 1.0);
        }
        let judgements =
            [(Subject::Host, Judgement { ready_at: Timestamp(1600.0), ..Judgement::default() })].into();
        let report = Arc::new(Report { reading: Arc::new(reading), judgements, ..Report::default() });
        let options = Arc::new(Options { raw: true, ..Options::default() });
        self.page.send_replace(Some(Arc::new(Page::render(&report, &options, &self.counts))));
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        self.thread.join().unwrap();
    }
}
