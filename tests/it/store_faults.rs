//! Failures of a store: files that are corrupt, foreign, replaced or open to others, and two processes. Readings
//! continue, stored data is never lost silently, and unusable files are set aside.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use hostnorm::reading::{SubjectKind, Timestamp};
use hostnorm::store::{
    BaselineRow, FILE, LOCK, ModelRow, SET_ASIDE_MAX, SnapshotRow, Store, StoreError, StoreReader,
    StoreWrite, SubjectStateRow, TimeRange, VALUE_BYTES_MAX,
};
use rusqlite::Connection;

use crate::store::{known, open, readings, report, settings, until, value};

/// The number of stored readings; 0 without a store.
fn count(directory: &Path) -> usize {
    let Ok(reader) = StoreReader::open(directory) else { return 0 };
    let mut count = 0;
    let counted = reader.readings::<StoreError>(TimeRange::ALL, &[], |_| {
        count += 1;
        Ok(())
    });
    if counted.is_ok() { count } else { 0 }
}

fn append(store: &mut Store, range: std::ops::Range<u32>) {
    range.for_each(|t| store.append(&report(t)));
}

/// The files of databases that were set aside.
fn set_aside(directory: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(directory).unwrap().map(|it| it.unwrap().path());
    let mut found: Vec<PathBuf> = paths.filter(|it| it.to_string_lossy().contains(".aside-")).collect();
    found.sort();
    found
}

/// Copies of the files that a killed process leaves behind.
fn killed(directory: &Path) -> tempfile::TempDir {
    let left = tempfile::tempdir().unwrap();
    for name in [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm")] {
        std::fs::copy(directory.join(&name), left.path().join(&name)).unwrap();
    }
    left
}

/// Checks a foreign file in place of the database, and whether it is set aside.
fn check_foreign(content: &[u8], is_set_aside: bool) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    std::fs::write(&path, content).unwrap();
    let mut store = open(directory.path());
    append(&mut store, 0..5);
    let success = f64::from(u8::from(is_set_aside));
    until("a verdict", || value(&store, "hostnorm_store_success") == Some(success));
    assert!(value(&store, "hostnorm_store_errors_total") > Some(0.0));
    store.close();
    let asides = set_aside(directory.path());
    assert_eq!(asides.len(), usize::from(is_set_aside), "{asides:?}");
    let kept = asides.first().unwrap_or(&path);
    assert!(std::fs::read(kept).unwrap() == content, "what was there is changed");
    if is_set_aside {
        assert_eq!(count(directory.path()), 5);
    }
}

#[test]
fn a_corrupt_or_older_file_is_set_aside_and_a_foreign_one_left_alone() {
    check_foreign(&[0xA5; 10_000], true);
    check_foreign(b"SQLite format 3\0 and no more", true);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    for (sql, is_set_aside) in [
        ("CREATE TABLE t (x)", false),
        ("PRAGMA application_id = 7", false),
        ("PRAGMA application_id = 1752068717; PRAGMA user_version = 99", false),
        ("PRAGMA application_id = 1752068717; PRAGMA user_version = 3", true),
    ] {
        Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        check_foreign(&std::fs::read(&path).unwrap(), is_set_aside);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn another_schema_is_refused_with_advice() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).close();
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    for (version, expect) in [
        (
            99,
            "was written by a newer hostnorm: its schema is 99, this version supports 12; use the newer version",
        ),
        (3, "was written by an older hostnorm and cannot be read; start hostnorm to set it aside"),
    ] {
        connection.pragma_update(None, "user_version", version).unwrap();
        let message = StoreReader::open(directory.path()).unwrap_err().to_string();
        assert!(message.contains(expect), "{message}");
    }
}

#[test]
fn two_databases_that_were_set_aside_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    for content in 0..4_u8 {
        std::fs::write(directory.path().join(FILE), [content; 5_000]).unwrap();
        open(directory.path()).close();
    }
    let contents: Vec<u8> =
        set_aside(directory.path()).iter().map(|it| std::fs::read(it).unwrap()[0]).collect();
    assert_eq!(contents, [2, 3]);
    assert_eq!(contents.len(), SET_ASIDE_MAX);
}

#[test]
fn a_second_store_in_one_directory_writes_nothing_until_the_first_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = open(directory.path());
    let mut second = open(directory.path());
    until("a refusal", || value(&second, "hostnorm_store_success") == Some(0.0));
    append(&mut first, 0..5);
    first.close();
    append(&mut second, 5..9);
    until("the store of the first", || value(&second, "hostnorm_store_success") == Some(1.0));
    second.close();
    assert_eq!(readings(directory.path(), TimeRange::ALL).0, (0..9).map(known).collect::<Vec<_>>());
}

#[test]
fn what_was_committed_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    append(&mut store, 0..5);
    until("a commit", || count(directory.path()) == 5);
    append(&mut store, 5..7);
    until("a commit", || count(directory.path()) == 7);
    let left = killed(directory.path());
    store.close();
    assert_eq!(count(left.path()), 7);
    open(left.path()).close();
    assert_eq!(readings(left.path(), TimeRange::ALL).0, (0..7).map(known).collect::<Vec<_>>());
    assert!(set_aside(left.path()).is_empty());
}

/// A store of nine readings, of which SQLite copied the first five from its log to the database.
fn partly_copied(directory: &Path) -> Store {
    let mut store = open(directory);
    append(&mut store, 0..5);
    until("a commit", || count(directory) == 5);
    let connection = Connection::open(directory.join(FILE)).unwrap();
    connection.query_row("PRAGMA wal_checkpoint", [], |_| Ok(())).unwrap();
    append(&mut store, 5..9);
    until("a commit", || count(directory) == 9);
    store
}

#[test]
fn a_log_without_a_valid_transaction_is_set_aside_and_the_database_kept_if_it_is_sound() {
    let directory = tempfile::tempdir().unwrap();
    let _store = partly_copied(directory.path());
    let left = || killed(directory.path());
    let flip = |path: &Path, at: usize| {
        let mut content = std::fs::read(path).unwrap();
        content[at] ^= 1;
        std::fs::write(path, content).unwrap();
    };
    for at in [0, 6, 20] {
        let left = left();
        let log = left.path().join(format!("{FILE}-wal"));
        flip(&log, at);
        let content = std::fs::read(&log).unwrap();
        let mut store = open(left.path());
        append(&mut store, 9..12);
        store.close();
        let expect: Vec<_> = (0..5).chain(9..12).map(known).collect();
        assert_eq!(readings(left.path(), TimeRange::ALL).0, expect, "flipped at {at}");
        let aside = set_aside(left.path());
        let logs: Vec<_> = aside.iter().filter(|it| it.to_string_lossy().ends_with("-wal")).collect();
        assert!(std::fs::read(logs[0]).unwrap() == content, "{aside:?}");
    }
    // With a database that is corrupt or empty, none of it is used.
    for spoil in [
        Box::new(|it: &Path| flip(it, 3 * 4096)) as Box<dyn Fn(&Path)>,
        Box::new(|it: &Path| std::fs::write(it, []).unwrap()),
    ] {
        let left = left();
        flip(&left.path().join(format!("{FILE}-wal")), 0);
        spoil(&left.path().join(FILE));
        let mut store = open(left.path());
        append(&mut store, 9..12);
        store.close();
        assert_eq!(readings(left.path(), TimeRange::ALL).0, (9..12).map(known).collect::<Vec<_>>());
        assert!(!set_aside(left.path()).is_empty());
    }
}

/// As a limit for the size of files or a full disk leaves it.
#[test]
fn a_log_whose_first_transaction_was_never_finished_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let _store = partly_copied(directory.path());
    for (is_empty, stored) in [(false, 5), (true, 0)] {
        let left = killed(directory.path());
        let log = left.path().join(format!("{FILE}-wal"));
        let content = std::fs::read(&log).unwrap();
        std::fs::write(&log, &content[..32 + 24 + 4096]).unwrap();
        if is_empty {
            std::fs::write(left.path().join(FILE), []).unwrap();
        }
        let mut store = open(left.path());
        append(&mut store, 9..12);
        until("a commit", || count(left.path()) == stored + 3);
        assert_eq!(value(&store, "hostnorm_store_errors_total"), Some(0.0));
        store.close();
        assert!(set_aside(left.path()).is_empty(), "empty {is_empty}");
    }
}

#[test]
fn a_store_that_is_removed_or_replaced_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut store = open(&path);
    append(&mut store, 0..5);
    until("a commit", || count(&path) == 5);
    std::fs::remove_dir_all(&path).unwrap();
    append(&mut store, 5..9);
    until("a new store", || count(&path) > 0);
    assert!(value(&store, "hostnorm_store_errors_total") > Some(0.0));
    // It has its lock again.
    let second = open(&path);
    until("a refusal", || value(&second, "hostnorm_store_success") == Some(0.0));
    second.close();
    std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
    append(&mut store, 9..12);
    until("a new store", || count(&path) > 0);
    store.close();
    assert_eq!(readings(&path, TimeRange::ALL).0, (9..12).map(known).collect::<Vec<_>>());
}

/// All entries that replace learned state.
fn learned(mark: u8) -> Vec<StoreWrite> {
    let (at, bytes) = (Timestamp(1.0), vec![mark; 10]);
    let model = ModelRow {
        id: "m".into(),
        kind: "host".into(),
        created: at,
        state: "current".into(),
        evaluation: "{}".into(),
        digest: String::new(),
        format: 1,
        bytes: bytes.clone(),
    };
    let snapshot =
        SnapshotRow { at, format: "f".into(), models: Vec::new(), cause: None, bytes: bytes.clone() };
    let kind = SubjectKind::Container;
    let state = SubjectStateRow { kind, identity: "web".into(), at, format: "f".into(), bytes };
    let baseline = BaselineRow {
        subject: hostnorm::reading::Subject::Host,
        signal: "s".into(),
        mean: mark.into(),
        deviation: 1.0,
        min: 0.0,
        max: 1.0,
        points: 1.0,
        at,
        p95: 1.0,
        p99: 1.0,
    };
    vec![
        StoreWrite::Snapshot(snapshot),
        StoreWrite::SubjectState(state),
        StoreWrite::Model(model),
        StoreWrite::Baselines(vec![baseline]),
    ]
}

/// The marks of the learned state.
fn marks(directory: &Path) -> Option<[u8; 4]> {
    let reader = StoreReader::open(directory).ok()?;
    Some([
        reader.snapshot("f").unwrap()?.row.bytes[0],
        reader.subject_state(SubjectKind::Container, "web").unwrap()?.bytes[0],
        reader.models().unwrap().first()?.bytes[0],
        reader.baselines().unwrap().first()?.mean as u8,
    ])
}

#[test]
fn learned_state_is_not_written_over_one_that_could_not_be_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    learned(1).into_iter().for_each(|it| assert!(store.put(it)));
    store.close();
    assert_eq!(marks(directory.path()), Some([1; 4]));
    let is_readable = Arc::new(Mutex::new(false));
    let (send, messages) = mpsc::channel();
    let gate = Arc::clone(&is_readable);
    let restore = move |reader: Result<&StoreReader, &StoreError>| {
        send.send(reader.is_ok()).unwrap();
        match reader {
            Ok(_) if !*gate.lock().unwrap() => Err(StoreError::Sqlite(rusqlite::Error::InvalidQuery)),
            _ => Ok(()),
        }
    };
    let mut store = Store::open(directory.path(), &settings(), Box::new(restore));
    let next = || messages.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!([next(), next()], [true, false], "the loop is told that it is not to wait");
    learned(2).into_iter().for_each(|it| assert!(store.put(it)));
    append(&mut store, 0..3);
    assert!(next(), "it is read again");
    assert_eq!(value(&store, "hostnorm_store_success"), Some(0.0));
    assert_eq!(marks(directory.path()), Some([1; 4]));
    *is_readable.lock().unwrap() = true;
    until("a commit", || count(directory.path()) == 3);
    assert_eq!(marks(directory.path()), Some([1; 4]), "what was learned without it is dropped");
    learned(3).into_iter().for_each(|it| assert!(store.put(it)));
    store.close();
    assert_eq!(marks(directory.path()), Some([3; 4]));
}

#[test]
fn an_oversized_value_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    learned(1).into_iter().for_each(|it| assert!(store.put(it)));
    store.close();
    let connection = Connection::open(directory.path().join(FILE)).unwrap();
    let size = VALUE_BYTES_MAX + 1;
    connection.execute(&format!("UPDATE snapshots SET content = zeroblob({size})"), []).unwrap();
    connection.execute("INSERT INTO models SELECT 'n', kind, created + 1, state, evaluation, digest, format, content FROM models", []).unwrap();
    connection.execute(&format!("UPDATE models SET content = zeroblob({size}) WHERE id = 'm'"), []).unwrap();
    let reader = StoreReader::open(directory.path()).unwrap();
    assert!(reader.snapshot("f").unwrap().unwrap().row.bytes.is_empty());
    let models: Vec<usize> = reader.models().unwrap().iter().map(|it| it.bytes.len()).collect();
    assert_eq!(models, [0, 10], "the other model can still be read");
    drop(reader);
    // Texts have no limit of their own: such a row is an error, not a gigabyte.
    connection
        .execute(&format!("UPDATE models SET evaluation = zeroblob({size}) WHERE id = 'n'"), [])
        .unwrap();
    let error = StoreReader::open(directory.path()).unwrap().models().unwrap_err();
    assert!(error.to_string().contains("too big"), "{error}");
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_has_access() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("store");
        let mut store = open(&directory);
        append(&mut store, 0..3);
        until("a commit", || count(&directory) == 3);
        let wal = directory.join(format!("{FILE}-wal"));
        let files = [directory.join(FILE), directory.join(LOCK), wal];
        assert_eq!((mode(&directory), files.each_ref().map(|it| mode(it))), (0o700, [0o600; 3]));
        store.close();
        // Permissions left open by an older version or a person are restricted at the start, …
        let open_up = || {
            fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
            files[..2].iter().for_each(|it| fs::set_permissions(it, Permissions::from_mode(0o644)).unwrap());
        };
        open_up();
        open(&directory).close();
        assert_eq!((mode(&directory), mode(&files[0]), mode(&files[1])), (0o700, 0o600, 0o600));
        // … but not those of a directory that others use, too.
        open_up();
        fs::write(directory.join("notes.txt"), "").unwrap();
        open(&directory).close();
        assert_eq!((mode(&directory), mode(&files[0])), (0o755, 0o600));
        assert_eq!(mode(&directory.join("notes.txt")) & 0o044, 0o044);
    }

    #[test]
    fn links_and_other_files_that_are_not_regular_are_refused() {
        for name in [FILE.to_owned(), format!("{FILE}-wal"), format!("{FILE}-shm"), LOCK.to_owned()] {
            let directory = tempfile::tempdir().unwrap();
            let outside = directory.path().join("outside");
            fs::write(&outside, "content").unwrap();
            let store = directory.path().join("store");
            fs::create_dir(&store).unwrap();
            let socket = |it: &Path| drop(std::os::unix::net::UnixListener::bind(it).unwrap());
            let link = |it: &Path| symlink(&outside, it).unwrap();
            for make in [&link as &dyn Fn(&Path), &socket] {
                let place = store.join(&name);
                make(&place);
                let mut writer = open(&store);
                append(&mut writer, 0..3);
                until("a refusal", || value(&writer, "hostnorm_store_success") == Some(0.0));
                writer.close();
                if name != LOCK {
                    let error = StoreReader::open(&store).unwrap_err();
                    assert!(matches!(error, StoreError::NotRegular { .. }), "{name}: {error}");
                }
                fs::remove_file(&place).unwrap();
            }
            assert_eq!(fs::read_to_string(&outside).unwrap(), "content", "{name}");
        }
    }

    #[test]
    fn a_directory_may_be_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (place, link) = (directory.path().join("private"), directory.path().join("store"));
        fs::create_dir(&place).unwrap();
        symlink(&place, &link).unwrap();
        let mut store = open(&link);
        append(&mut store, 0..3);
        store.close();
        assert_eq!((count(&link), count(&place)), (3, 3));
    }
}
