//! The clock was ahead during an anomaly, and is right after a restart: no later restart takes what was stored before for
//! what came after. The state goes through the store and the real restore.

use std::sync::mpsc;

use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::model_registry::ModelRegistry;
use hostnorm::reading::{MetricLabels, Reading, Subject, Timestamp};
use hostnorm::report::EpisodeTransition;
use hostnorm::sampler;
use hostnorm::simulate::COLUMNS;
use hostnorm::store::{SnapshotRow, Store, StoreReader, StoreWrite, TimeRange};
use tempfile::TempDir;

use crate::simulated_host::{SIGNALS, VALUE};

/// Seconds between two readings.
const EVERY: f64 = 60.0;
const START: f64 = 1_790_000_000.0;

/// How a run of hostnorm ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RunEnd {
    /// With a snapshot.
    Stopped,
    /// The readings since the first one are replayed at the next start.
    Crashed,
}

/// What one run saw.
struct SeenInRun {
    /// Starts and ends of episodes.
    transitions: Vec<EpisodeTransition>,
    /// Highest score of a reading.
    highest: f64,
}

/// A host on which hostnorm is started several times.
struct RestartedHost {
    directory: TempDir,
    random: SeededRng,
    /// Number of readings so far.
    readings: usize,
    /// What the last run ended with: the time of its last reading, and how many points of each signal it had learned.
    last: (Timestamp, Vec<f64>),
}

impl RestartedHost {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            random: SeededRng::new(5),
            readings: 0,
            last: (Timestamp::default(), Vec::new()),
        }
    }

    /// Opens the store and restores the state, as a start of hostnorm does.
    fn start(&self) -> (Store, Engine) {
        let blank = || {
            let settings =
                EngineSettings { interval: EVERY, window: 1, warmup: 3_600.0, ..EngineSettings::default() };
            (Engine::new(&SIGNALS, &settings), ModelRegistry::new(3_600.0))
        };
        let (send, restored) = mpsc::channel();
        let restore = sampler::restore(blank, vec![&VALUE], move |it| drop(send.send(it)));
        let store = Store::open(self.directory.path(), &crate::store::settings(), restore);
        (store, restored.recv().unwrap().unwrap().engine)
    }

    /// The next reading, by a clock that is ahead by so many seconds.
    fn reading(&mut self, ahead: f64, is_odd: bool) -> Reading {
        self.readings += 1;
        let mut reading = Reading::new(Timestamp(START + EVERY * self.readings as f64 + ahead));
        for column in &COLUMNS {
            let usual = column.floor * (2.0 + 0.5 * f64::from(self.random.uniform()));
            let value = if is_odd { 30.0 * column.floor } else { usual };
            reading.host().set_by(&VALUE, &MetricLabels::new([column.name]), value);
        }
        reading
    }

    /// One run with this many readings, of which the last `odd` ones are an anomaly. At its start, it has to know what the run
    /// before knew at its end, and to have learned each reading once.
    fn run(&mut self, count: usize, odd: usize, ahead: f64, end: RunEnd) -> SeenInRun {
        let (mut store, mut engine) = self.start();
        assert_eq!((engine.at(), learned_points(&engine)), self.last, "after {} readings", self.readings);
        let (mut transitions, mut highest) = (Vec::new(), 0.0_f64);
        for number in 0..count {
            let report = engine.step(self.reading(ahead, number + odd >= count));
            store.append(&report);
            if number == 0 {
                assert!(store.put(snapshot(&engine, Some("start"))));
            }
            let assessment = &report.assessments[&Subject::Host];
            transitions.extend(assessment.transition.filter(|it| *it != EpisodeTransition::Changed));
            highest = assessment.details.as_ref().map_or(highest, |it| highest.max(it.instant_score));
        }
        if end == RunEnd::Stopped {
            assert!(store.put(snapshot(&engine, None)));
        }
        self.last = (engine.at(), learned_points(&engine));
        store.close();
        SeenInRun { transitions, highest }
    }
}

fn snapshot(engine: &Engine, cause: Option<&str>) -> StoreWrite {
    StoreWrite::Snapshot(SnapshotRow {
        at: engine.at(),
        format: Engine::snapshot_format(),
        models: Vec::new(),
        cause: cause.map(str::to_owned),
        bytes: engine.snapshot(),
    })
}

fn learned_points(engine: &Engine) -> Vec<f64> {
    engine.baselines().map(|(_, _, it)| it.points).collect()
}

#[test]
fn an_anomaly_under_a_clock_that_was_ahead_is_over_once() {
    // Ten years, and an hour, in which all later runs lie.
    for ahead in [315_360_000.0, 3_600.0] {
        for end in [RunEnd::Stopped, RunEnd::Crashed] {
            let what = format!("{ahead} s ahead, {end:?}");
            let mut host = RestartedHost::new();
            let first = host.run(412, 12, ahead, RunEnd::Stopped);
            assert_eq!(first.transitions, [EpisodeTransition::Started], "{what}");
            let second = host.run(50, 0, 0.0, end).transitions;
            let [EpisodeTransition::Ended(episode)] = second[..] else { panic!("{what}: {second:?}") };
            assert!((11.0 * EVERY..30.0 * EVERY).contains(&episode.lasted), "{what}: {episode:?}");
            for _ in 0..2 {
                let later = host.run(4, 0, 0.0, end);
                assert_eq!(later.transitions, [], "{what}");
                assert!(later.highest < 0.7, "{what}: {}", later.highest);
            }
            let reader = StoreReader::open(host.directory.path()).unwrap();
            let episodes = reader.episodes(None, TimeRange::ALL, usize::MAX).unwrap();
            let [stored] = &episodes[..] else { panic!("{what}: {episodes:?}") };
            assert_eq!((stored.outcome.as_str(), stored.lasted), ("ended", Some(episode.lasted)), "{what}");
        }
    }
}
