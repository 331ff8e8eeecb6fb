//! What the store keeps, as those see it who read it: all of it, bit by bit, whatever happens in between.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostnorm::metric::Metric;
use hostnorm::reading::{Kind, Labels, Reading, Subject, Timestamp, Values};
use hostnorm::report::{
    Contribution, Direction, Episode, Judgement, Learned, Opinion, Report, SignalState, Turn,
};
use hostnorm::signal::{Signal, Unit};
use hostnorm::span::Span;
use hostnorm::store::{
    Archive, BLOBS, Between, Entry, Error, FILE, LEARNING, LeftOut, Marker, Model, Settings, Snapshot, Store,
    TAIL, amend,
};
use hostnorm::window::Point;

static BYTES: Metric = Metric::counter("hostnorm_test_bytes_total", "Bytes").by(&["device"]);
static LOAD: Metric = Metric::gauge("hostnorm_test_load", "Load");
static GONE: Metric = Metric::gauge("hostnorm_test_gone", "A metric of another version");
static KNOWN: &[&Metric] = &[&BYTES, &LOAD];

static BUSY: Signal = Signal {
    kind: Kind::Host,
    name: "cpu_busy_ratio",
    title: "CPU usage",
    help: "",
    unit: Unit::Ratio,
    floor: 0.05,
    of: |_| None,
};

const START: f64 = 1_795_255_180.123_456;

fn settings() -> Settings {
    Settings { commit_every: Span::millis(100), ..Settings::default() }
}

fn open(directory: &Path) -> Store {
    Store::open(directory, &settings())
}

/// A reading whose devices come and go, with values of all sorts.
fn reading(t: u32) -> Reading {
    let mut reading = Reading::new(Timestamp(START + f64::from(t) * 1.000_1));
    let host = reading.host();
    host.set(&LOAD, 0.1 * f64::from(t) / 3.0);
    for device in ["sda", "a \"b\",c"].into_iter().take(1 + t as usize / 7 % 2) {
        host.set_by(&BYTES, &Labels::new([device]), f64::from(t * t) * 512.0);
    }
    host.set(&GONE, 1e300 / f64::from(t + 1));
    let web = reading.subjects.entry(Subject::Container("web".into())).or_default();
    web.set(&LOAD, -0.0);
    reading
}

fn report(t: u32) -> Report {
    Report { reading: Arc::new(reading(t)), ..Report::default() }
}

/// The reading as it comes back: without the metric that is not known.
fn known(t: u32) -> Reading {
    let mut reading = reading(t);
    for values in reading.subjects.values_mut() {
        let mut kept = Values::default();
        for it in values.iter().filter(|it| *it.metric != GONE) {
            kept.set_by(it.metric, &it.labels, it.value);
        }
        *values = kept;
    }
    reading
}

fn readings(directory: &Path, between: Between) -> (Vec<Reading>, LeftOut) {
    let mut found = Vec::new();
    let archive = Archive::open(directory).unwrap();
    let left_out = archive
        .readings::<Error>(between, KNOWN, |it| {
            found.push(it);
            Ok(())
        })
        .unwrap();
    (found, left_out)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        std::thread::yield_now();
    }
}

fn value(store: &Store, name: &str) -> Option<f64> {
    let mut values = Values::default();
    store.values(&mut values);
    values.iter().find(|it| it.metric.name == name).map(|it| it.value)
}

#[test]
fn readings_come_back_bit_by_bit() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    // Two minutes and a half, committed in between, the last minute with the end.
    for t in 0..150 {
        store.append(&report(t));
        if t % 40 == 39 {
            until("a commit", || readings(directory.path(), Between::ALL).0.len() as u32 == t + 1);
        }
    }
    store.close();
    let (found, left_out) = readings(directory.path(), Between::ALL);
    let expect: Vec<_> = (0..150).map(known).collect();
    assert_eq!(found, expect);
    assert!(found[0].subjects[&Subject::Container("web".into())].get(&LOAD).unwrap().is_sign_negative());
    assert_eq!(left_out, LeftOut { unknown: 150, garbled: 0 });
    let between = Between { from: expect[10].at, to: expect[19].at };
    assert_eq!(readings(directory.path(), between).0, expect[10..20]);
    let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM readings", [], |row| row.get(0)).unwrap();
    assert!((2..=5).contains(&rows), "about a row a minute, not one a commit: {rows}");
    assert!(!directory.path().join(format!("{FILE}{TAIL}")).exists(), "all of it is in the database");
}

#[test]
fn what_another_process_left_is_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let mut store = open(directory.path());
        (0..5).for_each(|t| store.append(&report(round * 5 + t)));
        store.close();
    }
    assert_eq!(readings(directory.path(), Between::ALL).0, (0..15).map(known).collect::<Vec<_>>());
}

/// A tick of the host with this score; in an episode since its beginning, where there is one.
fn judged(t: u32, score: f64, since: Option<f64>, turn: Option<Turn>) -> Report {
    let contribution = Contribution { signal: &BUSY, direction: Direction::High, value: score };
    let opinion = Opinion {
        score,
        momentary: score,
        confidence: Some(0.75),
        causes: vec![contribution],
        ..Opinion::default()
    };
    let point = (t % 10 == 9).then(|| {
        let point = Point {
            at: Timestamp(START + f64::from(t)),
            values: vec![0.25, 7.0],
            missing: vec![false, true],
        };
        Arc::new(Learned { point, signals: vec![&BUSY, &BUSY], odd: since.is_some(), weight: 0.5 })
    });
    let judgement = Judgement {
        ready: true,
        opinion: Some(opinion),
        signals: vec![SignalState { signal: &BUSY, value: 0.97, expected: None, drift: None }],
        episode: since.map(|it| Episode { since: Timestamp(it), peak: score }),
        description: since.map(|_| "Anomaly on host: CPU usage 97 %".into()),
        turn,
        point,
        ..Judgement::default()
    };
    let reading = Reading::new(Timestamp(START + f64::from(t)));
    Report { reading: reading.into(), judgements: [(Subject::Host, judgement)].into(), ..Report::default() }
}

#[test]
fn points_scores_and_episodes_are_rows() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let since = START + 12.0;
    let snapshot = Snapshot {
        at: Timestamp(START - 1000.0),
        format: "test".into(),
        cause: None,
        model: Some("20261121T000000Z".into()),
        bytes: vec![1, 2, 3],
    };
    assert!(store.put(Entry::Snapshot(snapshot.clone())));
    for t in 0..40 {
        let report = match t {
            12 => judged(t, 1.5, Some(since), Some(Turn::Began)),
            13..20 => judged(t, 3.0, Some(since), None),
            20 => {
                let episode = Episode { since: Timestamp(since), peak: 3.0 };
                judged(t, 0.5, None, Some(Turn::Ended(episode)))
            }
            _ => judged(t, 0.25, None, None),
        };
        store.append(&report);
    }
    store.close();
    let archive = Archive::open(directory.path()).unwrap();
    let mut points = Vec::new();
    archive
        .points::<Error>(Between::ALL, Some(&Subject::Host), |it| {
            points.push(it);
            Ok(())
        })
        .unwrap();
    assert_eq!(points.iter().map(|it| it.odd).collect::<Vec<_>>(), [false, true, false, false]);
    assert_eq!((&points[1].values, &points[1].missing), (&vec![0.25, 7.0], &vec![false, true]));
    assert_eq!((points[1].at, points[1].weight), (Timestamp(START + 19.0), 0.5));
    let mut scores = Vec::new();
    archive
        .scores::<Error>(Between::ALL, |it| {
            scores.push((it.score, it.momentary, it.is_anomaly));
            Ok(())
        })
        .unwrap();
    assert_eq!(scores, [(0.25, 0.25, false), (3.0, 3.0, true), (0.5, 0.25, false), (0.25, 0.25, false)]);
    let episodes = archive.episodes(Between::ALL).unwrap();
    let [episode] = &episodes[..] else { panic!("{episodes:?}") };
    assert_eq!((episode.began, episode.ended, episode.peak), (since, Some(START + 20.0), 3.0));
    assert_eq!((episode.outcome.as_str(), episode.model.as_deref()), ("ended", Some("20261121T000000Z")));
    assert_eq!(episode.sentence, "Anomaly on host: CPU usage 97 %");
    assert_eq!(episode.causes[0]["signal"], "cpu_busy_ratio");
    assert_eq!(archive.episode(&Subject::Host, Timestamp(since)).unwrap().as_ref(), Some(episode));
    assert_eq!(archive.snapshots_of(episode).unwrap(), std::slice::from_ref(&snapshot));
    assert_eq!(archive.snapshot("test").unwrap().as_ref(), Some(&snapshot));
    assert_eq!(archive.snapshot("other").unwrap(), None);
    let before = Between { from: Between::ALL.from, to: Timestamp(START) };
    assert_eq!(archive.episodes(before).unwrap(), []);
}

#[test]
fn an_episode_goes_on_after_a_restart_or_is_called_interrupted() {
    for (after, outcome) in
        [(Some(START + 1.0), "open"), (None, "interrupted"), (Some(START + 6.0), "interrupted")]
    {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path());
        store.append(&judged(1, 1.5, Some(START + 1.0), Some(Turn::Began)));
        store.append(&judged(2, 2.5, Some(START + 1.0), None));
        store.close();
        let mut store = open(directory.path());
        store.append(&judged(6, 1.2, after, None));
        store.close();
        let episodes = Archive::open(directory.path()).unwrap().episodes(Between::ALL).unwrap();
        assert_eq!(episodes[0].outcome, outcome);
        assert_eq!(episodes[0].ended.is_some(), outcome == "interrupted");
    }
}

#[test]
fn models_and_markers_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    let model = |id: &str| Model {
        id: id.into(),
        kind: "host".into(),
        created: Timestamp(1.0),
        state: "shadow".into(),
        card: "{\"rows\":1}".into(),
        digest: "d".into(),
        format: 1,
        bytes: vec![0; 5000],
    };
    ["a", "b", "c"].into_iter().for_each(|id| assert!(store.put(Entry::Model(model(id)))));
    store.put(Entry::ModelState { id: "b".into(), state: "current".into() });
    store.put(Entry::ModelGone { id: "a".into() });
    assert!(store.put(Entry::Marker(Marker {
        at: Timestamp(5.0),
        kind: "learning".into(),
        text: "off".into()
    })));
    store.close();
    let archive = Archive::open(directory.path()).unwrap();
    let models: Vec<_> = archive.models().unwrap().into_iter().map(|it| (it.id, it.state)).collect();
    assert_eq!(models, [("b".into(), "current".into()), ("c".into(), "shadow".into())]);
    assert_eq!(archive.models().unwrap()[1], model("c"));
    assert!(!archive.is_learning().unwrap());
    // What cannot be read is nothing, which whoever decodes it refuses; the rest of the row is there.
    std::fs::remove_dir_all(directory.path().join(format!("{FILE}{BLOBS}"))).unwrap();
    assert_eq!(archive.models().unwrap()[1], Model { bytes: Vec::new(), ..model("c") });
}

#[test]
fn a_store_is_amended_while_no_daemon_writes_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let off = [Entry::Marker(Marker { at: Timestamp(1.0), kind: LEARNING.into(), text: "off".into() })];
    assert!(matches!(amend(directory.path(), &off), Err(Error::None { .. })));
    assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "nothing is created");
    let store = open(directory.path());
    assert!(matches!(amend(directory.path(), &off), Err(Error::Locked { .. })));
    store.close();
    amend(directory.path(), &off).unwrap();
    assert!(!Archive::open(directory.path()).unwrap().is_learning().unwrap());
}

/// What stands in the place of the database, and what happens to it.
fn check_foreign(content: &[u8], aside: bool, success: f64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::fs::write(&path, content).unwrap();
    let mut store = open(directory.path());
    (0..5).for_each(|t| store.append(&report(t)));
    until("a verdict", || value(&store, "hostnorm_store_errors_total").is_some_and(|it| it > 0.0));
    if aside {
        until("a commit", || value(&store, "hostnorm_store_success") == Some(success));
    }
    store.close();
    let names = std::fs::read_dir(directory.path()).unwrap().map(|it| it.unwrap().path());
    let asides: Vec<_> = names.filter(|it| it.to_string_lossy().contains(".garbled-")).collect();
    assert_eq!(asides.len(), usize::from(aside), "{asides:?}");
    let kept = asides.first().unwrap_or(&path);
    assert!(std::fs::read(kept).unwrap() == content, "what was there is changed");
    if aside {
        assert_eq!(readings(directory.path(), Between::ALL).0.len(), 5);
    }
}

#[test]
fn a_garbled_file_is_set_aside_and_a_foreign_one_left_alone() {
    check_foreign(&[0xA5; 10_000], true, 1.0);
    check_foreign(b"SQLite format 3\0 and no more", true, 1.0);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    for sql in [
        "CREATE TABLE t (x)",
        "PRAGMA application_id = 7",
        "PRAGMA application_id = 1752068717; PRAGMA user_version = 99",
    ] {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.execute_batch(sql).unwrap();
        drop(connection);
        check_foreign(&std::fs::read(&path).unwrap(), false, 0.0);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_newer_schema_is_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).close();
    let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let told = Archive::open(directory.path()).unwrap_err().to_string();
    assert!(
        told.contains("was written by a newer hostnorm: its schema is 99, this one knows up to 3"),
        "{told}"
    );
}

#[test]
fn a_second_store_in_one_directory_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path());
    let mut second = open(directory.path());
    assert_eq!(value(&second, "hostnorm_store_success"), Some(0.0));
    (0..5).for_each(|t| first.append(&report(t)));
    (5..9).for_each(|t| second.append(&report(t)));
    second.close();
    first.close();
    assert_eq!(readings(directory.path(), Between::ALL).0.len(), 5);
}

#[test]
fn what_a_crash_leaves_in_the_tail_is_seen_beside_and_taken_over() {
    let (directory, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(directory.path());
    let count = |directory: &Path| readings(directory, Between::ALL).0.len();
    // The first commit is a transaction, as its series are new; the next ones are frames.
    for (t, count_then) in [(0..5, 5), (5..6, 6), (6..7, 7)] {
        t.for_each(|t| store.append(&report(t)));
        until("a commit", || count(directory.path()) == count_then);
    }
    for end in ["", "-wal", TAIL] {
        let name = format!("{FILE}{end}");
        std::fs::copy(directory.path().join(&name), left.path().join(&name)).unwrap();
    }
    store.close();
    let connection = rusqlite::Connection::open(left.path().join(FILE)).unwrap();
    let rows =
        || connection.query_row("SELECT sum(count) FROM readings", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((rows(), count(left.path())), (5, 7));
    let between = Between { from: known(5).at, to: known(5).at };
    assert_eq!(readings(left.path(), between).0, [known(5)]);
    assert_eq!(Archive::open(left.path()).unwrap().newest_reading().unwrap(), Some(known(6).at));
    // Of the last frame, which takes a block, no more than the digest was written.
    let tail = std::fs::File::options().write(true).open(left.path().join(format!("{FILE}{TAIL}"))).unwrap();
    tail.set_len(tail.metadata().unwrap().len() - 4096 + 20).unwrap();
    let store = open(left.path());
    assert_eq!(rows(), 6);
    store.close();
    assert_eq!(readings(left.path(), Between::ALL).0, (0..6).map(known).collect::<Vec<_>>());
}

#[test]
fn a_store_of_the_first_schema_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    connection.execute_batch(include_str!("../../src/store/schema_1.sql")).unwrap();
    connection
        .execute_batch(
            "PRAGMA user_version = 1; PRAGMA application_id = 0x686e726d;
             INSERT INTO models VALUES ('a', 'host', 1.5, 'current', '{}', 'd', 1, x'0102');
             INSERT INTO snapshots VALUES (1, 2.5, 'f', NULL, NULL, x'03');
             INSERT INTO tails VALUES (0, 7.5, 7.5, 0, 1, x''), (1, 8.5, 9.5, 2, 1, x'0200');",
        )
        .unwrap();
    assert!(matches!(Archive::open(directory.path()), Err(Error::Older { .. })));
    open(directory.path()).close();
    let archive = Archive::open(directory.path()).unwrap();
    assert_eq!(archive.snapshot("f").unwrap().unwrap().bytes, [3]);
    let models = archive.models().unwrap();
    assert_eq!(
        (models[0].id.as_str(), models[0].created, &models[0].bytes),
        ("a", Timestamp(1.5), &vec![1, 2])
    );
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let found = connection.query_row("SELECT last_at, count FROM readings", [], row).unwrap();
    assert_eq!(found, (9.5, 2));
}
