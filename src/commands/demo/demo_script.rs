//! The phases of a demo and their messages: learning, baseline, load, after.
//!
//! It is a pure function of the engine's reports, so tests need no clock.

use crate::episode_text;
use crate::reading::Subject;
use crate::report::{EpisodeTransition, Report};

/// Seconds without load after the first score, to recognize anomalies that the load did not cause.
const CALM: f64 = 5.0;
/// Longest wait for the end of the anomaly after the load, in seconds.
const AFTER_MAX: f64 = 120.0;
/// One line is printed for this many readings.
const SHOWN_EVERY: u64 = 5;
/// CPU usage before the load above which the load can change little.
const BUSY: f64 = 0.7;
/// An anomaly from before the load counts as detection if its score grows by this factor.
const WORSE: f64 = 2.0;

/// The displayed part of a report.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct DemoReading {
    /// The number of the reading, from 1.
    pub(super) tick: u64,
    /// Its time, in seconds since the epoch.
    pub(super) at: f64,
    /// Share of busy CPU time.
    pub(super) cpu: Option<f64>,
    /// Share of memory in use.
    pub(super) memory: Option<f64>,
    /// Bytes of memory that are available.
    pub(super) available: Option<f64>,
    /// The score, once there is one.
    pub(super) score: Option<f64>,
    /// Whether there is an anomaly.
    pub(super) anomalous: bool,
    /// Message about an episode that started, changed or ended.
    pub(super) description: Option<String>,
    /// Description of the present anomaly, not that of its start, which may precede the load.
    pub(super) words: Option<String>,
    /// Whether an episode started with this reading.
    pub(super) began: bool,
}

impl DemoReading {
    pub(super) fn of(tick: u64, report: &Report) -> Self {
        let host = &Subject::Host;
        let raw = |name: &str| {
            let values = report.reading.subjects.get(host)?;
            values.iter().find(|it| it.metric.name == name).map(|it| it.value)
        };
        let seen = Self {
            tick,
            at: report.reading.at.0,
            available: raw("hostnorm_memory_available_bytes"),
            ..Self::default()
        };
        let Some(assessment) = report.assessments.get(host) else { return seen };
        let signal =
            |name: &str| assessment.signals.iter().find(|it| it.signal.name == name).map(|it| it.value);
        let said = assessment.transition.as_ref().map(|turn| match turn {
            EpisodeTransition::Started | EpisodeTransition::Changed => {
                assessment.description.as_deref().unwrap_or_default().to_owned()
            }
            EpisodeTransition::Ended(episode) => episode_text::ended(host, episode),
            EpisodeTransition::Accepted(episode) => episode_text::accepted_episode_message(host, episode),
        });
        Self {
            cpu: signal("cpu_busy_ratio"),
            memory: signal("memory_used_ratio"),
            score: assessment.details.as_ref().map(|it| it.instant_score),
            anomalous: assessment.episode.is_some(),
            words: assessment.episode.map(|_| episode_text::describe(host, assessment, None)),
            description: said,
            began: assessment.transition == Some(EpisodeTransition::Started),
            ..seen
        }
    }
}

/// The next action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoadAction {
    /// Continue.
    None,
    /// Start the load.
    Start,
    /// Stop the load.
    Stop,
    /// The demo is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DemoPhase {
    Learning,
    Calm,
    Load,
    After,
}

/// Progress of the demo.
#[derive(Debug)]
pub(super) struct DemoScript {
    /// Duration of the load, in seconds.
    lasts: f64,
    phase: DemoPhase,
    /// Start of the phase.
    since: f64,
    /// Start and end of the load.
    load: [Option<f64>; 2],
    /// Seconds from the load to the episode, and its description.
    found: Option<(f64, String)>,
    /// Seconds from the end of the load to that of the episode.
    over: Option<f64>,
    /// The highest score under load.
    peak: f64,
    /// Episodes that started before the load.
    early: usize,
    /// CPU usage and score just before the load.
    busy: f64,
    before: f64,
}

impl DemoScript {
    pub(super) fn new(lasts: f64) -> Self {
        Self {
            lasts,
            phase: DemoPhase::Learning,
            since: f64::NAN,
            load: [None; 2],
            found: None,
            over: None,
            peak: 0.0,
            early: 0,
            busy: 0.0,
            before: 0.0,
        }
    }

    /// Processes a reading; returns lines to print and the next action.
    pub(super) fn step(&mut self, seen: &DemoReading) -> (Vec<String>, LoadAction) {
        if self.since.is_nan() {
            self.since = seen.at;
        }
        let mut lines = Vec::new();
        if seen.tick.is_multiple_of(SHOWN_EVERY) || seen.description.is_some() {
            lines.push(line(seen));
        }
        lines.extend(seen.description.clone());
        self.record(seen);
        let passed = seen.at - self.since;
        let (next, act, text) = match self.phase {
            DemoPhase::Learning if seen.score.is_some() => {
                (DemoPhase::Calm, LoadAction::None, "calm: first score")
            }
            DemoPhase::Calm if passed >= CALM => (DemoPhase::Load, LoadAction::Start, "load: started"),
            DemoPhase::Load if passed >= self.lasts => {
                (DemoPhase::After, LoadAction::Stop, "after: load stopped")
            }
            DemoPhase::After if !seen.anomalous || passed >= AFTER_MAX => return (lines, LoadAction::End),
            _ => return (lines, LoadAction::None),
        };
        match act {
            LoadAction::Start => self.load[0] = Some(seen.at),
            LoadAction::Stop => self.load[1] = Some(seen.at),
            LoadAction::None | LoadAction::End => (),
        }
        (self.phase, self.since) = (next, seen.at);
        lines.push(format!("-- {text}"));
        (lines, act)
    }

    fn record(&mut self, seen: &DemoReading) {
        match self.load {
            [None, _] => {
                self.early += usize::from(seen.began);
                self.busy = seen.cpu.unwrap_or_default();
                self.before = seen.score.unwrap_or_default();
            }
            [Some(began), ended] => {
                self.peak = self.peak.max(seen.score.unwrap_or_default());
                // An episode of the machine itself continues under load; the load raises its score.
                let worse = seen.score.is_some_and(|it| it >= WORSE * self.before);
                if let (None, true, Some(words)) = (&self.found, seen.began || worse, &seen.words) {
                    self.found = Some((seen.at - began, words.clone()));
                }
                if let (Some(ended), false, None) = (ended, seen.anomalous, self.over) {
                    self.over = Some(seen.at - ended);
                }
            }
        }
    }

    /// A summary in a few lines.
    pub(super) fn summary(&self) -> Vec<String> {
        let mut lines = vec!["-- summary".to_owned()];
        if self.early > 0 {
            lines.push(format!("anomalies before the load: {}; this host is not idle", self.early));
        }
        if self.busy > BUSY {
            lines.push(format!(
                "CPUs were {:.0} % busy before the load, which leaves little room for it",
                100.0 * self.busy
            ));
        }
        if self.load[0].is_none() {
            lines.push("no load was generated".to_owned());
            return lines;
        }
        match &self.found {
            Some((seconds, said)) => {
                lines.push(format!(
                    "found {seconds:.1} s after the load started, peak score {:.1}",
                    self.peak
                ));
                lines.push(format!("explained as: {said}"));
            }
            None => lines.push(format!(
                "not found: the peak score was {:.2}, 1 is unusual; try more load or a longer --warmup",
                self.peak
            )),
        }
        if let (Some(_), Some(seconds)) = (&self.found, self.over) {
            lines.push(format!("ended {seconds:.1} s after the load stopped"));
        }
        lines
    }
}

fn line(seen: &DemoReading) -> String {
    let mut line = format!("tick={}", seen.tick);
    let shares = [("cpu", seen.cpu), ("mem", seen.memory)];
    for (name, share) in shares {
        if let Some(share) = share {
            line += &format!(" {name}={:.1}%", 100.0 * share);
        }
    }
    if let Some(score) = seen.score {
        line += &format!(" score={score:.2}");
    }
    line + match (seen.anomalous, seen.score) {
        (true, _) => " status=ANOMALY",
        (false, Some(_)) => " status=OK",
        (false, None) => " status=LEARNING",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tick: u64, score: Option<f64>, anomalous: bool, said: Option<&str>) -> DemoReading {
        DemoReading {
            tick,
            at: tick as f64,
            cpu: Some(0.2307),
            memory: Some(0.418),
            available: None,
            score,
            anomalous,
            words: anomalous.then(|| "it began".to_owned()),
            description: said.map(str::to_owned),
            began: said == Some("it began"),
        }
    }

    #[test]
    fn a_demo_has_messages_from_start_to_end() {
        let mut script = DemoScript::new(4.0);
        let mut lines_so_far = Vec::new();
        let mut acts = Vec::new();
        for tick in 1..40 {
            let anomalous = (17..22).contains(&tick);
            let said = if tick == 17 { Some("it began") } else { None };
            let (lines, act) = script.step(&seen(
                tick,
                (tick >= 8).then_some(if anomalous { 3.0 } else { 0.27 }),
                anomalous,
                said,
            ));
            lines_so_far.extend(lines);
            acts.push(act);
            if act == LoadAction::End {
                break;
            }
        }
        lines_so_far.extend(script.summary());
        let expect = "tick=5 cpu=23.1% mem=41.8% status=LEARNING\n\
             -- calm: first score\n\
             tick=10 cpu=23.1% mem=41.8% score=0.27 status=OK\n\
             -- load: started\n\
             tick=15 cpu=23.1% mem=41.8% score=0.27 status=OK\n\
             tick=17 cpu=23.1% mem=41.8% score=3.00 status=ANOMALY\n\
             it began\n\
             -- after: load stopped\n\
             tick=20 cpu=23.1% mem=41.8% score=3.00 status=ANOMALY\n\
             -- summary\n\
             found 4.0 s after the load started, peak score 3.0\n\
             explained as: it began\n\
             ended 5.0 s after the load stopped";
        assert_eq!(lines_so_far.join("\n"), expect);
        assert_eq!(acts.len(), 22);
    }

    #[test]
    fn a_missed_load_is_reported() {
        let mut script = DemoScript::new(2.0);
        script.step(&seen(1, Some(1.2), true, Some("it began")));
        for tick in 2..12 {
            script.step(&seen(tick, Some(0.3), false, None));
        }
        let expect = "-- summary\n\
             anomalies before the load: 1; this host is not idle\n\
             not found: the peak score was 0.30, 1 is unusual; try more load or a longer --warmup";
        assert_eq!(script.summary().join("\n"), expect);
        assert_eq!(DemoScript::new(2.0).summary().join("\n"), "-- summary\nno load was generated");
    }
}
