//! What is deleted, and what is not.

use std::path::Path;

use super::db::Db;
use super::entry::{Entry, Judged, Snapshot, Tick};
use super::retention::Keep;
use super::series::Series;
use super::{Archive, Between, Error, FILE};
use crate::metric::Metric;
use crate::reading::{Labels, Reading, Subject, Timestamp};
use crate::report::{Episode, Turn};

static NOISE: Metric = Metric::gauge("hostnorm_test_noise", "What cannot be compressed").by(&["series"]);

const HOUR: f64 = 3_600.0;
const KEEP: Keep = Keep { bytes: 1 << 30, episode_bytes: 1 << 30, readings: 2.0 * HOUR, points: 24.0 * HOUR };

/// A reading of noise, some thousand bytes; in an episode since its beginning, where there is one.
fn tick(at: f64, since: Option<f64>, turn: Option<Turn>) -> Entry {
    let mut reading = Reading::new(Timestamp(at));
    for series in 0..200_u64 {
        let bits = (at as u64 * 1_000 + series).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        let value = (bits >> 11) as f64 / 3.0;
        reading.host().set_by(&NOISE, &Labels::new([format!("{series}").as_str()]), value);
    }
    let judged = Judged {
        subject: Subject::Host,
        point: None,
        momentary: None,
        confidence: None,
        episode: since.map(|it| Episode { since: Timestamp(it), peak: 1.5 }),
        turn,
        description: None,
        causes: None,
    };
    Entry::Tick(Tick::new(&reading, vec![judged], &mut Series::default()))
}

fn snapshot(at: f64) -> Entry {
    Entry::Snapshot(Snapshot {
        at: Timestamp(at),
        format: "test".into(),
        model: None,
        cause: None,
        bytes: vec![7; 1000],
    })
}

/// A day with a reading each minute, a snapshot each ten, and an episode at 6 h that lasts for 5 min.
fn day(directory: &Path) -> Db {
    let mut db = Db::open(&directory.join(FILE)).unwrap();
    let began = 6.0 * HOUR;
    for minute in 0..24 * 60 {
        let at = f64::from(minute) * 60.0;
        let tick = match minute {
            360 => tick(at, Some(began), Some(Turn::Began)),
            361..365 => tick(at, Some(began), None),
            365 => {
                let episode = Episode { since: Timestamp(began), peak: 1.5 };
                tick(at, None, Some(Turn::Ended(episode)))
            }
            _ => tick(at, None, None),
        };
        let snapshot = (minute % 10 == 5).then(|| snapshot(at));
        db.write([tick].iter().chain(&snapshot), true).unwrap();
    }
    db
}

fn times(directory: &Path) -> Vec<f64> {
    let mut times = Vec::new();
    let archive = Archive::open(directory).unwrap();
    let each = |it: Reading| {
        times.push(it.at.0);
        Ok::<_, Error>(())
    };
    archive.readings(Between::ALL, &[&NOISE], each).unwrap();
    times
}

fn passes(db: &mut Db, keep: &Keep) {
    (0..5).for_each(|_| db.prune(keep, 24.0 * HOUR).unwrap());
}

#[test]
fn what_is_old_goes_and_what_explains_an_episode_stays() {
    let directory = tempfile::tempdir().unwrap();
    let mut db = day(directory.path());
    passes(&mut db, &KEEP);
    let found = times(directory.path());
    // The newest snapshot that is ten minutes older than the onset is that of 5:45.
    let (from, to) = (6.0 * HOUR - 900.0, 6.0 * HOUR + 900.0);
    let expect = |at: &f64| (from..=to).contains(at) || *at >= 22.0 * HOUR;
    let expect: Vec<f64> = (0..24 * 60).map(|it| f64::from(it) * 60.0).filter(expect).collect();
    assert_eq!(found, expect);
    let archive = Archive::open(directory.path()).unwrap();
    let episode = archive.episode(&Subject::Host, Timestamp(6.0 * HOUR)).unwrap().unwrap();
    assert_eq!((episode.keep_from, episode.keep_to), (Some(from), Some(to)));
    assert_eq!(archive.snapshots_of(&episode).unwrap()[0].at, Timestamp(from));
    drop(archive);
    // Too little room for it: the episode itself stays, what explains it goes.
    passes(&mut db, &Keep { episode_bytes: 1_000, ..KEEP });
    assert_eq!(times(directory.path()).first(), Some(&(22.0 * HOUR)));
    let archive = Archive::open(directory.path()).unwrap();
    let episode = archive.episode(&Subject::Host, Timestamp(6.0 * HOUR)).unwrap().unwrap();
    assert_eq!((episode.outcome.as_str(), episode.keep_from), ("ended", None));
    assert_eq!(archive.snapshots_of(&episode).unwrap(), Vec::new());
}

#[test]
fn too_much_is_made_less_oldest_first_and_the_file_shrinks() {
    let directory = tempfile::tempdir().unwrap();
    let mut db = day(directory.path());
    db.checkpoint().unwrap();
    let size = || std::fs::metadata(directory.path().join(FILE)).unwrap().len();
    let before = size();
    let keep = Keep { bytes: before / 2, readings: 48.0 * HOUR, ..KEEP };
    for _ in 0..20 {
        db.prune(&keep, 24.0 * HOUR).unwrap();
    }
    db.checkpoint().unwrap();
    assert!(size() <= before / 2 + (1 << 20), "{} of {before}", size());
    let found = times(directory.path());
    assert_eq!(found.last(), Some(&(24.0 * HOUR - 60.0)));
    assert!(found.contains(&(6.0 * HOUR)), "the episode's readings outlast others");
    assert!(!found.contains(&HOUR), "the oldest are gone");
    // With next to no room everything goes that can go, and nothing fails.
    passes(&mut db, &Keep { bytes: 1, ..keep });
    db.write([tick(24.0 * HOUR, None, None)].iter(), true).unwrap();
    assert_eq!(times(directory.path()).last(), Some(&(24.0 * HOUR)));
}

#[test]
fn series_that_nothing_is_kept_of_are_forgotten_and_their_numbers_not_given_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut db = Db::open(&directory.path().join(FILE)).unwrap();
    db.write([tick(0.0, None, None)].iter(), true).unwrap();
    let mut other = Reading::new(Timestamp(24.0 * HOUR));
    other.host().set_by(&NOISE, &Labels::new(["other"]), 1.0);
    let entry = Entry::Tick(Tick::new(&other, Vec::new(), &mut Series::default()));
    db.write([entry].iter(), true).unwrap();
    passes(&mut db, &KEEP);
    let connection = rusqlite::Connection::open(directory.path().join(FILE)).unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let found = connection.query_row("SELECT count(*), min(id) FROM series", [], row).unwrap();
    assert_eq!(found, (1, 201));
}
