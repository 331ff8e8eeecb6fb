//! Grace periods: after a boot, a resume, a clock step, an upgrade or a deploy, unusual behavior is expected.
//!
//! Each source declares in a table of triggers how a reading shows a reason. This module holds the length of each
//! grace period. Grace does not change the score; it only delays the start of an episode.

use serde::{Deserialize, Serialize};

use crate::metric::Metric;
use crate::reading::Reading;

/// The boot that a reading is from.
pub static BOOT: Metric =
    Metric::gauge("hostnorm_boot_info", "Boot ID of the kernel, which differs after each boot; always 1")
        .by(&["boot_id"]);

/// Seconds by which a reading may be late, as between its time and the uptime.
const LATE_SECONDS: f64 = 2.0;
/// Fall of the uptime, in seconds, that is a boot even if the clock says that there was no time for one.
const FALL_SECONDS_MIN: f64 = 3_600.0;

/// Whether two readings are from one boot; `None` if one of them does not say.
pub fn is_same_boot(before: &Reading, now: &Reading) -> Option<bool> {
    let boot = |it: &Reading| Some(it.host_values()?.each(&BOOT).next()?.labels.clone());
    Some(boot(before)? == boot(now)?)
}

/// In grace an episode starts only at this multiple of the threshold.
pub const LIMIT_FACTOR: f64 = 2.0;

/// Reason for a grace period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraceReason {
    /// The machine booted: caches are cold, services start.
    Boot,
    /// The machine resumed: delayed work runs at once.
    Resume,
    /// The clock was set: jobs run late or early, and the time of day changed.
    ClockStep,
    /// Packages are being installed or removed.
    Upgrade,
    /// The user announced a deploy by touching the deploy marker.
    Deploy,
}

impl GraceReason {
    /// All reasons, in the order of exposition.
    pub const ALL: [Self; 5] = [Self::Boot, Self::Resume, Self::ClockStep, Self::Upgrade, Self::Deploy];

    /// The value of the label `reason`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Resume => "resume",
            Self::ClockStep => "clock_step",
            Self::Upgrade => "upgrade",
            Self::Deploy => "deploy",
        }
    }
}

/// Length of each grace period, in seconds since its reason was last seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraceDurations {
    /// After a boot.
    pub boot: f64,
    /// After a resume.
    pub resume: f64,
    /// After a clock step.
    pub clock_step: f64,
    /// After a package manager released its lock.
    pub upgrade: f64,
    /// After the deploy marker was touched.
    pub deploy: f64,
}

impl Default for GraceDurations {
    fn default() -> Self {
        Self { boot: 300.0, resume: 120.0, clock_step: 120.0, upgrade: 120.0, deploy: 600.0 }
    }
}

impl GraceDurations {
    fn of(&self, reason: GraceReason) -> f64 {
        match reason {
            GraceReason::Boot => self.boot,
            GraceReason::Resume => self.resume,
            GraceReason::ClockStep => self.clock_step,
            GraceReason::Upgrade => self.upgrade,
            GraceReason::Deploy => self.deploy,
        }
    }
}

/// Recognizes a reason in the readings.
#[derive(Debug)]
pub struct GraceTrigger {
    /// The reason.
    pub reason: GraceReason,
    /// Seconds since the reason was last seen, at the newer of two readings; `None` if they do not show it.
    pub last_seen: fn(before: &Reading, now: &Reading) -> Option<f64>,
}

/// The active grace periods at one reading.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ActiveGracePeriods {
    /// Seconds left of each grace period, in the order of [`GraceReason::ALL`].
    seconds_left: [f64; GraceReason::ALL.len()],
}

impl ActiveGracePeriods {
    /// Each reason, and whether its grace period is active.
    pub fn rows(&self) -> impl Iterator<Item = (GraceReason, bool)> {
        GraceReason::ALL.into_iter().zip(self.seconds_left.map(|it| it > 0.0))
    }

    /// Whether any grace period is active.
    pub fn is_active(&self) -> bool {
        self.seconds_left.iter().any(|it| *it > 0.0)
    }
}

/// Tracks the grace periods from reading to reading.
#[derive(Debug, Clone)]
pub struct GraceWatcher {
    triggers: &'static [GraceTrigger],
    durations: GraceDurations,
    grace: ActiveGracePeriods,
}

impl GraceWatcher {
    /// Creates a watcher without active grace periods.
    pub fn new(cues: &'static [GraceTrigger], lengths: GraceDurations) -> Self {
        Self { triggers: cues, durations: lengths, grace: ActiveGracePeriods::default() }
    }

    /// The active grace periods.
    pub(crate) fn grace(&self) -> ActiveGracePeriods {
        self.grace
    }

    /// Restores the active grace periods.
    pub(crate) fn resume(&mut self, grace: ActiveGracePeriods) {
        self.grace = grace;
    }

    /// Whether the host booted between two readings: the kernel has another boot ID.
    ///
    /// Without the ID, the uptime must have fallen, and the boot must lie between the readings, or the uptime must have fallen
    /// by more than a container's does when the clock is set.
    pub fn booted(&self, before: &Reading, now: &Reading) -> bool {
        if let Some(is_same) = is_same_boot(before, now) {
            return !is_same;
        }
        let boot = self.triggers.iter().find(|it| it.reason == GraceReason::Boot);
        let uptimes =
            boot.and_then(|it| Some(((it.last_seen)(before, before)?, (it.last_seen)(before, now)?)));
        uptimes.is_some_and(|(then, uptime)| {
            let elapsed = now.seconds_since(before.at).max(0.0);
            uptime < then && (uptime <= elapsed + LATE_SECONDS || then - uptime > FALL_SECONDS_MIN)
        })
    }

    /// The grace periods at the newer of two readings; `None` if no trigger applies to these readings.
    pub fn step(&mut self, before: &Reading, now: &Reading) -> Option<ActiveGracePeriods> {
        // A step of the clock from one run to the next is not known: a backward one passes no time, and a forward one ends
        // active periods, but is itself a reason.
        let elapsed = now.seconds_since(before.at).max(0.0);
        self.grace.seconds_left.iter_mut().for_each(|it| *it = (*it - elapsed).max(0.0));
        for cue in self.triggers {
            let Some(ago) = (cue.last_seen)(before, now) else { continue };
            let left = self.durations.of(cue.reason) - ago.max(0.0);
            for (reason, known) in GraceReason::ALL.iter().zip(&mut self.grace.seconds_left) {
                if *reason == cue.reason {
                    *known = known.max(left);
                }
            }
        }
        (!self.triggers.is_empty()).then_some(self.grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{MetricLabels, Timestamp};

    static UPTIME: Metric = Metric::gauge("uptime_seconds", "Since boot");
    static LOCK: Metric = Metric::gauge("lock", "Whether it is held");

    static CUES: &[GraceTrigger] = &[
        GraceTrigger { reason: GraceReason::Boot, last_seen: |_, now| now.host_values()?.get(&UPTIME) },
        GraceTrigger {
            reason: GraceReason::Upgrade,
            last_seen: |_, now| now.host_values()?.get(&LOCK).filter(|it| *it > 0.0).map(|_| 0.0),
        },
    ];

    /// Each row: time, uptime, lock, and the active reasons.
    fn check(rows: &[(f64, Option<f64>, f64, &str)]) {
        let mut watch = GraceWatcher::new(CUES, GraceDurations::default());
        let mut before = Reading::default();
        for (at, uptime, lock, expect) in rows {
            let mut now = Reading::new(Timestamp(*at));
            now.host().set(&LOCK, *lock);
            uptime.iter().for_each(|it| now.host().set(&UPTIME, *it));
            let grace = watch.step(&before, &now).unwrap();
            let active = grace.rows().filter(|(_, active)| *active).map(|(reason, _)| reason.name());
            assert_eq!(active.collect::<Vec<_>>().join(" "), *expect, "at {at}");
            assert_eq!(grace.is_active(), !expect.is_empty());
            before = now;
        }
    }

    #[test]
    fn grace_lasts_as_long_as_its_reason_and_then_some() {
        check(&[
            (1e9, Some(10.0), 0.0, "boot"),
            (1e9 + 200.0, Some(210.0), 1.0, "boot upgrade"),
            (1e9 + 290.0, Some(300.0), 1.0, "upgrade"),
            (1e9 + 291.0, Some(301.0), 0.0, "upgrade"),
            (1e9 + 409.0, Some(419.0), 0.0, "upgrade"),
            (1e9 + 410.0, Some(420.0), 0.0, ""),
        ]);
    }

    #[test]
    fn a_grace_period_without_trigger_runs_out() {
        check(&[
            (0.0, Some(0.0), 0.0, "boot"),
            (299.0, None, 0.0, "boot"),
            (100.0, None, 0.0, "boot"),
            (101.5, None, 0.0, ""),
        ]);
    }

    /// Whether the host booted between two readings: time, uptime and boot of each.
    fn booted(before: (f64, f64, Option<&str>), now: (f64, f64, Option<&str>)) -> bool {
        let [before, now] = [before, now].map(|(at, uptime, boot)| {
            let mut reading = Reading::new(Timestamp(at));
            reading.host().set(&UPTIME, uptime);
            boot.iter().for_each(|it| reading.host().set_by(&BOOT, &MetricLabels::new([*it]), 1.0));
            reading
        });
        GraceWatcher::new(CUES, GraceDurations::default()).booted(&before, &now)
    }

    #[test]
    fn a_boot_is_told_by_its_id() {
        let (one, other) = (Some("6f1e"), Some("07ab"));
        // While hostnorm was stopped, the host booted and is up for longer than before.
        assert!(booted((1e9, 100.0, one), (1e9 + 3_600.0, 300.0, other)));
        // The uptime of a container steps with its clock, by seconds or by days.
        for step in [5.0, 3e5] {
            assert!(!booted((1e9, 350_000.0, one), (1e9 + 1.0, 350_001.0 - step, one)), "{step}");
        }
    }

    #[test]
    fn without_an_id_a_boot_takes_its_time() {
        for (elapsed, uptime, expect) in [
            (1.0, 350_001.0, false),
            (1.0, 349_996.0, false),
            (60.0, 20.0, true),
            (0.1, 1.5, true),
            // The clock was not yet set after the boot.
            (-1e6, 30.0, true),
        ] {
            let found = booted((1e9, 350_000.0, None), (1e9 + elapsed, uptime, Some("6f1e")));
            assert_eq!(found, expect, "{elapsed} {uptime}");
        }
    }

    #[test]
    fn without_triggers_there_is_no_grace() {
        let reading = Reading::default();
        assert_eq!(GraceWatcher::new(&[], GraceDurations::default()).step(&reading, &reading), None);
    }
}
