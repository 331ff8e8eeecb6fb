//! How much is read for the points of one subject among many.

use rusqlite::{Connection, StatementStatus, params};

use super::error::StoreError;
use super::point_reader::{edges_of_points, page_of_points};
use super::points;
use super::reader::StoreReader;
use super::row_types::{PointRow, ScoreRow, TimeRange};
use super::schema;
use crate::reading::{Subject, Timestamp};

/// Points of each subject.
const POINTS: u32 = 300;

/// A store with the points of the host and of this many services, as they come: all subjects at each of these instants.
fn store(services: usize, instants: impl IntoIterator<Item = f64>) -> (tempfile::TempDir, Connection) {
    let directory = tempfile::tempdir().unwrap();
    let mut connection = schema::open(&directory.path().join("hostnorm.db"), false).unwrap();
    let transaction = connection.transaction().unwrap();
    let services = (0..services).map(|idx| Subject::Service(format!("s{idx}").into()));
    let subjects: Vec<Subject> = std::iter::once(Subject::Host).chain(services).collect();
    for at in instants {
        for subject in &subjects {
            let layout = points::layout(&transaction, subject, &["cpu"]).unwrap();
            let row = params![
                at,
                subject.kind().name(),
                subject.name(),
                layout,
                points::pack_values(&[0.5], &[false])
            ];
            transaction
                .execute(
                    "INSERT INTO points (at, kind, subject, in_episode, weight, score, instant_score, layout, \"values\") \
                     VALUES (?1, ?2, ?3, 0, 1, 0.25, 0.25, ?4, ?5)",
                    row,
                )
                .unwrap();
        }
    }
    transaction.commit().unwrap();
    (directory, connection)
}

/// Instants of points, one each 30 seconds.
fn every(points: u32) -> impl Iterator<Item = f64> {
    (0..points).map(|point| f64::from(point) * 30.0)
}

/// The rows that the statement of a page gives, and the steps that SQLite takes for it.
fn steps(services: usize, columns: &str, subject: &Subject) -> (usize, i32) {
    let (_directory, connection) = store(services, every(POINTS));
    let mut statement = connection.prepare(&page_of_points(columns, "", Some(subject))).unwrap();
    let of = params![0, i64::MAX, subject.kind().name(), subject.name(), 0.0, 1e9, u32::MAX];
    let rows = statement.query_map(of, |_| Ok(())).unwrap().count();
    (rows, statement.get_status(StatementStatus::VmStep))
}

#[test]
fn the_points_of_others_are_not_read() {
    for columns in [points::SCORE, points::POINT] {
        // With at least one other, whose row in the index ends the search.
        let alone = steps(1, columns, &Subject::Host);
        assert_eq!(alone.0, POINTS as usize);
        assert_eq!(steps(40, columns, &Subject::Host), alone, "{columns}");
    }
}

#[test]
fn scores_and_points_are_of_one_subject_or_of_all() {
    let (_directory, connection) = store(2, every(POINTS));
    let reader = StoreReader(connection);
    let service = Subject::Service("s1".into());
    let range = TimeRange { from: Timestamp(30.0), to: Timestamp(60.0) };
    for (of, expect) in [(None, 6), (Some(&service), 2)] {
        let (mut scores, mut points) = (Vec::new(), Vec::new());
        let score = |it: ScoreRow| {
            scores.push((it.at, it.subject));
            Ok(())
        };
        reader.scores::<StoreError>(range, of, score).unwrap();
        let point = |it: PointRow| {
            points.push((it.at, it.subject));
            Ok(())
        };
        reader.points::<StoreError>(range, of, point).unwrap();
        assert_eq!((scores.len(), &scores), (expect, &points));
        assert!(of.is_none_or(|of| scores.iter().all(|(_, it)| it == of)));
    }
    assert!(reader.has_subject(&service).unwrap() && reader.has_subject(&Subject::Host).unwrap());
    assert!(!reader.has_subject(&Subject::Container("s1".into())).unwrap());
}

#[test]
fn the_points_between_the_ends_of_a_range_are_not_read_to_find_them() {
    let steps = |points: u32| {
        let (_directory, connection) = store(1, every(points));
        let mut statement = connection.prepare(&edges_of_points([0.0, 1e9])).unwrap();
        let ends: (i64, i64) = statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(ends, (0, 2 * i64::from(points)));
        statement.get_status(StatementStatus::VmStep)
    };
    assert_eq!(steps(POINTS), steps(4 * POINTS));
}

#[test]
fn points_of_a_clock_that_was_set_back_are_found() {
    // After ten minutes, the clock is set back by five.
    let instants = (0..20).chain(10..40).map(|it| f64::from(it) * 30.0);
    let (_directory, connection) = store(1, instants);
    let reader = StoreReader(connection);
    for (from, to, expect) in [(400.0, 1e9, 6 + 26), (0.0, 500.0, 17 + 7), (400.0, 500.0, 3 + 3)] {
        let mut found = 0;
        let count = |_: ScoreRow| {
            found += 1;
            Ok(())
        };
        let range = TimeRange { from: Timestamp(from), to: Timestamp(to) };
        reader.scores::<StoreError>(range, Some(&Subject::Host), count).unwrap();
        assert_eq!(found, expect, "{from} to {to}");
    }
}

#[test]
fn points_of_several_subjects_are_those_of_each() {
    // More rows than are read at once for all subjects.
    let (_directory, connection) = store(30, every(600));
    let reader = StoreReader(connection);
    let service = |name: &str| Subject::Service(name.into());
    let subjects = [service("s3"), Subject::Host, service("s29"), service("of nobody")];
    for (from, to) in [(f64::NEG_INFINITY, f64::INFINITY), (3_000.0, 15_000.0), (1e9, 2e9)] {
        let range = TimeRange { from: Timestamp(from), to: Timestamp(to) };
        let mut together = vec![Vec::new(); subjects.len()];
        let collect = |idx: usize, point: PointRow| {
            together[idx].push(point);
            Ok(())
        };
        reader.points_of_each::<StoreError>(range, &subjects, collect).unwrap();
        for (subject, together) in subjects.iter().zip(together) {
            let mut alone = Vec::new();
            let collect = |point: PointRow| {
                alone.push(point);
                Ok(())
            };
            reader.points::<StoreError>(range, Some(subject), collect).unwrap();
            assert_eq!(together, alone, "{subject:?} {from} {to}");
        }
    }
}
