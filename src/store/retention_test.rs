//! Tests of retention.

use std::path::Path;

use rand_xoshiro::rand_core::{RngCore, SeedableRng};

use super::database::Database;
use super::error::StoreError;
use super::reader::StoreReader;
use super::retention::RetentionLimits;
use super::row_types::{SnapshotRow, TimeRange};
use super::series_keys::SeriesList;
use super::store_write::{AssessmentEntry, StoreWrite, TickEntry};
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading, Subject, Timestamp};
use crate::report::{Episode, EpisodeTransition};

static NOISE: Metric = Metric::gauge("hostnorm_test_noise", "What cannot be compressed").by(&["series"]);

const HOUR: f64 = 3_600.0;
const KEEP: RetentionLimits =
    RetentionLimits { bytes: 1 << 30, episode_bytes: 1 << 30, readings: 2.0 * HOUR, points: 24.0 * HOUR };

fn open(directory: &Path, keep: RetentionLimits) -> Database {
    Database::open(&directory.join("hostnorm.db"), keep, false).unwrap()
}

/// A reading of noise, some thousand bytes; inside an episode if `since` is given.
fn tick(at: f64, since: Option<f64>, turn: Option<EpisodeTransition>) -> StoreWrite {
    let mut reading = Reading::new(Timestamp(at));
    for series in 0..200_u64 {
        let bits = (at as u64 * 1_000 + series).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let value = (bits >> 11) as f64 / 3.0;
        reading.host().set_by(&NOISE, &MetricLabels::new([format!("{series}").as_str()]), value);
    }
    let judged = AssessmentEntry {
        circumstances: crate::report::EpisodeCircumstances::default(),
        severity: None,
        scene: None,
        templates: None,
        subject: Subject::Host,
        point: None,
        instant_score: None,
        confidence: None,
        episode: since.map(|it| Episode { since: Timestamp(it), peak: 1.5, lasted: 0.0 }),
        transition: turn,
        description: None,
        causes: None,
    };
    StoreWrite::Tick(TickEntry::new(&reading, vec![judged], &mut SeriesList::default()))
}

fn snapshot(at: f64) -> StoreWrite {
    StoreWrite::Snapshot(SnapshotRow {
        at: Timestamp(at),
        format: "test".into(),
        models: Vec::new(),
        cause: None,
        bytes: vec![7; 1000],
    })
}

/// A day with a reading every minute, a snapshot every ten minutes, and an episode at 6 h that lasts for 5 min.
fn day(directory: &Path) -> Database {
    let mut db = open(directory, KEEP);
    let began = 6.0 * HOUR;
    for minute in 0..24 * 60 {
        let at = f64::from(minute) * 60.0;
        let tick = match minute {
            360 => tick(at, Some(began), Some(EpisodeTransition::Started)),
            361..365 => tick(at, Some(began), None),
            365 => {
                let episode = Episode { since: Timestamp(began), peak: 1.5, lasted: 0.0 };
                tick(at, None, Some(EpisodeTransition::Ended(episode)))
            }
            _ => tick(at, None, None),
        };
        let snapshot = (minute % 10 == 5).then(|| snapshot(at));
        let entries: Vec<StoreWrite> = [tick].into_iter().chain(snapshot).collect();
        db.write(&entries).unwrap();
    }
    db
}

fn times(directory: &Path) -> Vec<f64> {
    let mut times = Vec::new();
    let reader = StoreReader::open(directory).unwrap();
    let each = |it: Reading| {
        times.push(it.at.0);
        Ok::<_, StoreError>(())
    };
    reader.readings(TimeRange::ALL, &[&NOISE], each).unwrap();
    times
}

fn passes(db: &mut Database) {
    (0..5).for_each(|_| db.prune(24.0 * HOUR).unwrap());
}

#[test]
fn old_rows_are_deleted_and_those_that_explain_an_episode_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut db = day(directory.path());
    passes(&mut db);
    let found = times(directory.path());
    // The newest snapshot at least ten minutes before the start is that of 5:45.
    let (from, to) = (6.0 * HOUR - 900.0, 6.0 * HOUR + 900.0);
    let oldest = 22.0 * HOUR - 60.0;
    let expect = |at: &f64| (from..=to).contains(at) || *at >= oldest;
    let expect: Vec<f64> = (0..24 * 60).map(|it| f64::from(it) * 60.0).filter(expect).collect();
    assert_eq!(found, expect);
    let reader = StoreReader::open(directory.path()).unwrap();
    let episode = reader.episode(&Subject::Host, Timestamp(6.0 * HOUR)).unwrap().unwrap();
    assert_eq!((episode.retained_from, episode.retained_to), (Some(from), Some(to)));
    assert_eq!(reader.snapshots_of(&episode).unwrap()[0].at, Timestamp(from));
    drop((db, reader));
    // Too little space: the episode stays, its readings and snapshots go.
    passes(&mut open(directory.path(), RetentionLimits { episode_bytes: 1_000, ..KEEP }));
    assert_eq!(times(directory.path()).first(), Some(&oldest));
    let reader = StoreReader::open(directory.path()).unwrap();
    let episode = reader.episode(&Subject::Host, Timestamp(6.0 * HOUR)).unwrap().unwrap();
    assert_eq!((episode.outcome.as_str(), episode.retained_from), ("ended", None));
    assert_eq!(reader.snapshots_of(&episode).unwrap(), Vec::new());
}

#[test]
fn a_limit_that_was_lowered_shrinks_the_file_oldest_readings_first() {
    let directory = tempfile::tempdir().unwrap();
    day(directory.path()).close().unwrap();
    let size = || std::fs::metadata(directory.path().join("hostnorm.db")).unwrap().len();
    let before = size();
    let keep = RetentionLimits { bytes: before / 2, readings: 48.0 * HOUR, ..KEEP };
    let mut db = open(directory.path(), keep);
    for _ in 0..20 {
        db.prune(24.0 * HOUR).unwrap();
        db.vacuum().unwrap();
    }
    db.close().unwrap();
    assert!(size() <= before / 2 + (1 << 20), "{} of {before}", size());
    let found = times(directory.path());
    assert_eq!(found.last(), Some(&(24.0 * HOUR - 60.0)));
    assert!(found.contains(&(6.0 * HOUR)), "the episode's readings outlast others");
    assert!(!found.contains(&HOUR), "the oldest are gone");
}

#[test]
fn database_and_log_stay_within_their_bytes() {
    const BYTES: u64 = 8 << 20;
    let directory = tempfile::tempdir().unwrap();
    let mut db = open(directory.path(), RetentionLimits { bytes: BYTES, ..KEEP });
    // A reader that does not end its transaction, at first.
    let stuck = rusqlite::Connection::open(directory.path().join("hostnorm.db")).unwrap();
    stuck.execute_batch("BEGIN; SELECT count(*) FROM readings").unwrap();
    let (mut largest, mut refused) = (0, 0);
    for minute in 0..400 {
        let at = f64::from(minute) * 60.0;
        let mut entries: Vec<StoreWrite> = (0..8).map(|it| tick(at + f64::from(it), None, None)).collect();
        if minute % 10 == 0 {
            let mut random = rand_xoshiro::SplitMix64::seed_from_u64(minute as u64);
            let bytes = (0..1 << 20).map(|_| random.next_u64() as u8).collect();
            let cause = Some("test".to_owned());
            entries.push(StoreWrite::Snapshot(SnapshotRow {
                at: Timestamp(at),
                format: "t".into(),
                models: Vec::new(),
                cause,
                bytes,
            }));
        }
        match db.write(&entries) {
            Ok(_) => {}
            Err(StoreError::LogHeld { .. }) => {
                refused += 1;
                stuck.execute_batch("COMMIT").unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        let size = |name: &str| std::fs::metadata(directory.path().join(name)).map_or(0, |it| it.len());
        largest = largest.max(size("hostnorm.db") + size("hostnorm.db-wal"));
    }
    assert_eq!(refused, 1);
    assert!((BYTES / 2..=BYTES).contains(&largest), "{largest}");
    assert_eq!(times(directory.path()).last(), Some(&(399.0 * 60.0 + 7.0)));
    assert!(StoreReader::open(directory.path()).unwrap().snapshot("t").unwrap().is_some());
}

/// A damaged log loses only its few pages: all others are in the database.
#[test]
fn commits_are_moved_into_the_database_soon() {
    const BYTES_MAX: u64 = 512 << 10;
    let directory = tempfile::tempdir().unwrap();
    let mut db = open(directory.path(), KEEP);
    let mut largest = 0;
    for minute in 0..1200 {
        db.write(&[tick(f64::from(minute) * 60.0, None, None)]).unwrap();
        largest = largest.max(std::fs::metadata(directory.path().join("hostnorm.db-wal")).unwrap().len());
    }
    assert!(largest <= BYTES_MAX, "the log grew to {largest} bytes");
    let database = std::fs::metadata(directory.path().join("hostnorm.db")).unwrap().len();
    assert!(database > 4 * BYTES_MAX, "too little was written to show it: {database} bytes");
}

#[test]
fn series_without_stored_readings_are_deleted_and_their_numbers_not_reused() {
    let directory = tempfile::tempdir().unwrap();
    let mut db = open(directory.path(), KEEP);
    let other = |at: f64| {
        let mut reading = Reading::new(Timestamp(at));
        reading.host().set_by(&NOISE, &MetricLabels::new(["other"]), 1.0);
        StoreWrite::Tick(TickEntry::new(&reading, Vec::new(), &mut SeriesList::default()))
    };
    db.write(&[tick(0.0, None, None)]).unwrap();
    db.prune(0.0).unwrap();
    let write = |db: &mut Database, hours: std::ops::RangeInclusive<u8>| {
        for hour in hours {
            db.write(&[other(f64::from(hour) * HOUR)]).unwrap();
        }
    };
    write(&mut db, 1..=30);
    // The first pass still counts the series as used, because they were used since the previous pass.
    (0..2).for_each(|_| db.prune(30.0 * HOUR).unwrap());
    let connection = rusqlite::Connection::open(directory.path().join("hostnorm.db")).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let query = "SELECT count(*), min(id) FROM series";
    assert_eq!(connection.query_row(query, [], row).unwrap(), (201, 1));
    write(&mut db, 31..=40);
    (0..2).for_each(|_| db.prune(40.0 * HOUR).unwrap());
    assert_eq!(connection.query_row(query, [], row).unwrap(), (1, 201));
}

/// The times of readings that are left of those written at these minutes, after passes with the clock of the last one.
fn left(minutes: &[f64]) -> Vec<f64> {
    let directory = tempfile::tempdir().unwrap();
    let mut db = open(directory.path(), KEEP);
    for it in minutes {
        db.write(&[tick(it * 60.0, None, None)]).unwrap();
    }
    (0..5).for_each(|_| db.prune(minutes.last().unwrap() * 60.0).unwrap());
    times(directory.path()).iter().map(|it| it / 60.0).collect()
}

/// So many minutes from one on.
fn minutes(from: f64, count: u32) -> Vec<f64> {
    (0..count).map(|it| from + f64::from(it)).collect()
}

#[test]
fn a_clock_that_is_wrong_deletes_no_history() {
    const YEARS: f64 = 10.0 * 365.0 * 24.0 * 60.0;
    let history = minutes(YEARS, 30);
    for wrong in [2.0 * YEARS, 0.0, YEARS + 60.0 * 24.0 * 30.0] {
        // It is wrong at one start, at several, or until the end.
        let back = [minutes(wrong, 3), minutes(YEARS + 32.0, 5)].concat();
        for then in [minutes(wrong, 3), minutes(wrong, 20), back] {
            let all = [history.clone(), then].concat();
            let left = left(&all);
            assert!(history.iter().all(|it| left.contains(it)), "{left:?} of {all:?}");
        }
    }
}

#[test]
fn history_before_a_week_without_power_is_deleted_once_as_much_was_recorded_since() {
    const WEEK: f64 = 7.0 * 24.0 * 60.0;
    let history = minutes(0.0, 60);
    let after = |count| left(&[history.clone(), minutes(WEEK, count)].concat());
    assert_eq!(after(30).first(), Some(&0.0), "the gap counts an hour, and the limit is two");
    assert_eq!(after(90).first(), Some(&59.0));
    assert_eq!(after(240).first(), Some(&(WEEK + 119.0)));
}
