//! What a log taught, as bytes for its next run.

use serde::{Deserialize, Serialize};

use super::LogStats;
use crate::learned_state_codec as codec;
use crate::log_template::{LearnedTemplate, TEMPLATES_MAX};

/// Magic number of these bytes; a new one for each change of what they contain.
const MAGIC: [u8; 4] = *b"log1";

/// Templates as hashes, and how often errors and pauses come. It has no text.
#[derive(Debug, Serialize, Deserialize)]
struct LearnedLog {
    /// Seconds for which the log was read.
    age: f64,
    /// Since when a template can be new, in seconds.
    learned_at: f64,
    templates: Vec<LearnedTemplate>,
    /// Errors, each of which counts less as time goes by.
    errors: f64,
    /// Seconds with warnings, likewise.
    warnings: f64,
    /// Integrals of the silence and of the time.
    silence: [f64; 2],
}

impl LearnedLog {
    fn is_valid(&self) -> bool {
        let LearnedLog { age, learned_at, templates, errors, warnings, silence: [silence, time] } = self;
        [age, errors, warnings, silence, time].into_iter().all(|it| it.is_finite() && *it >= 0.0)
            && learned_at.is_finite()
            && templates.len() <= TEMPLATES_MAX
            && templates.iter().all(LearnedTemplate::is_valid)
    }
}

impl LogStats {
    /// What the log taught, at most about 300 KB; `None` before it is [learned](super::LEARNING_SECONDS).
    pub fn learned(&self) -> Option<Vec<u8>> {
        let learned = LearnedLog {
            age: self.age(self.now),
            learned_at: self.learned_at()?,
            templates: self.templates.learned(),
            errors: self.error_burst.usual_errors(self.now),
            warnings: self.warning_rise.usual_warnings(),
            silence: self.usual_silence.integrals(),
        };
        Some(codec::encode_value(MAGIC, &learned))
    }

    /// Continues from what an earlier run of this log taught. Returns whether it does: not with bytes of another version, and
    /// not after the first line, which is learned already.
    pub fn resume_from(&mut self, learned: &[u8]) -> bool {
        let learned = codec::open(MAGIC, learned).and_then(codec::read::<LearnedLog>);
        let Some(learned) = learned.filter(|it| self.first_at.is_none() && it.is_valid()) else {
            return false;
        };
        let LearnedLog { age, learned_at, templates, errors, warnings, silence } = learned;
        self.earlier = Some(EarlierRuns { age, learned_at });
        self.templates.restore(templates);
        self.error_burst.restore(errors);
        self.warning_rise.restore(warnings);
        self.usual_silence.restore(silence);
        true
    }
}

/// What is known of the time before the start.
#[derive(Debug, Clone, Copy)]
pub(super) struct EarlierRuns {
    /// Seconds for which the log was read.
    pub age: f64,
    /// Since when a template can be new, in seconds.
    pub learned_at: f64,
}

#[cfg(test)]
mod tests {
    use super::super::{LineAnalysis, LogSeverity};
    use super::*;

    const DOWN: f64 = 36_000.0;

    fn line(stats: &mut LogStats, masked: &str, severity: Option<LogSeverity>, at: f64) {
        if let Some(weight) = stats.count(masked.len(), at) {
            stats.look(LineAnalysis { severity, message: masked.len() as u64, masked, weight }, at);
        }
    }

    /// A line each other second for two hours, an error each minute, and a nightly job.
    fn learned(until: u32) -> LogStats {
        let mut stats = LogStats::default();
        for second in (0..until).step_by(2) {
            line(&mut stats, "request served", None, f64::from(second));
            if second % 60 == 0 {
                line(&mut stats, "request failed", Some(LogSeverity::Error), f64::from(second));
            }
        }
        line(&mut stats, "Backup of <*> done", None, f64::from(until));
        stats
    }

    fn restarted() -> LogStats {
        let mut stats = LogStats::default();
        assert!(stats.resume_from(&learned(7_200).learned().unwrap()));
        stats
    }

    #[test]
    fn a_rare_line_that_is_known_is_not_new_after_a_restart() {
        let mut stats = restarted();
        for second in 0..60 {
            let at = 7_200.0 + DOWN + f64::from(second);
            line(&mut stats, "request served", None, at);
            line(&mut stats, "Backup of photos done", None, at);
        }
        assert_eq!((stats.totals().new_templates, stats.totals().new_lines), (0, 0));
        let kept: Vec<&str> = stats.templates.each().map(|it| &*it.text).collect();
        assert_eq!(kept, ["request served", "Backup of <*> done"]);
        // One that is new is found at once, not after ten minutes.
        line(&mut stats, "disk on fire", None, 7_260.0 + DOWN);
        assert_eq!((stats.totals().new_templates, stats.totals().new_lines), (1, 1));
        assert!(stats.notable().iter().any(|it| it.is_new && it.text == "disk on fire"));
    }

    #[test]
    fn usual_pauses_and_errors_are_those_before_the_restart() {
        let mut stats = restarted();
        let start = 7_200.0 + DOWN;
        line(&mut stats, "request served", None, start);
        // Usually 1 s on average, so 12 s are too long.
        assert!(stats.recent(start + 11.0).unusual_silence <= 0.0);
        assert!(stats.recent(start + 13.0).unusual_silence > 12.0);
        // Half an error in 30 s.
        for idx in 0..8 {
            let before = stats.recent(start + 20.0).error_burst;
            assert_eq!(before, if idx < 7 { 0 } else { 7 }, "{idx} errors");
            line(&mut stats, "request failed", Some(LogSeverity::Error), start + 20.0);
        }
    }

    #[test]
    fn nothing_is_kept_before_a_log_is_learned_and_nothing_else_is_taken() {
        assert_eq!(learned(500).learned(), None);
        let bytes = learned(7_200).learned().unwrap();
        assert!(bytes.len() < 200, "{}", bytes.len());
        let text = String::from_utf8_lossy(&bytes);
        assert!(["request", "Backup", "done"].iter().all(|it| !text.contains(it)), "{text}");
        let mut begun = LogStats::default();
        begun.count(1, 1.0);
        assert!(!begun.resume_from(&bytes));
        assert!(!LogStats::default().resume_from(&bytes[1..]));
        let invalid = LearnedLog {
            age: -1.0,
            learned_at: 0.0,
            templates: Vec::new(),
            errors: 0.0,
            warnings: 0.0,
            silence: [0.0; 2],
        };
        assert!(!LogStats::default().resume_from(&codec::encode_value(MAGIC, &invalid)));
    }

    #[test]
    fn what_did_not_come_since_the_restart_is_known_after_the_next_one() {
        let mut stats = restarted();
        line(&mut stats, "request served", None, 7_200.0 + DOWN);
        let mut again = LogStats::default();
        assert!(again.resume_from(&stats.learned().unwrap()));
        line(&mut again, "Backup of music done", None, 7_200.0 + 2.0 * DOWN);
        assert_eq!(again.totals().new_templates, 0);
    }
}
