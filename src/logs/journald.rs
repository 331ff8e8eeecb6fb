//! Reads the journal of systemd from its files, without its library and without `journalctl`.

use std::path::PathBuf;
use std::time::Duration;

use sdjournal::{Cursor, Journal, JournalConfig, JournalQuery, SdJournalError};
use serde::{Deserialize, Serialize};

use super::line_filter::LineFilter;
use super::{LogPositions, LogReadState, LogSourceError, StopFlag};
use crate::clock;
use crate::log_stream::{LogSeverity, LogStream};
use crate::reading::Timestamp;
use crate::sources::{ExcludePattern, IncludePattern};

/// Where systemd has its journal: since boot, or on disk.
const DIRECTORIES: [&str; 2] = ["/run/log/journal", "/var/log/journal"];
/// Largest number of units of a log.
const UNITS_MAX: usize = 64;
/// Time between two reads.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Largest number of entries of one read; the next one follows at once.
const ENTRIES_MAX: usize = 4_096;
/// Key of the position.
const CURSOR: &str = "cursor";
/// Longest message that is uncompressed, in bytes; a longer one is counted as dropped.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// The journal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournaldSettings {
    /// Directory of the journal; empty for `/run/log/journal` and `/var/log/journal`.
    pub directory: PathBuf,
    /// Units to read, such as `nginx.service`; empty for all.
    pub units: Vec<String>,
    /// Messages to read; empty for all.
    pub include: IncludePattern,
    /// Messages to leave out; empty for none.
    pub exclude: ExcludePattern,
}

impl JournaldSettings {
    /// The key and the reason of the first invalid value; none if all are valid.
    pub fn error(&self) -> Option<(&'static str, String)> {
        if !self.directory.as_os_str().is_empty() && !self.directory.is_absolute() {
            let shown = self.directory.display();
            return Some(("directory", format!("{shown} is not absolute; expected a path")));
        }
        if self.units.len() > UNITS_MAX {
            return Some(("units", format!("{} units; expected at most {UNITS_MAX}", self.units.len())));
        }
        let unit = self.units.iter().find(|it| !it.contains('.'))?;
        Some(("units", format!("{unit:?} is not a unit; expected a name such as nginx.service")))
    }

    fn directories(&self) -> Vec<PathBuf> {
        match self.directory.as_os_str().is_empty() {
            true => DIRECTORIES.iter().map(PathBuf::from).collect(),
            false => vec![self.directory.clone()],
        }
    }
}

/// Reads until `stop` is set.
///
/// # Errors
/// If the journal cannot be read.
pub(super) fn run(
    settings: &JournaldSettings,
    stream: &LogStream,
    positions: &LogPositions,
    counts: &LogReadState,
    stop: &StopFlag,
) -> Result<(), LogSourceError> {
    let mut reader = JournalFollower::new(settings, positions.get(stream.name(), CURSOR));
    loop {
        let at = clock::now();
        let outcome = reader.read(|message| match message {
            Some((text, severity)) => {
                stream.line(text, severity, at);
                counts.note_line(at);
            }
            None => stream.drop_lines(1),
        });
        let count = outcome.map_err(|error| failure(settings, &error))?;
        counts.set_success(true);
        if let Some(cursor) = &reader.cursor {
            positions.set(stream.name(), CURSOR, cursor.clone());
        }
        if stop.wait(if count == ENTRIES_MAX { Duration::ZERO } else { POLL_INTERVAL }) {
            return Ok(());
        }
    }
}

fn failure(settings: &JournaldSettings, error: &SdJournalError) -> LogSourceError {
    let paths: Vec<String> = settings.directories().iter().map(|it| it.display().to_string()).collect();
    LogSourceError::new(format!(
        "cannot read the journal in {}: {error}; check that it exists, and that hostnorm is in the group \
         systemd-journal",
        paths.join(" and ")
    ))
}

/// Reads what is new in the journal.
struct JournalFollower<'a> {
    settings: &'a JournaldSettings,
    filter: LineFilter,
    /// The last entry that was read.
    cursor: Option<String>,
    /// Where to start without one: at the time of the first read.
    since: Option<Timestamp>,
}

impl<'a> JournalFollower<'a> {
    fn new(settings: &'a JournaldSettings, cursor: Option<String>) -> Self {
        let filter = LineFilter::new(&settings.include, &settings.exclude);
        Self { settings, filter, cursor, since: None }
    }

    /// Passes each new message to `take`, or none for one that could not be read; returns the number of entries.
    fn read(
        &mut self,
        mut take: impl FnMut(Option<(&[u8], Option<LogSeverity>)>),
    ) -> Result<usize, SdJournalError> {
        // Opened each time: files come with each rotation, and a few headers are read quickly.
        let config = JournalConfig { max_decompressed_bytes: MESSAGE_BYTES_MAX, ..JournalConfig::default() };
        let journal = Journal::open_dirs_with_config(&self.settings.directories(), config)?;
        let mut query = journal.query();
        self.start(&mut query);
        query.limit(ENTRIES_MAX);
        let mut count = 0;
        for entry in query.iter()? {
            let Ok(entry) = entry else {
                take(None);
                break;
            };
            count += 1;
            self.cursor = Some(entry.cursor()?.to_string());
            let unit = |field: &str| entry.get(field).and_then(|it| str::from_utf8(it).ok());
            let is_of = |unit: &str| self.settings.units.iter().any(|it| it == unit);
            // What systemd says of a unit has its name in another field.
            let is_wanted = self.settings.units.is_empty()
                || unit("_SYSTEMD_UNIT").is_some_and(is_of)
                || unit("UNIT").is_some_and(is_of);
            let Some(message) = entry.get("MESSAGE").filter(|_| is_wanted) else { continue };
            if self.filter.takes(message) {
                take(Some((message, severity(entry.get("PRIORITY")))));
            }
        }
        Ok(count)
    }

    fn start(&mut self, query: &mut JournalQuery) {
        match self.cursor.as_deref().map(Cursor::parse) {
            Some(Ok(cursor)) => {
                query.after_cursor(cursor);
            }
            // Old entries are no news.
            Some(Err(_)) | None => {
                let since = *self.since.get_or_insert_with(clock::now);
                query.since_realtime((since.0.max(0.0) * 1e6) as u64);
            }
        }
    }
}

fn severity(priority: Option<&[u8]>) -> Option<LogSeverity> {
    match priority? {
        [digit @ b'0'..=b'7'] => Some(LogSeverity::from_syslog_priority(digit - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked() {
        let check = |it: &JournaldSettings, expect: Option<&str>| {
            assert_eq!(it.error().map(|it| it.0), expect, "{it:?}");
        };
        let none = JournaldSettings::default();
        check(&none, None);
        check(&JournaldSettings { directory: "x".into(), ..none.clone() }, Some("directory"));
        check(&JournaldSettings { units: vec!["nginx".into()], ..none.clone() }, Some("units"));
        check(&JournaldSettings { units: vec!["a.service".into(); 65], ..none.clone() }, Some("units"));
        check(&JournaldSettings { units: vec!["a.service".into()], ..none }, None);
    }

    #[test]
    fn a_priority_is_a_severity() {
        assert_eq!(severity(Some(b"3")), Some(LogSeverity::Error));
        assert_eq!(severity(Some(b"4")), Some(LogSeverity::Warning));
        assert_eq!(severity(Some(b"9")), None);
        assert_eq!(severity(None), None);
    }

    /// Five messages of systemd-journal-remote, one of them compressed with Zstandard.
    const ENTRIES: &[u8] = include_bytes!("../../tests/fixtures/journal/five_entries.journal.gz");

    #[test]
    #[expect(clippy::disallowed_methods, reason = "writes a journal")]
    fn entries_are_read_once_with_their_severity() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(ENTRIES), &mut bytes).unwrap();
        std::fs::write(folder.path().join("system.journal"), bytes).unwrap();
        let read = |units: &[&str], cursor: Option<String>| {
            let settings = JournaldSettings {
                directory: folder.path().into(),
                units: units.iter().map(|it| (*it).to_owned()).collect(),
                ..JournaldSettings::default()
            };
            let mut follower = JournalFollower::new(&settings, cursor);
            follower.since = Some(Timestamp(0.0));
            let mut found = Vec::new();
            let take = |it: Option<(&[u8], Option<LogSeverity>)>| {
                let (text, severity) = it.unwrap();
                found.push((String::from_utf8_lossy(text).into_owned(), severity.unwrap()));
            };
            follower.read(take).unwrap();
            (found, follower.cursor)
        };
        let (found, cursor) = read(&[], None);
        assert_eq!(found.len(), 5);
        assert_eq!(found[2], ("message 2".to_owned(), LogSeverity::Error));
        assert_eq!((found[3].0.len(), found[4].1), (3_004, LogSeverity::Warning));
        assert_eq!(read(&["a.service"], None).0.len(), 2);
        assert_eq!(read(&[], cursor).0, []);
        // Old entries are no news at the first start.
        let settings = JournaldSettings { directory: folder.path().into(), ..JournaldSettings::default() };
        assert_eq!(JournalFollower::new(&settings, None).read(|_| panic!("old")).unwrap(), 0);
    }

    #[test]
    fn a_directory_without_a_journal_has_an_error_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let settings = JournaldSettings { directory: folder.path().into(), ..JournaldSettings::default() };
        let error = JournalFollower::new(&settings, None).read(|_| ()).unwrap_err();
        let text = failure(&settings, &error).to_string();
        assert!(text.contains("cannot read the journal in /") && text.contains("systemd-journal"), "{text}");
    }
}
