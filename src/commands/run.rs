//! `hostnorm run`: samples, scores and serves until it is stopped.
//!
//! It joins modules that do not know each other: it passes each report of the sampler to the server and to the log.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use crate::cli::{CommandExit, GlobalOptions};
use crate::clock;
use crate::config::Config;
use crate::engine::Engine;
use crate::http::{
    self, AppState, ControlSocket, RenderedReportCache, RequestTraces, ServerCounters, WebConfigStatus,
    WebSecurity,
};
use crate::log_stream::LogStream;
use crate::logs::{LogPositions, LogReaders};
use crate::model_registry::ModelRegistry;
use crate::open_files;
use crate::sampler::{self, LoopEventReceiver, PersistentState, RestoredEngine, Sampler, SamplerHandle};
use crate::sd_notify::ServiceManagerNotifier;
use crate::silence::SilenceCalendar;
use crate::sources::{self, SourceSettings, Sources};
use crate::store::{Store, StoreError, StoreLocation, StoreReader};
use crate::telemetry::otlp_traces::{self, OtlpSettings, TracePipeline};
use crate::telemetry::{self, EventLogger, TelemetryCounts};
use crate::thread_limit;
use crate::time_zone::TimeZone;

mod first_start_backfill;
mod sampler_from_settings;
mod heartbeat;
mod log_positions;
mod report_publisher;
mod settings_reload;
mod silence_poller;
mod startup_log;
pub(super) mod unix_signals;

pub(super) use sampler_from_settings::{engine, time_zone};
pub use settings_reload::METRICS;

use heartbeat::Heartbeat;
use report_publisher::ReportPublisher;
use settings_reload::SettingsReloader;
use unix_signals::{UnixSignalRequest, UnixSignals};

/// Runs until SIGTERM or SIGINT. Exit code 0; 64 for invalid settings; 1 for a failure.
pub fn run(
    options: GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    open_files::raise_limit();
    if let Err(problem) = open_files::check().and_then(|()| thread_limit::check()) {
        return CommandExit::failure(problem);
    }
    let (reload, config) = match SettingsReloader::first(options, environment.into_iter().collect()) {
        Ok(first) => first,
        Err(problems) => return CommandExit::usage(problems.to_string()),
    };
    let traces = match otlp_traces::start(&config.otlp) {
        Ok(traces) => traces,
        Err(problem) => return CommandExit::usage(problem.to_string()),
    };
    let log = match telemetry::init(config.log, traces.as_ref()) {
        Ok(log) => log,
        Err(error) => return CommandExit::failure(format!("cannot start logging: {error}")),
    };
    let listeners = match config.web.systemd_socket {
        true => http::inherited(),
        false => http::bind(&config.web.listen_address),
    };
    let listeners = match listeners {
        Ok(listeners) => listeners,
        Err(error) => return CommandExit::failure(error.to_string()),
    };
    let supervisor = Arc::new(ServiceManagerNotifier::new(|name| reload.variable(name)));
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(http::BLOCKING_THREADS_MAX)
        .build()
        .and_then(|runtime| {
            let spans = traces.as_ref().map(TracePipeline::outcomes);
            let telemetry = TelemetryCounts { log: log.dropped(), spans };
            let ended =
                runtime.block_on(rounds(&Arc::new(reload), config, listeners, &supervisor, &telemetry));
            // A thread that waits for a hanging disk must not keep the process alive.
            runtime.shutdown_background();
            ended
        });
    if let Some(traces) = traces {
        traces.end();
    }
    match ended {
        Ok(()) => CommandExit::success(""),
        Err(error) => CommandExit::failure(error.to_string()),
    }
}

/// Runs with the effective settings, repeatedly after each reload.
///
/// A reload stops and restarts everything except the listeners, like a restart: there is one way in which settings
/// take effect.
async fn rounds(
    reload: &Arc<SettingsReloader>,
    mut config: Config,
    mut listeners: Vec<TcpListener>,
    supervisor: &Arc<ServiceManagerNotifier>,
    telemetry: &TelemetryCounts,
) -> io::Result<()> {
    let mut signals = UnixSignals::new()?;
    let mut access: Option<WebAccess> = None;
    // One at a time: a second request while one is served is refused.
    let (requests, mut requested) = mpsc::channel(1);
    loop {
        let place = config.storage.location(|name| reload.variable(name));
        let current = web_access(access.take(), &config)?;
        access = Some(current.clone());
        let security = Arc::clone(&current.0);
        let mut next = None;
        let stop = async {
            next = renewed(&mut signals, &mut requested, reload, (&config, &security), supervisor).await;
        };
        // Pending connections stay with the listeners and are served after the reload.
        let clones = listeners.iter().map(TcpListener::try_clone).collect::<io::Result<_>>()?;
        let lifecycle = config.web.enable_lifecycle.then(|| requests.clone());
        until(&config, &place, (current, clones), (reload, lifecycle), supervisor, telemetry, stop).await?;
        let Some((new, new_listeners)) = next else { return Ok(()) };
        config = new;
        listeners = new_listeners.unwrap_or(listeners);
    }
}

/// The web configuration in effect, and what became of its file.
type WebAccess = (Arc<WebSecurity>, Arc<WebConfigStatus>);

/// The web configuration for these settings. The one in effect outlives a reload, so that a file that is not written whole
/// does not open the host at a reload either.
fn web_access(in_effect: Option<WebAccess>, config: &Config) -> io::Result<WebAccess> {
    let settings = config.access();
    if let Some(access) = in_effect.filter(|(security, _)| *security.settings() == settings) {
        return Ok(access);
    }
    // It was checked with the settings; only a change in between is found here.
    let security = WebSecurity::open(settings).map_err(io::Error::other)?;
    Ok((Arc::new(security), Arc::default()))
}

/// Waits for new settings, with new listeners if addresses changed; `None` if hostnorm is stopped.
async fn renewed(
    signals: &mut UnixSignals,
    requested: &mut mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
    reload: &SettingsReloader,
    (config, security): (&Config, &WebSecurity),
    supervisor: &ServiceManagerNotifier,
) -> Option<RenewedSettings> {
    loop {
        let (request, reply) = tokio::select! {
            signal = signals.next() => (signal, None),
            Some(reply) = requested.recv() => (UnixSignalRequest::Reload, Some(reply)),
        };
        match request {
            UnixSignalRequest::Stop(signal) => {
                tracing::info!(signal, "stopping");
                supervisor.notify_stopping();
                return None;
            }
            UnixSignalRequest::Reload => {
                supervisor.notify_reloading();
                let new = reload.read_again(config).and_then(|it| protected(it, security));
                let renewed = new.and_then(|it| with_listeners(it, config));
                reload.record(&renewed);
                let outcome = renewed.as_ref().map(|_| ()).map_err(Clone::clone);
                if let Some(reply) = reply {
                    // A client that no longer waits is no error.
                    let _ = reply.send(outcome);
                }
                if let Ok(Some(renewed)) = renewed {
                    tracing::info!("settings reloaded");
                    return Some(renewed);
                }
                supervisor.ready(config.detection.interval.duration());
            }
        }
    }
}

/// New settings, with new listeners if addresses changed.
type RenewedSettings = (Config, Option<Vec<TcpListener>>);

/// Refuses new settings with a web configuration file that would open the host without saying so. Another file, or other
/// settings of access, are a change in so many words.
fn protected(new: Option<Config>, security: &WebSecurity) -> Result<Option<Config>, String> {
    if new.as_ref().is_none_or(|it| it.access() == *security.settings()) {
        security.check_file().map_err(|problem| problem.to_string())?;
    }
    Ok(new)
}

/// Adds listeners to new settings, if the addresses changed.
fn with_listeners(new: Option<Config>, config: &Config) -> Result<Option<RenewedSettings>, String> {
    let Some(new) = new else { return Ok(None) };
    let moved = !new.web.systemd_socket && new.web.listen_address != config.web.listen_address;
    let listeners = moved.then(|| http::bind(&new.web.listen_address)).transpose();
    listeners.map(|it| Some((new, it))).map_err(|error| error.to_string())
}

/// Spans of requests, if traces are sent.
fn request_traces(settings: &OtlpSettings) -> RequestTraces {
    if settings.is_on() {
        RequestTraces::new(settings.continue_traces_of(), otlp_traces::join_trace)
    } else {
        RequestTraces::off()
    }
}

/// Samples and serves on these listeners until `stop` completes, or the loop ends.
async fn until(
    config: &Config,
    place: &StoreLocation,
    ((security, web_config), listeners): (WebAccess, Vec<TcpListener>),
    (reload, lifecycle): (&Arc<SettingsReloader>, Option<http::ReloadRequests>),
    supervisor: &Arc<ServiceManagerNotifier>,
    telemetry: &TelemetryCounts,
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let (publish, reports) = watch::channel(None);
    let (alive, mut ended) = oneshot::channel::<()>();
    let counts = Arc::new(ServerCounters { web_config, ..ServerCounters::default() });
    startup_log::log_startup(config, &listeners);
    // Once, because its file may be on a disk that hangs.
    let zone = sampler_from_settings::logged_time_zone(config);
    let control_socket = control_socket(config.control_socket(place));
    let (handle, inbox) = sampler::channel();
    let positions = LogPositions::default();
    let store = store(config, &zone, place, (&handle, &positions));
    let logs = LogReaders::start(&config.logs, &positions);
    let sampler = sampler(config, zone, (store, positions), logs.streams(), (handle.clone(), inbox));
    // Ends with this round.
    let _silences = silence_poller::start(config, &handle);
    let heartbeat = Heartbeat::new(Arc::clone(supervisor), config.detection.interval.duration());
    let mut publisher = ReportPublisher {
        counts: Arc::clone(&counts),
        newest: publish,
        event_log: EventLogger::default(),
        reload: Arc::clone(reload),
        heartbeat,
        telemetry: telemetry.clone(),
        logs: logs.counts(),
    };
    let thread = std::thread::Builder::new().name("sample".to_owned()).spawn(move || {
        // Dropped when the loop ends, even by a panic, which notifies the other side.
        let _alive = alive;
        sampler.run(|report| publisher.publish(report));
    });
    let thread = thread.map_err(|error| io::Error::other(thread_limit::reason(&error)))?;
    let state = AppState {
        security,
        reports,
        pages: RenderedReportCache::new(exposition(config), counts),
        telemetry_path: config.web.telemetry_path.clone(),
        interval: config.detection.interval.duration(),
        now: clock::now,
        instant: clock::instant,
        control: handle.control(),
        store: place.directory().map(Into::into),
        reload: lifecycle,
        cors_origins: config.web.cors_origins.clone(),
        large_responses: http::LargeResponses::default(),
        event_streams: http::EventStreamLimit::default(),
        store_reads: http::StoreReads::default(),
        request_traces: request_traces(&config.otlp),
    };
    let mut has_failed = false;
    let stop = async {
        tokio::select! {
            () = stop => {}
            _ = &mut ended => has_failed = true,
        }
    };
    let served = http::serve(listeners, control_socket, state, stop).await;
    // First, so that the store gets their last positions.
    logs.stop();
    handle.stop();
    served?;
    // A reading that hangs in the kernel must not keep the process alive.
    if !has_failed && tokio::time::timeout(http::GRACE, &mut ended).await.is_err() {
        return Err(io::Error::other("a reading hangs; exiting without it"));
    }
    if has_failed || thread.join().is_err() {
        return Err(io::Error::other("the sampling loop ended unexpectedly; this is a bug in hostnorm"));
    }
    Ok(())
}

/// What the metrics show.
fn exposition(config: &Config) -> http::ExpositionOptions {
    http::ExpositionOptions {
        sources: sources::metrics().collect(),
        raw: config.metrics.raw,
        raw_subjects: config.cgroup.raw,
        series_max: Some(config.limits.series).filter(|it| *it > 0),
        build: http::BuildInfo::default(),
    }
}

/// Listens for commands. A failure is only a warning, because hostnorm works without the socket.
async fn control_socket(path: Option<PathBuf>) -> Option<ControlSocket> {
    let path = path?;
    if let Some(reason) = open_files::descriptor_shortage() {
        tracing::warn!(reason, "local commands are unavailable");
        return None;
    }
    match ControlSocket::bind(&path).await {
        Ok(socket) => Some(socket),
        Err(error) => {
            tracing::warn!(%error, "local commands are unavailable");
            None
        }
    }
}

/// Opens the store, or logs why there is none. Its state is sent to the loop; if it is empty, the history comes from a
/// server.
fn store(
    config: &Config,
    zone: &TimeZone,
    place: &StoreLocation,
    (handle, positions): (&SamplerHandle, &LogPositions),
) -> Store {
    let mut backfill = first_start_backfill::due(config);
    let StoreLocation::Directory(directory) = place else {
        if *place == StoreLocation::Unknown {
            tracing::warn!("no directory for the store; learned state is lost on exit: set --storage.path");
        }
        backfill.into_iter().for_each(|it| it.start(handle.clone()));
        positions.set_restored();
        return Store::memory();
    };
    first_start_backfill::borrow(config, directory);
    let (config, zone, handle) = (config.clone(), zone.clone(), handle.clone());
    let settings = config.storage.clone();
    // Readings of 200 containers would fill the store within a day.
    let is_raw = config.cgroup.raw;
    let found = move |restored: Option<Box<RestoredEngine>>| {
        let knows_host = restored.as_ref().is_some_and(|it| it.knows_host);
        handle.restore(restored);
        if let (false, Some(backfill)) = (knows_host, backfill.take()) {
            backfill.start(handle.clone());
        }
    };
    let metrics = sources::reading_metrics().collect();
    let mut restore_engine = sampler::restore(move || empty_engine(&config, &zone, true), metrics, found);
    let positions = positions.clone();
    let restore = Box::new(move |reader: Result<&StoreReader, &StoreError>| {
        log_positions::restore(reader, &positions)?;
        restore_engine(reader)
    });
    let store = Store::open(directory, &settings, restore);
    if is_raw { store } else { store.without_subject_readings() }
}

/// An engine and a registry without learned state.
fn empty_engine(config: &Config, zone: &TimeZone, is_stored: bool) -> (Engine, ModelRegistry) {
    let registry = ModelRegistry::new(config.detection.shadow_duration.as_seconds()).drop_models(is_stored);
    (sampler_from_settings::engine_in(config, zone.clone()), registry)
}

/// The loop with the sources of these settings, without learned state.
pub(super) fn sampler(
    config: &Config,
    zone: TimeZone,
    (store, log_positions): (Store, LogPositions),
    logs: Vec<Arc<LogStream>>,
    channel: (SamplerHandle, LoopEventReceiver),
) -> Sampler {
    let (engine, registry) = empty_engine(config, &zone, store.directory().is_some());
    let settings = SourceSettings { logs, ..config.sources() };
    let options = sampler::SamplerOptions {
        interval: config.detection.interval.duration(),
        training: super::training(&config.detection),
        seed: config.detection.seed,
        scene: sampler_from_settings::scene(config),
        limits: config.limits,
        logs: settings.logs.clone(),
        store_log_templates: config.detection.store_log_templates,
    };
    let maintenance = sampler_from_settings::maintenance_calendar(config, zone);
    let silences = SilenceCalendar::new(config.alertmanager.target());
    let persistent = PersistentState { engine, registry, store, maintenance, silences, log_positions };
    let sources = Sources::open(&settings, |source| config.collects(source));
    Sampler::new(options, sources, persistent, channel)
}
