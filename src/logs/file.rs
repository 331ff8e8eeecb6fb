//! Follows files by globs, through every kind of rotation.
//!
//! It polls: that works on each file system, with symbolic links and with 10,000 files, and needs no crate.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::framing::FileFormat;
use super::line_filter::LineFilter;
use super::{LogPositions, LogReadState, LogSourceError, StopFlag};
use crate::clock;
use crate::log_stream::LogStream;
use crate::sources::{ExcludePattern, IncludePattern};

mod file_identity;
mod discovery;
mod file_position;
mod tailed_file;
mod file_tail;
#[cfg(test)]
mod file_tail_test;
#[cfg(test)]
mod rotation_test;

use file_tail::FileTail;

/// Time between two looks at active files.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Largest number of globs of a log.
const PATHS_MAX: usize = 64;

/// Files of one log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileSettings {
    /// Globs of absolute paths; `*` within a name, `**` for any directories.
    pub paths: Vec<String>,
    /// The frame of the lines.
    pub format: FileFormat,
    /// Where to start in files that exist when the log is read for the first time.
    pub from: StartFrom,
    /// Lines to read; empty for all.
    pub include: IncludePattern,
    /// Lines to leave out; empty for none.
    pub exclude: ExcludePattern,
}

/// Where to start in a file that was never read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartFrom {
    /// At its end, because its lines are old.
    #[default]
    End,
    /// At its start.
    Start,
}

impl FileSettings {
    /// The key and the reason of the first invalid value; none if all are valid.
    pub fn error(&self) -> Option<(&'static str, String)> {
        if !(1..=PATHS_MAX).contains(&self.paths.len()) {
            return Some(("paths", format!("{} paths; expected 1 to {PATHS_MAX}", self.paths.len())));
        }
        self.paths.iter().find_map(|path| {
            let reason = match discovery::pattern_error(path) {
                Some(reason) => reason,
                None if path.starts_with('/') => return None,
                None => "is not absolute".to_owned(),
            };
            Some(("paths", format!("{path:?} {reason}; expected a glob such as /var/log/nginx/*.log")))
        })
    }
}

/// Follows the files until `stop` is set.
pub(super) fn run(
    settings: &FileSettings,
    stream: &LogStream,
    positions: &LogPositions,
    counts: &LogReadState,
    stop: &StopFlag,
) -> Result<(), LogSourceError> {
    let filter = LineFilter::new(&settings.include, &settings.exclude);
    let mut tail = FileTail::new(settings, stream.name(), positions);
    let started = clock::instant();
    loop {
        let at = clock::now();
        let is_more = tail.poll(started.elapsed().as_secs_f64(), &mut |message| {
            if filter.takes(message.text) {
                stream.line(message.text, None, at);
                counts.note_line(at);
                if message.is_cut {
                    stream.note_truncated_line();
                }
            }
        });
        tail.count(counts);
        if stop.wait(if is_more { Duration::ZERO } else { POLL_INTERVAL }) {
            return Ok(());
        }
    }
}
