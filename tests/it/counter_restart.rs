//! Counters that fell, or whose growth was refused, go on after a restart of hostnorm.

use std::path::Path;
use std::sync::{Arc, Mutex};

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::metric::Metric;
use hostnorm::model_registry::ModelRegistry;
use hostnorm::reading::{MetricLabels, Reading, Timestamp};
use hostnorm::sampler;
use hostnorm::sources;
use hostnorm::store::{SnapshotRow, StoreReader, StoreWrite};

const START: f64 = 1_795_255_180.0;

fn received() -> &'static Metric {
    sources::metrics().find(|it| it.name == "hostnorm_network_receive_bytes_total").unwrap()
}

fn new_engine() -> Engine {
    Engine::new([], &EngineSettings::default())
}

/// The value that is shown for this one, a second after the one before.
fn step(engine: &mut Engine, second: usize, raw: f64) -> (Option<f64>, hostnorm::report::Report) {
    let mut reading = Reading::new(Timestamp(START + second as f64));
    let labels = MetricLabels::new(["eth0"]);
    reading.host().set_by(received(), &labels, raw);
    let report = engine.step(reading);
    (report.reading.host_values().and_then(|it| it.get_by(received(), &labels)), report)
}

/// The engine that a run starts with.
fn restored(directory: &Path) -> Engine {
    let found = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&found);
    let blank = || (new_engine(), ModelRegistry::new(3_600.0));
    let mut restore = sampler::restore(blank, vec![received()], move |it| *slot.lock().unwrap() = it);
    restore(Ok(&StoreReader::open(directory).unwrap())).unwrap();
    found.lock().unwrap().take().unwrap().engine
}

#[test]
fn a_counter_goes_on_after_a_restart() {
    let reset =
        (0..8).map(|it| 155e9 + f64::from(it) * 1e5).chain((0..40).map(|it| 1e6 + f64::from(it) * 1e5));
    let refused = [0.0, 0.0].into_iter().chain((0..46).map(|it| 150e9 + f64::from(it) * 1e5));
    for (raw, most) in [(reset.collect::<Vec<_>>(), 4.7e6), (refused.collect(), 4.6e6)] {
        for has_snapshot in [true, false] {
            let directory = tempfile::tempdir().unwrap();
            let mut store = crate::store::open(directory.path());
            let mut engine = new_engine();
            let mut shown = Vec::new();
            for (second, raw) in raw.iter().enumerate().take(40) {
                let (value, report) = step(&mut engine, second, *raw);
                shown.extend(value);
                if let Some(changes) = engine.take_offset_changes() {
                    assert!(store.put_offsets(changes));
                }
                store.append(&report);
                if second == 5 && has_snapshot {
                    let (format, bytes) = (Engine::snapshot_format(), engine.snapshot());
                    let row = SnapshotRow { at: engine.at(), format, models: vec![], cause: None, bytes };
                    store.put(StoreWrite::Snapshot(row));
                }
            }
            store.close();
            let mut engine = restored(directory.path());
            shown.extend((40..48).filter_map(|it| step(&mut engine, it, raw[it]).0));
            assert!(shown.windows(2).all(|it| it[0] <= it[1]), "{has_snapshot} {shown:?}");
            let gained = shown.last().unwrap() - shown[0];
            assert!((4e6..=most).contains(&gained), "{has_snapshot} {gained} {shown:?}");
        }
    }
}
