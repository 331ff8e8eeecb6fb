//! Data written to the store is read back bit by bit. Failures are in `store_faults.rs`.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use hostnorm::culprit::{
    DeviatingSignal, EpisodeScene, ProcessNameKey, ProcessUsage, SameNameProcesses, SceneMoment,
    UnrankedScene, UsageMeasure,
};
use hostnorm::duration::HumanDuration;
use hostnorm::impact::EpisodeSeverity;
use hostnorm::metric::Metric;
use hostnorm::reading::{MetricLabels, Reading, Subject, SubjectKind, SubjectValues, Timestamp};
use hostnorm::report::{
    Assessment, Contribution, DeviationDirection, Episode, EpisodeTransition, LearnedPoint, Report,
    ScoreDetails, SignalState,
};
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::store::{
    FILE, LEARNING, LOCK, MarkerRow, ModelRow, SUBJECT_STATE_BYTES_MAX, SUBJECT_STATES_MAX,
    SkippedDataCounts, SnapshotRow, Store, StoreError, StoreReader, StoreSettings, StoreWrite,
    SubjectStateRow, TimeRange, write_entries_offline,
};
use hostnorm::window::Point;

static BYTES: Metric = Metric::counter("hostnorm_test_bytes_total", "Bytes").by(&["device"]);
static LOAD: Metric = Metric::gauge("hostnorm_test_load", "Load");
static GONE: Metric = Metric::gauge("hostnorm_test_gone", "A metric of another version");
static KNOWN: &[&Metric] = &[&BYTES, &LOAD];

static BUSY: Signal = Signal {
    kind: SubjectKind::Host,
    name: "cpu_busy_ratio",
    title: "CPU usage",
    help: "",
    unit: SignalUnit::Ratio,
    floor: 0.05,
    device: None,
    formula: |_| None,
};

const START: f64 = 1_795_255_180.123_456;

pub(crate) fn settings() -> StoreSettings {
    StoreSettings { commit_interval: HumanDuration::millis(100), ..StoreSettings::default() }
}

/// A store that is open, or failed to open.
pub(crate) fn open(directory: &Path) -> Store {
    open_with(directory, &settings())
}

fn open_with(directory: &Path, settings: &StoreSettings) -> Store {
    let (send, opened) = mpsc::channel();
    let restore = move |_: Result<&StoreReader, &StoreError>| {
        let _ = send.send(());
        Ok(())
    };
    let store = Store::open(directory, settings, Box::new(restore));
    opened.recv_timeout(Duration::from_secs(20)).unwrap();
    store
}

/// A reading whose devices come and go, with values of all kinds.
fn reading(t: u32) -> Reading {
    let mut reading = Reading::new(Timestamp(START + f64::from(t) * 1.000_1));
    let host = reading.host();
    host.set(&LOAD, 0.1 * f64::from(t) / 3.0);
    for device in ["sda", "a \"b\",c"].into_iter().take(1 + t as usize / 7 % 2) {
        host.set_by(&BYTES, &MetricLabels::new([device]), f64::from(t * t) * 512.0);
    }
    host.set(&GONE, 1e300 / f64::from(t + 1));
    let web = reading.subjects.entry(Subject::Container("web".into())).or_default();
    web.set(&LOAD, -0.0);
    reading
}

pub(crate) fn report(t: u32) -> Report {
    Report { reading: Arc::new(reading(t)), ..Report::default() }
}

/// The reading as it is read back: without the unknown metric.
pub(crate) fn known(t: u32) -> Reading {
    let mut reading = reading(t);
    for values in reading.subjects.values_mut() {
        let mut kept = SubjectValues::default();
        for it in values.iter().filter(|it| *it.metric != GONE) {
            kept.set_by(it.metric, &it.labels, it.value);
        }
        *values = kept;
    }
    reading
}

pub(crate) fn readings(directory: &Path, between: TimeRange) -> (Vec<Reading>, SkippedDataCounts) {
    let mut found = Vec::new();
    let reader = StoreReader::open(directory).unwrap();
    let left_out = reader
        .readings::<StoreError>(between, KNOWN, |it| {
            found.push(it);
            Ok(())
        })
        .unwrap();
    (found, left_out)
}

pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::yield_now();
    }
}

pub(crate) fn value(store: &Store, name: &str) -> Option<f64> {
    let mut values = SubjectValues::default();
    store.values(&mut values);
    values.iter().find(|it| it.metric.name == name).map(|it| it.value)
}

#[test]
fn readings_come_back_bit_by_bit() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    // Two and a half minutes, committed in between, the last minute at the end.
    for t in 0..150 {
        store.append(&report(t));
        if t % 40 == 39 {
            until("a commit", || readings(directory.path(), TimeRange::ALL).0.len() as u32 == t + 1);
        }
    }
    store.close();
    let (found, left_out) = readings(directory.path(), TimeRange::ALL);
    let expect: Vec<_> = (0..150).map(known).collect();
    assert_eq!(found, expect);
    assert!(found[0].subjects[&Subject::Container("web".into())].get(&LOAD).unwrap().is_sign_negative());
    assert_eq!(left_out, SkippedDataCounts { unknown: 150, corrupt: 0 });
    let between = TimeRange { from: expect[10].at, to: expect[19].at };
    assert_eq!(readings(directory.path(), between).0, expect[10..20]);
    let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM readings", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 4, "a row a minute");
    drop(connection);
    let mut names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [FILE, LOCK], "nothing else stays");
}

#[test]
fn the_files_of_another_process_are_continued() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut store = open(directory.path());
        (0..5).for_each(|t| store.append(&report(round * 5 + t)));
        store.close();
    }
    assert_eq!(readings(directory.path(), TimeRange::ALL).0, (0..15).map(known).collect::<Vec<_>>());
}

/// A tick of the host with this score, inside an episode if `since` is given.
fn judged(t: u32, score: f64, since: Option<f64>, turn: Option<EpisodeTransition>) -> Report {
    let contribution = Contribution { signal: &BUSY, direction: DeviationDirection::High, value: score };
    let details = ScoreDetails {
        score,
        instant_score: score,
        confidence: Some(0.75),
        causes: vec![contribution],
        ..ScoreDetails::default()
    };
    let point = (t % 10 == 9).then(|| {
        let point = Point {
            at: Timestamp(START + f64::from(t)),
            values: vec![0.25, 7.0],
            missing: vec![false, true],
        };
        Arc::new(LearnedPoint {
            point,
            signals: vec![&BUSY, &BUSY],
            in_episode: since.is_some(),
            weight: 0.5,
        })
    });
    let assessment = Assessment {
        ready: true,
        details: Some(details),
        signals: vec![SignalState {
            signal: &BUSY,
            value: 0.97,
            expected: None,
            expected_by_detector: Default::default(),
            drift: None,
        }],
        episode: since.map(|it| Episode { since: Timestamp(it), peak: score, lasted: 0.0 }),
        description: since.map(|_| "Anomaly on host: CPU usage 97 %".into()),
        transition: turn,
        point,
        ..Assessment::default()
    };
    let reading = Reading::new(Timestamp(START + f64::from(t)));
    Report { reading: reading.into(), assessments: [(Subject::Host, assessment)].into(), ..Report::default() }
}

/// Whoever reads of an episode in the log finds it in the store, and its end as well.
#[test]
fn an_episode_does_not_wait_for_the_next_commit() {
    let directory = tempfile::tempdir().unwrap();
    let rarely = StoreSettings { commit_interval: HumanDuration::seconds(600), ..settings() };
    let mut store = open_with(directory.path(), &rarely);
    let since = START + 1.0;
    let outcomes = || -> Vec<String> {
        let episodes =
            StoreReader::open(directory.path()).and_then(|it| it.episodes(None, TimeRange::ALL, usize::MAX));
        episodes.unwrap_or_default().into_iter().map(|it| it.outcome).collect()
    };
    store.append(&judged(1, 1.5, Some(since), Some(EpisodeTransition::Started)));
    until("the episode is stored", || outcomes() == ["open"]);
    let episode = Episode { since: Timestamp(since), peak: 1.5, lasted: 1.0 };
    store.append(&judged(2, 0.5, None, Some(EpisodeTransition::Ended(episode))));
    until("its end is stored", || outcomes() == ["ended"]);
}

#[test]
fn points_scores_and_episodes_are_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let since = START + 12.0;
    let snapshot = SnapshotRow {
        at: Timestamp(START - 1000.0),
        format: "test".into(),
        cause: None,
        models: vec!["20261121T000001Z".into(), "20261121T000000Z".into()],
        bytes: vec![1, 2, 3],
    };
    assert!(store.put(StoreWrite::Model(model("20261121T000001Z", "service"))));
    assert!(store.put(StoreWrite::Model(model("20261121T000000Z", "host"))));
    assert!(store.put(StoreWrite::Snapshot(snapshot.clone())));
    // The first one explains the episode, as it cannot contain the anomaly; the model is that of the second.
    let retrained = SnapshotRow {
        at: Timestamp(START),
        models: vec!["20261121T000002Z".into()],
        cause: Some("model installed".into()),
        ..snapshot.clone()
    };
    assert!(store.put(StoreWrite::Model(model("20261121T000002Z", "host"))));
    assert!(store.put(StoreWrite::Snapshot(retrained.clone())));
    for t in 0..40 {
        let mut report = match t {
            12 => judged(t, 1.5, Some(since), Some(EpisodeTransition::Started)),
            13..20 => judged(t, 3.0, Some(since), None),
            20 => {
                let episode = Episode { since: Timestamp(since), peak: 3.0, lasted: 0.0 };
                judged(t, 0.5, None, Some(EpisodeTransition::Ended(episode)))
            }
            _ => judged(t, 0.25, None, None),
        };
        let severity = if t == 15 { EpisodeSeverity::Warning } else { EpisodeSeverity::Info };
        report.assessments.values_mut().for_each(|it| it.severity = it.episode.map(|_| severity));
        store.append(&report);
    }
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let mut points = Vec::new();
    reader
        .points::<StoreError>(TimeRange::ALL, Some(&Subject::Host), |it| {
            points.push(it);
            Ok(())
        })
        .unwrap();
    assert_eq!(points.iter().map(|it| it.in_episode).collect::<Vec<_>>(), [false, true, false, false]);
    assert_eq!((&points[1].values, &points[1].missing), (&vec![0.25, 7.0], &vec![false, true]));
    assert_eq!((points[1].at, points[1].weight), (Timestamp(START + 19.0), 0.5));
    let mut scores = Vec::new();
    reader
        .scores::<StoreError>(TimeRange::ALL, None, |it| {
            scores.push((it.score, it.instant_score, it.is_anomaly));
            Ok(())
        })
        .unwrap();
    assert_eq!(scores, [(0.25, 0.25, false), (3.0, 3.0, true), (0.5, 0.25, false), (0.25, 0.25, false)]);
    let episodes = reader.episodes(None, TimeRange::ALL, usize::MAX).unwrap();
    let [episode] = &episodes[..] else { panic!("{episodes:?}") };
    assert_eq!((episode.began, episode.ended, episode.peak), (since, Some(START + 20.0), 3.0));
    assert_eq!((episode.outcome.as_str(), episode.model.as_deref()), ("ended", Some("20261121T000002Z")));
    assert_eq!(episode.description, "Anomaly on host: CPU usage 97 %");
    assert_eq!(episode.severity.as_deref(), Some("warning"), "the highest one stays");
    assert_eq!(episode.causes[0].signal, "cpu_busy_ratio");
    assert_eq!(reader.episode(&Subject::Host, Timestamp(since)).unwrap().as_ref(), Some(episode));
    assert_eq!(reader.snapshots_of(episode).unwrap(), [snapshot, retrained.clone()]);
    assert_eq!(reader.snapshot("test").unwrap().map(|it| it.row), Some(retrained));
    assert_eq!(reader.snapshot("other").unwrap(), None);
    let before = TimeRange { from: TimeRange::ALL.from, to: Timestamp(START) };
    assert_eq!(reader.episodes(None, before, usize::MAX).unwrap(), []);
    assert_eq!(reader.episode_count(None, before).unwrap(), 0);
}

/// The clock was ahead by ten years, and was set right before the snapshot.
#[test]
fn readings_after_a_snapshot_are_those_stored_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let years = 315_360_000;
    let snapshot = |at: f64| {
        let row = SnapshotRow {
            at: Timestamp(at),
            format: "test".into(),
            cause: None,
            models: Vec::new(),
            bytes: vec![1],
        };
        StoreWrite::Snapshot(row)
    };
    for t in [years, years + 9, years + 10, 5, 6] {
        store.append(&judged(t, 0.25, None, None));
    }
    store.put(snapshot(START + 6.0));
    for t in [7, 8, 9] {
        store.append(&judged(t, 0.25, None, None));
    }
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let found = reader.snapshot("test").unwrap().unwrap();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let each = |is_after: bool, reading: Reading| {
        if is_after { &mut after } else { &mut before }.push(reading.at.0 - START);
        Ok(())
    };
    reader.readings_since::<StoreError>(&found, &[], each).unwrap();
    assert_eq!((before.last(), after), (Some(&6.0), vec![7.0, 8.0, 9.0]));
    assert_eq!(reader.newest_point(&Subject::Host).unwrap(), Some(Timestamp(START + 9.0)));
}

#[test]
fn the_newest_episodes_are_read_and_all_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for number in 0..3_u32 {
        let since = START + 10.0 * f64::from(number);
        store.append(&judged(10 * number, 1.5, Some(since), Some(EpisodeTransition::Started)));
        let ended = Episode { since: Timestamp(since), peak: 1.5, lasted: 5.0 };
        store.append(&judged(10 * number + 5, 0.5, None, Some(EpisodeTransition::Ended(ended))));
    }
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    for (of, newest, expected) in [
        (None, usize::MAX, &[0.0, 10.0, 20.0][..]),
        (Some(&Subject::Host), 2, &[10.0, 20.0]),
        (None, 0, &[]),
        (Some(&Subject::Service("web".into())), 2, &[]),
    ] {
        let found = reader.episodes(of, TimeRange::ALL, newest).unwrap();
        assert_eq!(found.iter().map(|it| it.began - START).collect::<Vec<_>>(), expected, "{of:?}, {newest}");
    }
    assert_eq!(reader.episode_count(None, TimeRange::ALL).unwrap(), 3);
    let last = TimeRange { from: Timestamp(START + 16.0), to: Timestamp(START + 20.0) };
    assert_eq!(reader.episode_count(Some(&Subject::Host), last).unwrap(), 1);
}

#[test]
fn the_scenes_of_an_episode_come_with_it_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let since = START + 1.0;
    store.append(&judged(1, 1.5, Some(since), Some(EpisodeTransition::Started)));
    let mut report = judged(2, 2.5, Some(since), None);
    let host = report.assessments.get_mut(&Subject::Host).unwrap();
    let mut now = ProcessUsage::NONE;
    now.set(UsageMeasure::Cpu, 1.0);
    let key = ProcessNameKey { command: "burner".into(), owner: None };
    let groups =
        vec![SameNameProcesses { key, now, usual: ProcessUsage::NONE, ..SameNameProcesses::default() }];
    let deviations = [DeviatingSignal { signal: BUSY.name, is_high: true, weight: 1.0 }];
    let mut scene = EpisodeScene::default();
    scene.add(SceneMoment::Start, &UnrankedScene { groups, ..UnrankedScene::default() }, &deviations);
    (host.scene, host.scene_is_new) = (Some(Arc::new(scene.clone())), true);
    host.description = Some("most of it: process `burner`".into());
    store.append(&report);
    store.append(&judged(3, 2.5, Some(since), None));
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let [listed] = <[_; 1]>::try_from(reader.episodes(None, TimeRange::ALL, usize::MAX).unwrap()).unwrap();
    assert_eq!((&listed.culprits, listed.scenes.len()), (&scene.culprits, 0));
    let whole = reader.episode(&Subject::Host, Timestamp(since)).unwrap().unwrap();
    assert_eq!((&whole.culprits, &whole.scenes), (&scene.culprits, &scene.scenes));
    assert_eq!((whole.culprits[0].process.as_deref(), whole.scenes[0].top.len()), (Some("burner"), 1));
    assert_eq!(whole.description, "most of it: process `burner`");
}

#[test]
fn an_episode_goes_on_after_a_restart_or_is_called_interrupted() {
    for (after, outcome) in
        [(Some(START + 1.0), "open"), (None, "interrupted"), (Some(START + 6.0), "interrupted")]
    {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path());
        store.append(&judged(1, 1.5, Some(START + 1.0), Some(EpisodeTransition::Started)));
        store.append(&judged(2, 2.5, Some(START + 1.0), None));
        store.close();
        let mut store = open(directory.path());
        store.append(&judged(6, 1.2, after, None));
        store.close();
        let episodes =
            StoreReader::open(directory.path()).unwrap().episodes(None, TimeRange::ALL, usize::MAX).unwrap();
        assert_eq!(episodes[0].outcome, outcome);
        assert_eq!(episodes[0].ended.is_some(), outcome == "interrupted");
    }
}

/// The clock is set forward or back by an hour while the episode lasts.
#[test]
fn an_episode_is_as_long_as_its_readings_whatever_the_clock_says() {
    let (began, forward, back) = (10_000, 13_620, 6_420);
    for (end, outcome, lasted) in [
        (10_020, "ended", 20.0),
        (forward, "ended", 20.0),
        (back, "ended", 20.0),
        (forward, "open", 20.0),
        (back, "open", 20.0),
        // The last reading before the restart was a second earlier.
        (back, "interrupted", 19.0),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let since = START + f64::from(began);
        let inside = |t: u32, lasted: f64| {
            let mut report = judged(t, 1.5, Some(since), None);
            let open = report.assessments.values_mut().filter_map(|it| it.episode.as_mut());
            open.for_each(|it| it.lasted = lasted);
            report
        };
        let mut store = open(directory.path());
        store.append(&judged(began, 1.5, Some(since), Some(EpisodeTransition::Started)));
        store.append(&inside(end - 1, 19.0));
        match outcome {
            "ended" => {
                let episode = Episode { since: Timestamp(since), peak: 1.5, lasted: 20.0 };
                store.append(&judged(end, 0.5, None, Some(EpisodeTransition::Ended(episode))));
            }
            "open" => store.append(&inside(end, 20.0)),
            _ => {
                store.close();
                store = open(directory.path());
                store.append(&judged(end, 0.5, None, None));
            }
        }
        store.close();
        let episodes =
            StoreReader::open(directory.path()).unwrap().episodes(None, TimeRange::ALL, usize::MAX).unwrap();
        let [episode] = &episodes[..] else { panic!("{episodes:?}") };
        assert_eq!((episode.outcome.as_str(), episode.lasted), (outcome, Some(lasted)));
        assert_eq!(episode.duration_text(), format!("{lasted:.0}s"), "{end} {outcome}");
    }
}

fn model(id: &str, kind: &str) -> ModelRow {
    ModelRow {
        id: id.into(),
        kind: kind.into(),
        created: Timestamp(1.0),
        state: "shadow".into(),
        evaluation: "{\"rows\":1}".into(),
        digest: "d".into(),
        format: 1,
        bytes: vec![0; 5000],
    }
}

/// A model that a snapshot names stays as long as the snapshot, whatever its place in the list.
#[test]
fn models_of_all_kinds_that_a_snapshot_names_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for (id, kind) in [("a", "host"), ("b", "service"), ("b2", "pod")] {
        assert!(store.put(StoreWrite::Model(model(id, kind))));
    }
    let snapshot = SnapshotRow {
        at: Timestamp(1.0),
        format: "test".into(),
        models: vec!["a".into(), "b".into()],
        cause: None,
        bytes: vec![1],
    };
    assert!(store.put(StoreWrite::Snapshot(snapshot)));
    ["a", "b", "b2"].into_iter().for_each(|it| assert!(store.put(StoreWrite::ModelGone { id: it.into() })));
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let found = ["a", "b", "b2"].map(|it| reader.model(it).unwrap().is_some());
    assert_eq!(found, [true, true, false]);
}

#[test]
fn models_and_markers_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let model = |id| model(id, "host");
    ["a", "b", "c"].into_iter().for_each(|id| assert!(store.put(StoreWrite::Model(model(id)))));
    store.put(StoreWrite::ModelState { id: "b".into(), state: "current".into() });
    store.put(StoreWrite::ModelGone { id: "a".into() });
    assert!(store.put(StoreWrite::Marker(MarkerRow {
        at: Timestamp(5.0),
        kind: "learning".into(),
        text: "off".into()
    })));
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let models: Vec<_> = reader.models().unwrap().into_iter().map(|it| (it.id, it.state)).collect();
    assert_eq!(models, [("b".into(), "current".into()), ("c".into(), "shadow".into())]);
    assert_eq!(reader.models().unwrap()[1], model("c"));
    assert!(!reader.is_learning().unwrap());
}

#[test]
fn the_state_of_an_evicted_subject_is_found_when_it_returns() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let state = |identity: &str, at: f64, bytes: usize| SubjectStateRow {
        kind: SubjectKind::Container,
        identity: identity.into(),
        at: Timestamp(at),
        format: "f".into(),
        bytes: vec![7; bytes],
    };
    store.put(StoreWrite::SubjectState(state("web", 1.0, 10)));
    store.put(StoreWrite::SubjectState(state("web", 2.0, 20)));
    store.put(StoreWrite::SubjectState(state("large", 2.0, SUBJECT_STATE_BYTES_MAX + 1)));
    until("a dropped row", || value(&store, "hostnorm_store_rows_dropped_total") == Some(1.0));
    let reader = StoreReader::open(directory.path()).unwrap();
    assert_eq!(reader.subject_state(SubjectKind::Container, "web").unwrap(), Some(state("web", 2.0, 20)));
    assert_eq!(reader.subject_state(SubjectKind::Container, "large").unwrap(), None);
    assert_eq!(reader.subject_state(SubjectKind::Log, "web").unwrap(), None);
    // Beyond the maximum, the oldest is removed.
    for number in 0..SUBJECT_STATES_MAX {
        let entry = || StoreWrite::SubjectState(state(&number.to_string(), 10.0 + number as f64, 1));
        until("room in the queue", || store.put(entry()));
    }
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    assert_eq!(reader.subject_state(SubjectKind::Container, "web").unwrap(), None);
    assert!(reader.subject_state(SubjectKind::Container, "0").unwrap().is_some());
}

#[test]
fn many_rows_are_read_page_by_page() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let minutes = 40;
    (0..minutes * 6).for_each(|it| store.append(&judged(it * 10 + 9, 0.25, None, None)));
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let times = |from: f64, to: f64| {
        let between = TimeRange { from: Timestamp(START + from), to: Timestamp(START + to) };
        let (mut points, mut scores, mut readings) = (Vec::new(), Vec::new(), Vec::new());
        let take = |it: Timestamp, of: &mut Vec<f64>| of.push((it.0 - START).round());
        reader
            .points::<StoreError>(between, None, |it| {
                take(it.at, &mut points);
                Ok(())
            })
            .unwrap();
        reader
            .scores::<StoreError>(between, None, |it| {
                take(it.at, &mut scores);
                Ok(())
            })
            .unwrap();
        reader
            .readings::<StoreError>(between, KNOWN, |it| {
                take(it.at, &mut readings);
                Ok(())
            })
            .unwrap();
        assert_eq!((&points, &points), (&scores, &readings));
        points
    };
    let all: Vec<f64> = (0..minutes * 6).map(|it| f64::from(it * 10 + 9)).collect();
    assert_eq!(times(-1.0, 1e9), all);
    assert_eq!(times(1_000.0, 1_030.0), [1_009.0, 1_019.0, 1_029.0]);
    assert_eq!(times(1e6, 1e9), Vec::<f64>::new());
}

#[test]
fn a_store_is_amended_while_no_daemon_writes_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let off =
        [StoreWrite::Marker(MarkerRow { at: Timestamp(1.0), kind: LEARNING.into(), text: "off".into() })];
    assert!(matches!(write_entries_offline(directory.path(), &off), Err(StoreError::None { .. })));
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "nothing is created");
    let store = open(directory.path());
    assert!(matches!(write_entries_offline(directory.path(), &off), Err(StoreError::Locked { .. })));
    store.close();
    write_entries_offline(directory.path(), &off).unwrap();
    assert!(!StoreReader::open(directory.path()).unwrap().is_learning().unwrap());
}
