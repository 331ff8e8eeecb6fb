//! The remediation log: a line of JSON for each action, in a file that is rotated by size.
//!
//! Lines are on the disk before their actions count as done. A line has the identifier of its action, by which it is found
//! again if the process ended before that was noted.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests list files"))]

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::outbox::ClaimedAction;
use super::plan::{ActionInput, hash};
use super::rules_file::LogSection;
use crate::reading::Timestamp;

/// Most bytes at the end of a file in which the line of an earlier attempt is looked for: more than a batch of lines.
const TAIL_BYTES_MAX: u64 = 4 << 20;

/// Appends lines for these actions, except for those that are there already.
///
/// # Errors
/// If they are not on the disk; then none of them is there.
pub(super) fn append(
    settings: &LogSection,
    rows: &[(ClaimedAction, ActionInput)],
    now: Timestamp,
) -> io::Result<()> {
    let mut file = open(&settings.path)?;
    let mut lines = String::new();
    let mut tail = None;
    for (row, payload) in rows {
        let id = line_id(row);
        if row.attempts > 0 {
            let tail = match &tail {
                Some(tail) => tail,
                None => tail.insert(tails(settings, &mut file)?),
            };
            if tail.contains(&format!("\"id\":\"{id}\"")) {
                continue;
            }
        }
        lines.push_str(&line(&id, payload, now));
    }
    if lines.is_empty() {
        return Ok(());
    }
    let length = file.metadata()?.len();
    if length > 0 && length + lines.len() as u64 > settings.max_size.bytes() {
        drop(file);
        rotate(settings)?;
        file = open(&settings.path)?;
    }
    let length = file.metadata()?.len();
    let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half a line would join with the next one.
        let _ = file.set_len(length);
    }
    written
}

/// The identifier of an action in its line.
fn line_id(row: &ClaimedAction) -> String {
    format!("{:016x}-{:x}", hash(&row.key), row.id)
}

fn line(id: &str, payload: &ActionInput, now: Timestamp) -> String {
    let alert = &payload.alert;
    let line = json!({
        "id": id,
        "time": timestamp(now),
        "rule": payload.rule,
        "status": alert.status,
        "alertname": alert.label("alertname"),
        "sentence": alert.sentence(),
        "labels": alert.labels,
        "annotations": alert.annotations,
        "fingerprint": alert.fingerprint,
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
        "generator_url": alert.generator_url,
    });
    format!("{line}\n")
}

fn timestamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond((at.0 * 1000.0) as i64).map(|it| it.to_string()).unwrap_or_default()
}

/// Opens the file for appending, without the half line that a crash may have left.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o640).custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
    }
    let mut file = options.open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut last = [b'\n'];
    if metadata.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        let text = tail(&mut file)?;
        let half = text.iter().rev().take_while(|it| **it != b'\n').count() as u64;
        file.set_len(metadata.len() - half)?;
    }
    Ok(file)
}

/// The ends of the current file and of the one before.
fn tails(settings: &LogSection, file: &mut File) -> io::Result<String> {
    let mut text = String::from_utf8_lossy(&tail(file)?).into_owned();
    let mut options = OpenOptions::new();
    if let Ok(mut before) = options.read(true).open(numbered(&settings.path, 1)) {
        text.push_str(&String::from_utf8_lossy(&tail(&mut before)?));
    }
    Ok(text)
}

fn tail(file: &mut File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Renames `PATH` to `PATH.1`, `PATH.1` to `PATH.2`, and so on; the last one is lost.
fn rotate(settings: &LogSection) -> io::Result<()> {
    for number in (1..settings.files).rev() {
        match std::fs::rename(numbered(&settings.path, number), numbered(&settings.path, number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(&settings.path, numbered(&settings.path, 1))
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::matcher::tests::alert;
    use super::*;
    use crate::byte_size::ByteSize;

    fn row(id: i64, attempts: u32) -> (ClaimedAction, ActionInput) {
        let key = format!("k{id}");
        let row = ClaimedAction {
            id,
            lane: key.clone(),
            key,
            payload: String::new(),
            attempts,
            memo: String::new(),
            created_at: 0.0,
        };
        let alert = alert(&[("alertname", "A")]);
        (row, ActionInput { rule: "r".into(), alertmanager_url: String::new(), alert })
    }

    fn settings(folder: &Path) -> LogSection {
        LogSection { path: folder.join("log.jsonl"), max_size: ByteSize::from_mebibytes(1), files: 2 }
    }

    fn text(path: &Path) -> String {
        crate::whole_file::text(path, 1 << 24).unwrap()
    }

    const NOW: Timestamp = Timestamp(1_767_323_045.0);

    #[test]
    fn a_line_is_an_action() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        append(&settings, &[row(1, 0), row(2, 0)], NOW).unwrap();
        // The process ended before it was noted; then it was not.
        append(&settings, &[row(1, 1), row(3, 1)], NOW).unwrap();
        let text = text(&settings.path);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["time"], "2026-01-02T03:04:05Z");
        assert_eq!(lines[0]["sentence"], "memory used 91 %");
    }

    #[test]
    fn half_a_line_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(folder.path());
        append(&settings, &[row(1, 0)], NOW).unwrap();
        let whole = text(&settings.path);
        OpenOptions::new().append(true).open(&settings.path).unwrap().write_all(b"{\"id\":\"x").unwrap();
        append(&settings, &[row(2, 0)], NOW).unwrap();
        let text = text(&settings.path);
        assert!(text.starts_with(&whole) && text.lines().count() == 2, "{text}");
    }

    #[test]
    fn files_are_rotated_by_size() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings(folder.path());
        settings.max_size = "4KiB".parse().unwrap();
        for id in 0..60 {
            append(&settings, &[row(id, 0)], NOW).unwrap();
        }
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["log.jsonl", "log.jsonl.1", "log.jsonl.2"]);
        for name in names {
            let length = text(&folder.path().join(name)).len();
            assert!((1..=4096).contains(&length), "{length}");
        }
        // Found in the file before, too.
        let before = text(&settings.path).lines().count();
        let rotated = i64::try_from(59 - before).unwrap();
        append(&settings, &[row(rotated, 1)], NOW).unwrap();
        assert_eq!(text(&settings.path).lines().count(), before);
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let settings = LogSection { path: folder.path().to_owned(), ..settings(folder.path()) };
        assert!(append(&settings, &[row(1, 0)], NOW).is_err());
    }
}
