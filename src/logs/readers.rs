//! The threads that read logs: started with the settings, started again after a failure, ended with the program.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::settings::{LogInput, WatchedLogSettings};
use super::{LogPositions, LogReadState, LogSourceError, StopFlag, file, journald, remote_log, syslog};
use crate::clock;
use crate::log_stream::LogStream;
use crate::reading::SubjectValues;

/// Shortest and longest wait before a source that failed is started again; it doubles with each failure.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);
/// Longest wait for the stored positions; a log is then read as if there were none.
const POSITIONS_WAIT: Duration = Duration::from_secs(30);
/// Longest wait for the threads to end; one that waits for a server or a hanging disk is left behind.
const STOP_WAIT: Duration = Duration::from_secs(1);
/// Niceness of the threads: below what they watch.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// The logs of the settings, each with its thread.
#[derive(Debug, Default)]
pub struct LogReaders {
    logs: Vec<(Arc<LogStream>, LogReadState)>,
    stop: StopFlag,
    /// Closes when all threads have ended.
    ended: Option<Receiver<()>>,
}

/// The counts of all logs, for reports.
#[derive(Debug, Clone, Default)]
pub struct LogReadStates(Vec<(Arc<LogStream>, LogReadState)>);

impl LogReadStates {
    /// Adds the counts.
    pub fn values(&self, values: &mut SubjectValues) {
        self.0.iter().for_each(|(stream, counts)| counts.values(stream.name(), values));
    }
}

impl LogReaders {
    /// Starts a thread for each log. Each waits until the positions are restored.
    pub fn start(settings: &[WatchedLogSettings], positions: &LogPositions) -> Self {
        let (alive, ended) = mpsc::channel();
        let stop = StopFlag::default();
        let start = |log: &WatchedLogSettings| {
            let stream = LogStream::new(&log.name);
            let counts = LogReadState::default();
            let reader = LogReader {
                settings: log.clone(),
                stream: Arc::clone(&stream),
                positions: positions.clone(),
                counts: counts.clone(),
                stop: stop.clone(),
            };
            let alive: mpsc::Sender<()> = alive.clone();
            let started = std::thread::Builder::new().name(format!("log {}", log.name)).spawn(move || {
                let _alive = alive;
                reader.run();
            });
            if let Err(error) = started {
                counts.set_success(false);
                tracing::error!(log = log.name, %error, "cannot start the thread of a log; it is not read");
            }
            (stream, counts)
        };
        let logs = settings.iter().map(start).collect();
        Self { logs, stop, ended: Some(ended) }
    }

    /// The logs, in the order of the settings.
    pub fn streams(&self) -> Vec<Arc<LogStream>> {
        self.logs.iter().map(|(stream, _)| Arc::clone(stream)).collect()
    }

    /// The counts of the logs.
    pub fn counts(&self) -> LogReadStates {
        LogReadStates(self.logs.clone())
    }

    /// Ends the threads; does not wait for one that hangs.
    pub fn stop(mut self) {
        self.stop.set();
        let ended = self.ended.take();
        if ended.is_some_and(|it| it.recv_timeout(STOP_WAIT) == Err(RecvTimeoutError::Timeout)) {
            tracing::warn!("a source of a log does not respond; ending without it");
        }
    }
}

/// One log on its thread.
#[derive(Debug)]
struct LogReader {
    settings: WatchedLogSettings,
    stream: Arc<LogStream>,
    positions: LogPositions,
    counts: LogReadState,
    stop: StopFlag,
}

impl LogReader {
    /// Reads until the flag is set; a failure is logged, and the source is started again.
    fn run(&self) {
        lower_priority();
        self.positions.wait_until_restored(&self.stop, POSITIONS_WAIT);
        let state = self.positions.take_state(&self.settings.name);
        if state.is_some_and(|it| !self.stream.resume_from(&it)) {
            tracing::info!(
                log = self.settings.name,
                "stored templates of a log not used; learning them again"
            );
        }
        let mut wait = RETRY_MIN;
        while !self.stop.is_set() {
            let started = clock::instant();
            self.counts.set_success(true);
            let outcome = catch_unwind(AssertUnwindSafe(|| self.read()));
            let error = match outcome {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => LogSourceError::new("the source ended unexpectedly; this is a bug in hostnorm"),
            };
            self.counts.set_success(false);
            if started.elapsed() > RETRY_MAX {
                wait = RETRY_MIN;
            }
            tracing::warn!(
                log = self.settings.name,
                %error,
                retry_seconds = wait.as_secs(),
                "log cannot be read; it is tried again"
            );
            if self.stop.wait(wait) {
                return;
            }
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    fn read(&self) -> Result<(), LogSourceError> {
        let Self { settings, stream, positions, counts, stop } = self;
        match settings.source() {
            Some(LogInput::File(it)) => file::run(it, stream, positions, counts, stop),
            Some(LogInput::Journald(it)) => journald::run(it, stream, positions, counts, stop),
            Some(LogInput::Syslog(it)) => syslog::run(it, stream, counts, stop),
            Some(LogInput::Loki(it)) => {
                remote_log::follow(it, stream, positions, counts, stop);
                Ok(())
            }
            Some(LogInput::VictoriaLogs(it)) => {
                remote_log::follow(it, stream, positions, counts, stop);
                Ok(())
            }
            None => Ok(()),
        }
    }
}

/// Lets what is watched go first. If the system refuses, the thread runs as any other.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        let thread = rustix::thread::gettid();
        let _ = rustix::process::setpriority_process(Some(thread), NICENESS);
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes files")]
mod tests {
    use super::*;
    use crate::logs::{FileSettings, StartFrom};

    #[test]
    fn a_log_is_read_by_its_thread_and_goes_on_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let file = FileSettings {
            paths: vec![path.to_str().unwrap().to_owned()],
            from: StartFrom::Start,
            ..FileSettings::default()
        };
        let log = WatchedLogSettings { name: "a".into(), file: Some(file), ..WatchedLogSettings::default() };
        let positions = LogPositions::default();
        positions.set_restored();
        let read = |lines: u64| {
            let readers = LogReaders::start(std::slice::from_ref(&log), &positions);
            let stream = Arc::clone(&readers.streams()[0]);
            while stream.totals().lines < lines {
                std::thread::yield_now();
            }
            let mut values = SubjectValues::default();
            readers.counts().values(&mut values);
            readers.stop();
            assert_eq!(stream.totals().lines, lines);
            assert!(values.iter().any(|it| it.value > 0.0));
        };
        read(2);
        std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
        read(1);
    }

    #[test]
    fn a_source_that_fails_is_tried_again_and_ends_with_the_flag() {
        let syslog =
            syslog::SyslogSettings { udp: "192.0.2.1:1".into(), ..syslog::SyslogSettings::default() };
        let log =
            WatchedLogSettings { name: "a".into(), syslog: Some(syslog), ..WatchedLogSettings::default() };
        let positions = LogPositions::default();
        positions.set_restored();
        let readers = LogReaders::start(&[log], &positions);
        let counts = readers.counts();
        let fails = || {
            let mut values = SubjectValues::default();
            counts.values(&mut values);
            values.iter().any(|it| it.value < 0.5)
        };
        while !fails() {
            std::thread::yield_now();
        }
        readers.stop();
    }
}
