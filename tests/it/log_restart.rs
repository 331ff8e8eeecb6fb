//! What a log taught survives a restart: from the loop through the store to the thread that reads the log.

use std::sync::Arc;
use std::time::Duration;

use hostnorm::cost_limit::CostLimits;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::log_stream::{LogSeverity, LogStream};
use hostnorm::logs::{FileSettings, LogPositions, LogReaders, StartFrom, WatchedLogSettings};
use hostnorm::model_registry::ModelRegistry;
use hostnorm::reading::Timestamp;
use hostnorm::sampler::{self, PersistentState, Sampler, SamplerOptions};
use hostnorm::sources;
use hostnorm::store::{LOG_STATES_MAX, LogStateRow, StoreReader, StoreWrite};
use hostnorm::training;

use crate::sampler::{no_sources, until};

/// Before the present, when the log is read again.
const START: f64 = 1_700_000_000.0;

/// An hour of a log, with a line that came once.
fn learned() -> Arc<LogStream> {
    let stream = LogStream::new("app");
    for second in 0..3_600 {
        let at = Timestamp(START + f64::from(second));
        stream.line(b"request served in 12 ms", None, at);
        if second == 100 {
            stream.line(b"archive of photos is complete", Some(LogSeverity::Error), at);
        }
    }
    stream
}

/// Runs the loop with this log until it ends.
fn run_loop(directory: &std::path::Path, stream: Arc<LogStream>) {
    let options = SamplerOptions {
        interval: Duration::from_secs(1),
        training: training::TrainingSettings::default(),
        seed: 1,
        scene: None,
        limits: CostLimits::default(),
        logs: vec![stream],
        store_log_templates: false,
    };
    let persistent = PersistentState {
        engine: Engine::new(sources::signals(|_| false), &EngineSettings::default()),
        registry: ModelRegistry::new(0.0),
        store: crate::store::open(directory),
        maintenance: Default::default(),
        silences: Default::default(),
        log_positions: LogPositions::default(),
    };
    let (handle, inbox) = sampler::channel();
    let sampler = Sampler::new(options, no_sources(), persistent, (handle.clone(), inbox));
    handle.stop();
    sampler.run(Arc::new);
}

#[test]
fn a_known_rare_line_is_not_new_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    run_loop(folder.path(), learned());
    let states = StoreReader::open(folder.path()).unwrap().log_states().unwrap();
    assert_eq!(states.iter().map(|it| &*it.log).collect::<Vec<_>>(), ["app"]);
    let text = String::from_utf8_lossy(&states[0].bytes);
    assert!(["request", "served", "archive", "complete"].iter().all(|it| !text.contains(it)));
    let positions = LogPositions::default();
    states.into_iter().for_each(|it| positions.restore_state(it.log, it.bytes));
    positions.set_restored();
    let path = folder.path().join("app.log");
    std::fs::write(&path, "request served in 7 ms\narchive of films is complete\nlicense expires soon\n")
        .unwrap();
    let file = FileSettings {
        paths: vec![path.to_str().unwrap().to_owned()],
        from: StartFrom::Start,
        ..FileSettings::default()
    };
    let log = WatchedLogSettings { name: "app".into(), file: Some(file), ..WatchedLogSettings::default() };
    let readers = LogReaders::start(&[log], &positions);
    let stream = Arc::clone(&readers.streams()[0]);
    until("all lines", || (stream.totals().lines == 3).then_some(()));
    readers.stop();
    let totals = stream.totals();
    assert_eq!((totals.new_templates, totals.new_lines), (1, 1));
    let new: Vec<_> = stream.notable_templates().into_iter().filter(|it| it.is_new).collect();
    assert_eq!(new.iter().map(|it| &*it.text).collect::<Vec<_>>(), ["license expires soon"]);
}

#[test]
fn the_newest_states_of_logs_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = crate::store::open(folder.path());
    let state = |log: &str, byte: u8| LogStateRow { log: log.into(), bytes: vec![byte; 9] };
    let put = |it: LogStateRow| {
        until("room in the queue", || store.put(StoreWrite::LogState(it.clone())).then_some(()));
    };
    put(state("web", 1));
    put(state("web", 2));
    (0..LOG_STATES_MAX).for_each(|it| put(state(&it.to_string(), 3)));
    put(state("0", 4));
    store.close();
    let states = StoreReader::open(folder.path()).unwrap().log_states().unwrap();
    assert_eq!(states.len() as i64, LOG_STATES_MAX);
    assert!(states.iter().all(|it| it.log != "web"));
    assert_eq!(states.last(), Some(&state("0", 4)));
}
