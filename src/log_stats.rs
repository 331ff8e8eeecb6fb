//! What a log's lines amount to: totals, and figures of the last lines.

use crate::log_line::LogSeverity;
use crate::log_template::{LogTemplates, RECENT_SECONDS, decay};

mod error_burst;
mod learned_log;
mod notable_templates;
mod recent_messages;
mod usual_silence;
mod warning_rise;

pub use notable_templates::{NOTABLE_MAX, NotableTemplate};

use error_burst::ErrorBurst;
use learned_log::EarlierRuns;
use recent_messages::RecentMessages;
use usual_silence::UsualSilence;
use warning_rise::WarningRise;

/// Lines of a log within a second of which each is looked at.
pub const LOOKED_AT_MAX: u64 = 500;

/// Of the lines over [`LOOKED_AT_MAX`], one of so many is looked at, and stands for all of them.
pub const SAMPLED: u64 = 100;

/// Seconds from the first line in which every template is old, because all are new at first.
pub const LEARNING_SECONDS: f64 = 600.0;

/// Lines that a log has at least before a template is new.
pub const LEARNING_LINES: u64 = 50;

/// Seconds for which the lines of a new template are counted as such.
pub const NEW_SECONDS: f64 = 600.0;

/// Seconds that are looked back for unique messages and templates.
pub const UNIQUE_SECONDS: f64 = 60.0;

/// Lines that are added to those of which there are shares, so that a single line among few is no large share.
const SHARE_LINES: f64 = 10.0;

/// Seconds by which a line may be ahead of the clock of the loop.
const AHEAD_MAX: f64 = 60.0;

/// Totals since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LogTotals {
    /// Complete lines.
    pub lines: u64,
    /// Bytes of them, without their ends.
    pub bytes: u64,
    /// Lines that could not be read.
    pub dropped: u64,
    /// Lines whose end was not read, since they are too long.
    pub truncated: u64,
    /// Lines that were counted but not looked at, because there were more than [`LOOKED_AT_MAX`] a second.
    pub not_looked_at: u64,
    /// Errors, estimated where lines were not looked at.
    pub errors: u64,
    /// Warnings, estimated likewise.
    pub warnings: u64,
    /// Templates that were seen for the first time, after the learning time.
    pub new_templates: u64,
    /// Lines of templates that were new within [`NEW_SECONDS`], estimated likewise.
    pub new_lines: u64,
    /// Those of them that are errors, estimated likewise.
    pub new_errors: u64,
}

/// Figures of the last lines.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RecentLogFigures {
    /// Mean length of a line in bytes; of the last lines, however old; `None` before the first line.
    pub mean_length: Option<f64>,
    /// Share of errors, from 0 to 1, smaller with few lines.
    pub error_share: f64,
    /// Share of warnings, likewise.
    pub warning_share: f64,
    /// Different messages within [`UNIQUE_SECONDS`].
    pub unique_messages: usize,
    /// Different templates within [`UNIQUE_SECONDS`].
    pub unique_templates: usize,
    /// Entropy of the templates in bits, smaller with few lines.
    pub entropy: f64,
    /// Seconds since the last line; `None` before the first.
    pub silence: Option<f64>,
    /// Seconds since the last line if that is unusually long for this log, else 0.
    pub unusual_silence: f64,
    /// Errors within the last 30 seconds if they are improbably many for this log, else 0.
    pub error_burst: u64,
    /// Warnings since they became far more frequent than is usual for this log, else 0.
    pub warning_rise: u64,
    /// Templates that are known.
    pub templates: usize,
}

/// All that is known of a log.
#[derive(Debug, Default)]
pub struct LogStats {
    totals: LogTotals,
    /// What an earlier run left; `None` for a log that is read for the first time.
    earlier: Option<EarlierRuns>,
    /// Time of the first line, of the last one, and of the newest line or reading.
    first_at: Option<f64>,
    last_at: Option<f64>,
    now: f64,
    /// Lines, bytes, errors and warnings, each of which counts less as time goes by: as of `last_at`.
    recent: [f64; 4],
    mean_length: Option<f64>,
    /// The second of the last line, and the number of lines in it.
    second: (u64, u64),
    messages: RecentMessages,
    templates: LogTemplates,
    error_burst: ErrorBurst,
    warning_rise: WarningRise,
    usual_silence: UsualSilence,
}

/// What was found in a line.
#[derive(Debug, Clone, Copy)]
pub struct LineAnalysis<'a> {
    /// Its severity, if it is known.
    pub severity: Option<LogSeverity>,
    /// A hash of its message.
    pub message: u64,
    /// Its masked message.
    pub masked: &'a str,
    /// The number of lines that it stands for, from [`LogStats::count`].
    pub weight: u64,
}

impl LogStats {
    /// Counts a line of so many bytes at a time in seconds. Returns for how many lines it stands if it is to be looked at.
    pub fn count(&mut self, bytes: usize, at: f64) -> Option<u64> {
        let at = self.advance(at);
        self.totals.lines += 1;
        self.totals.bytes += bytes as u64;
        let elapsed = at - self.last_at.unwrap_or(at);
        self.usual_silence.learn(elapsed, self.learned_at().is_some());
        self.recent = self.recent.map(|it| it * decay(elapsed, RECENT_SECONDS));
        let [lines, length, ..] = &mut self.recent;
        *lines += 1.0;
        *length += bytes as f64;
        self.mean_length = Some(*length / *lines);
        if self.first_at.is_none() {
            self.first_at = Some(at);
            self.error_burst.start(at);
            self.warning_rise.start(at);
        }
        self.last_at = Some(at);
        let second = at.floor() as u64;
        self.second = (second, if self.second.0 == second { self.second.1 + 1 } else { 1 });
        match self.second.1 {
            ..=LOOKED_AT_MAX => Some(1),
            over if over.is_multiple_of(SAMPLED) => Some(SAMPLED),
            _ => {
                self.totals.not_looked_at += 1;
                None
            }
        }
    }

    /// Takes what was found in a line that was counted.
    pub fn look(&mut self, found: LineAnalysis<'_>, at: f64) {
        let at = self.advance(at);
        let age = self.age(at);
        let LineAnalysis { severity, message, masked, weight } = found;
        let [.., errors, warnings] = &mut self.recent;
        match severity {
            Some(LogSeverity::Error) => {
                self.totals.errors += weight;
                self.error_burst.add(weight, at);
                *errors += weight as f64;
            }
            Some(LogSeverity::Warning) => {
                self.totals.warnings += weight;
                self.warning_rise.add(weight, at, age);
                *warnings += weight as f64;
            }
            Some(LogSeverity::Info) | None => {}
        }
        self.messages.add(message, at);
        let matched = self.templates.add(masked, at, weight as f64);
        let learned = self.learned_at();
        self.totals.new_templates += u64::from(matched.is_new && learned.is_some());
        let first = self.templates.get(matched.place).map(|it| it.first_at);
        let is_recent = |first: f64| (0.0..NEW_SECONDS).contains(&(at - first));
        if first.is_some_and(|first| learned.is_some_and(|it| first >= it) && is_recent(first)) {
            self.totals.new_lines += weight;
            if severity == Some(LogSeverity::Error) {
                self.totals.new_errors += weight;
            }
        }
    }

    /// Counts lines that could not be read.
    pub fn drop_lines(&mut self, lines: u64) {
        self.totals.dropped += lines;
    }

    /// Counts a line whose end was not read.
    pub fn note_truncated_line(&mut self) {
        self.totals.truncated += 1;
    }

    /// The totals so far.
    pub fn totals(&self) -> LogTotals {
        self.totals
    }

    /// The figures of the last lines, as of a time in seconds by the clock of the loop.
    pub fn recent(&mut self, at: f64) -> RecentLogFigures {
        // Lines that are far ahead came by a wrong clock.
        if self.now > at + AHEAD_MAX {
            self.now = at;
            self.last_at = self.last_at.map(|it| it.min(at));
        }
        let at = self.advance(at);
        let silence = self.last_at.map(|it| (at - it).max(0.0));
        let learned = self.learned_at().is_some();
        let unusual_from = self.usual_silence.unusual_from();
        let age = self.age(at);
        let error_burst = if learned { self.error_burst.size(at, age) } else { 0 };
        let warning_rise = if learned { self.warning_rise.size(at, age) } else { 0 };
        let faded = decay(silence.unwrap_or(0.0), RECENT_SECONDS);
        let [lines, _, errors, warnings] = self.recent.map(|it| it * faded);
        let share = |of: f64| (of / (lines + SHARE_LINES)).clamp(0.0, 1.0);
        RecentLogFigures {
            mean_length: self.mean_length,
            error_share: share(errors),
            warning_share: share(warnings),
            unique_messages: self.messages.count(at),
            unique_templates: self.templates.each().filter(|it| at - it.used_at < UNIQUE_SECONDS).count(),
            entropy: self.entropy(at),
            silence,
            unusual_silence: silence.filter(|it| learned && *it >= unusual_from).unwrap_or(0.0),
            error_burst,
            warning_rise,
            templates: self.templates.known(),
        }
    }

    /// At most [`NOTABLE_MAX`] templates that explain an anomaly at the time of the last line or reading.
    pub fn notable(&self) -> Vec<NotableTemplate> {
        notable_templates::of(&self.templates, self.learned_at(), self.now)
    }

    /// Since when a template can be new.
    fn learned_at(&self) -> Option<f64> {
        let first = self.first_at?;
        if let Some(earlier) = self.earlier {
            // The clock may have been set back since.
            return Some(earlier.learned_at.min(first));
        }
        let learned = first + LEARNING_SECONDS;
        (self.now >= learned && self.totals.lines >= LEARNING_LINES).then_some(learned)
    }

    /// Seconds for which the log was read, without the time between two runs.
    fn age(&self, at: f64) -> f64 {
        self.earlier.map_or(0.0, |it| it.age) + at - self.first_at.unwrap_or(at)
    }

    /// Entropy of the recent templates in bits.
    fn entropy(&self, at: f64) -> f64 {
        let counts: Vec<f64> =
            self.templates.each().map(|it| it.recent(at)).filter(|it| *it > 1e-6).collect();
        let sum: f64 = counts.iter().sum();
        let bits: f64 = counts.iter().map(|it| it / sum).map(|share| -share * share.log2()).sum();
        bits * sum / (sum + SHARE_LINES)
    }

    /// Time does not go back: lines of several files may come in any order.
    fn advance(&mut self, at: f64) -> f64 {
        if at.is_finite() {
            self.now = self.now.max(at);
        }
        self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stats: &mut LogStats, masked: &str, severity: Option<LogSeverity>, at: f64) {
        if let Some(weight) = stats.count(masked.len(), at) {
            let found = LineAnalysis { severity, message: masked.len() as u64, masked, weight };
            stats.look(found, at);
        }
    }

    /// Twenty minutes of a line a second.
    fn learned() -> LogStats {
        let mut stats = LogStats::default();
        for second in 0..1_200 {
            line(&mut stats, ["request served", "cache hit"][second % 2], None, second as f64);
        }
        stats
    }

    #[test]
    fn templates_are_new_after_the_learning_time() {
        let mut stats = learned();
        assert_eq!((stats.totals().new_templates, stats.notable().iter().any(|it| it.is_new)), (0, false));
        for second in 1_200..1_210 {
            line(&mut stats, "upstream timed out", Some(LogSeverity::Error), f64::from(second));
        }
        let totals = stats.totals();
        assert_eq!((totals.new_templates, totals.new_lines, totals.errors), (1, 10, 10));
        assert_eq!((totals.new_errors, stats.recent(1_209.0).error_burst), (10, 10));
        assert_eq!(
            stats.notable(),
            [NotableTemplate { text: "upstream timed out".to_owned(), is_new: true }]
        );
        // It is no longer new later.
        for second in 1_900..1_910 {
            line(&mut stats, "upstream timed out", None, f64::from(second));
        }
        assert_eq!(stats.totals().new_lines, 10);
        let later = stats.notable();
        assert!(later.first().is_some_and(|it| it.text == "upstream timed out" && !it.is_new), "{later:?}");
    }

    #[test]
    fn figures_are_those_of_the_last_lines() {
        let mut stats = learned();
        let recent = stats.recent(1_200.0);
        assert_eq!((recent.unique_messages, recent.unique_templates, recent.templates), (2, 2, 2));
        assert!((recent.entropy - 0.75).abs() < 0.03, "{recent:?}");
        assert_eq!((recent.silence, recent.unusual_silence, recent.error_burst), (Some(1.0), 0.0, 0));
        let recent = stats.recent(1_500.0);
        assert_eq!((recent.unique_templates, recent.silence), (0, Some(301.0)));
        assert!((recent.unusual_silence - 301.0).abs() < 1e-9);
        assert!(recent.entropy < 0.01 && recent.mean_length.is_some_and(|it| it > 9.0));
        assert_eq!(LogStats::default().recent(0.0).silence, None);
    }

    #[test]
    fn a_flood_is_counted_and_sampled() {
        let mut stats = learned();
        for _ in 0..100_000 {
            line(&mut stats, "request failed", Some(LogSeverity::Error), 1_200.0);
        }
        let totals = stats.totals();
        assert_eq!(totals.lines, 101_200);
        assert_eq!(totals.not_looked_at, 100_000 - 500 - 995);
        assert_eq!(totals.errors, 100_000);
    }

    #[test]
    fn a_clock_that_jumped_ahead_does_not_stop_the_figures() {
        let mut stats = learned();
        line(&mut stats, "from the future", None, 1e9);
        assert_eq!(stats.recent(1_300.0).silence, Some(0.0));
        assert_eq!(stats.recent(1_310.0).silence, Some(10.0));
    }
}
