//! Checks that settings are within their ranges.

use super::Config;
use crate::byte_size::ByteSize;
use crate::cost_limit::CostLimits;
use crate::detect::DETECTORS;
use crate::detect::detector_settings::{AnomalyDecisionRule, OnOff};
use crate::detect::forest::{SAMPLE_MAX, TREES_MAX};
use crate::duration::HumanDuration;
use crate::host_time_zone;
use crate::logs;
use crate::maintenance;
use crate::sources::GROUPS_MAX;

/// Shortest interval; the kernel's clocks tick at 10 ms.
const INTERVAL_MIN: HumanDuration = HumanDuration::millis(100);
/// Longest interval; a longer one is no live monitoring.
const INTERVAL_MAX: HumanDuration = HumanDuration::minutes(60);
/// Largest window.
const WINDOW_MAX: u64 = 4096;
/// Longest hold; an older score is no longer current.
const HOLD_MAX: HumanDuration = HumanDuration::minutes(60);
/// Longest time that an anomaly may need to end.
const RESOLVE_MAX: HumanDuration = HumanDuration::days(1);
/// Shortest half-life, retraining interval, and time until an anomaly is accepted.
const MEMORY_MIN: HumanDuration = HumanDuration::minutes(1);
/// Longest shadow mode.
const SHADOW_MAX: HumanDuration = HumanDuration::days(7);
/// Range of the half-life of the score: below it nothing is smoothed, above it every alert is late.
const SMOOTHING: [f64; 2] = [0.5, 10.0];
/// Smallest number of trees; fewer agree by chance.
const TREES_MIN: u64 = 10;
/// Smallest number of points for a tree; with fewer there is almost nothing to cut.
const SAMPLE_MIN: u64 = 16;
/// Longest grace after a deploy; whatever lasts longer is an anomaly.
const GRACE_MAX: HumanDuration = HumanDuration::days(1);
/// Range of the time after which a gone subject is evicted.
const EVICT_MIN: HumanDuration = HumanDuration::minutes(1);
const EVICT_MAX: HumanDuration = HumanDuration::days(1);
/// Smallest size of the store; less holds hardly a day of points.
const BYTES_MIN: ByteSize = ByteSize::from_mebibytes(8);
/// Shortest retention; less does not reproduce an anomaly.
const RETENTION_MIN: HumanDuration = HumanDuration::minutes(10);
/// Range of the commit interval: below it the disk is busy with little data, above it a crash loses much.
const COMMIT_MIN: HumanDuration = HumanDuration::millis(100);
const COMMIT_MAX: HumanDuration = HumanDuration::minutes(10);
/// Smallest limit of series: the host and hostnorm itself have about 250, without their raw values.
const SERIES_MIN: u64 = 500;
/// Smallest limit of memory: what hostnorm has at its start.
const MEMORY_LIMIT_MIN: ByteSize = ByteSize::from_mebibytes(32);
/// Range of the limit of CPUs.
const CPU_MIN: f64 = 0.01;
const CPU_MAX: f64 = 1024.0;
/// Largest number of listen addresses.
const ADDRESSES_MAX: usize = 16;

/// A setting outside its range.
pub(super) struct SettingOutOfRange {
    pub(super) key: &'static str,
    pub(super) sentence: String,
}

#[derive(Default)]
struct SettingViolations(Vec<SettingOutOfRange>);

impl SettingViolations {
    fn unless(&mut self, fine: bool, key: &'static str, sentence: impl FnOnce() -> String) {
        if !fine {
            self.0.push(SettingOutOfRange { key, sentence: sentence() });
        }
    }
}

impl Config {
    /// All settings outside their ranges.
    pub(super) fn complaints(&self) -> Vec<SettingOutOfRange> {
        let mut found = SettingViolations::default();
        self.detection_within(&mut found);
        self.web_within(&mut found);
        self.storage_within(&mut found);
        if let Some((key, sentence)) = self.backfill.error() {
            found.unless(false, key, || sentence);
        }
        if let Some((key, sentence)) = self.alertmanager.error() {
            found.unless(false, key, || sentence);
        }
        self.limits_within(&mut found);
        for (key, sentence) in self.otlp.errors() {
            found.unless(false, key, || sentence);
        }
        found.0
    }

    fn detection_within(&self, found: &mut SettingViolations) {
        let it = &self.detection;
        found.unless(it.interval >= INTERVAL_MIN, "interval", || {
            let shown =
                if it.interval == HumanDuration::default() { "0".into() } else { it.interval.to_string() };
            format!("{shown} is too short; the shortest interval is {INTERVAL_MIN}")
        });
        found.unless(it.interval <= INTERVAL_MAX, "interval", || {
            format!("{} is too long; the longest interval is {INTERVAL_MAX}", it.interval)
        });
        found.unless((1..=WINDOW_MAX).contains(&it.window), "window", || {
            format!("{} is out of range; expected 1 to {WINDOW_MAX} readings", it.window)
        });
        let one_window = it.interval.times(it.window.min(WINDOW_MAX));
        found.unless(it.warmup >= one_window, "warmup", || {
            format!("{} is too short; one window alone takes {one_window}", it.warmup)
        });
        found.unless(it.score_hold <= HOLD_MAX, "score_hold", || {
            format!("{} is too long; the longest hold is {HOLD_MAX}", it.score_hold)
        });
        found.unless((1.0..=100.0).contains(&it.alert_level), "alert_level", || {
            format!("{} is out of range; expected 1 to 100", it.alert_level)
        });
        found.unless(it.threshold > 0.0 && it.threshold.is_finite(), "threshold", || {
            format!("{} is out of range; expected a number above 0", it.threshold)
        });
        found.unless(it.resolve.below > 0.0 && it.resolve.below <= 1.0, "resolve.below", || {
            format!("{} is out of range; expected above 0 and at most 1", it.resolve.below)
        });
        found.unless(it.resolve.duration <= RESOLVE_MAX, "resolve.for", || {
            format!("{} is too long; the longest is {RESOLVE_MAX}", it.resolve.duration)
        });
        // That of the host has a fallback.
        if !it.time_zone.is_empty()
            && let Err(error) = host_time_zone::read(&self.path.rootfs, &it.time_zone)
        {
            found.unless(false, "time_zone", || error);
        }
        let groups = self.cgroup.subjects_max;
        found.unless(groups <= GROUPS_MAX, "cgroup.subjects_max", || {
            format!("{groups} is out of range; expected 0 to {GROUPS_MAX}")
        });
        if let Some(error) = maintenance::windows_error(&self.maintenance) {
            found.unless(false, "maintenance", || error);
        }
        if let Some(error) = logs::logs_error(&self.logs) {
            found.unless(false, "logs", || error);
        }
        let votes = DETECTORS
            .each()
            .into_iter()
            .filter(|it| it.votes)
            .any(|row| self.detection.detectors.get(row.name).is_none_or(|it| *it == OnOff::On));
        found.unless(votes || self.detection.decide != AnomalyDecisionRule::Vote, "decide", || {
            "vote needs a voting detector that is on: zscore, baseline, eif or seasonal".into()
        });
        self.learning_within(found);
        let grace = self.context.deploy_grace;
        found.unless(grace <= GRACE_MAX, "context.deploy_grace", || {
            format!("{grace} is too long; the longest grace is {GRACE_MAX}")
        });
        let evict_after = self.subjects.evict_after;
        found.unless((EVICT_MIN..=EVICT_MAX).contains(&evict_after), "subjects.evict_after", || {
            format!("{evict_after} is out of range; expected {EVICT_MIN} to {EVICT_MAX}")
        });
    }

    fn learning_within(&self, found: &mut SettingViolations) {
        let it = &self.detection;
        let [least, most] = SMOOTHING;
        found.unless((least..=most).contains(&it.smoothing), "smoothing", || {
            format!("{} is out of range; expected {least} to {most} readings", it.smoothing)
        });
        found.unless((TREES_MIN..=TREES_MAX as u64).contains(&it.forest.trees), "forest.trees", || {
            format!("{} is out of range; expected {TREES_MIN} to {TREES_MAX} trees", it.forest.trees)
        });
        found.unless(
            (SAMPLE_MIN..=SAMPLE_MAX as u64).contains(&it.forest.sample_size),
            "forest.sample_size",
            || {
                format!(
                    "{} is out of range; expected {SAMPLE_MIN} to {SAMPLE_MAX} points",
                    it.forest.sample_size
                )
            },
        );
        for (key, span) in [
            ("half_life", it.half_life),
            ("retrain_interval", it.retrain_interval),
            ("accept_after", it.accept_after),
        ] {
            found.unless(span >= MEMORY_MIN, key, || {
                format!("{span} is too short; the shortest is {MEMORY_MIN}")
            });
        }
        found.unless(it.shadow_duration <= SHADOW_MAX, "shadow_duration", || {
            format!("{} is too long; the longest trial is {SHADOW_MAX}", it.shadow_duration)
        });
        found.unless((0.0..=1.0).contains(&it.anomaly_learning_weight), "anomaly_learning_weight", || {
            format!("{} is out of range; expected 0 to 1", it.anomaly_learning_weight)
        });
    }

    fn limits_within(&self, found: &mut SettingViolations) {
        let CostLimits { series, memory, cpu } = self.limits;
        found.unless(series == 0 || series >= SERIES_MIN, "limits.series", || {
            format!("{series} is too small; the minimum is {SERIES_MIN}, and 0 is no limit")
        });
        found.unless(memory.bytes() == 0 || memory >= MEMORY_LIMIT_MIN, "limits.memory", || {
            format!("{memory} is too small; the minimum is {MEMORY_LIMIT_MIN}, and 0 is no limit")
        });
        found.unless(cpu == 0.0 || (CPU_MIN..=CPU_MAX).contains(&cpu), "limits.cpu", || {
            format!("{cpu} is out of range; expected {CPU_MIN} to {CPU_MAX} CPUs, or 0 for no limit")
        });
    }

    fn storage_within(&self, found: &mut SettingViolations) {
        let it = &self.storage;
        found.unless(it.max_bytes >= BYTES_MIN, "storage.max_bytes", || {
            format!("{} is too small; the minimum is {BYTES_MIN}", it.max_bytes)
        });
        for (key, span) in [
            ("storage.retention.readings", it.retention.readings),
            ("storage.retention.points", it.retention.points),
        ] {
            found.unless(span >= RETENTION_MIN, key, || {
                format!("{span} is too short; the shortest is {RETENTION_MIN}")
            });
        }
        found.unless(
            (COMMIT_MIN..=COMMIT_MAX).contains(&it.commit_interval),
            "storage.commit_interval",
            || format!("{} is out of range; expected {COMMIT_MIN} to {COMMIT_MAX}", it.commit_interval),
        );
    }

    fn web_within(&self, found: &mut SettingViolations) {
        let addresses = &self.web.listen_address;
        found.unless((1..=ADDRESSES_MAX).contains(&addresses.len()), "web.listen_address", || {
            format!("{} addresses; expected 1 to {ADDRESSES_MAX}", addresses.len())
        });
        for address in addresses.iter().take(ADDRESSES_MAX) {
            found.unless(is_address(address), "web.listen_address", || {
                format!("{address:?} is not an address such as :19797, 127.0.0.1:19797 or [::1]:19797")
            });
        }
        let path = &self.web.telemetry_path;
        let is_path = path.len() > 1
            && path.starts_with('/')
            && path.bytes().all(|it| it.is_ascii_graphic() && !b"?#%".contains(&it));
        found.unless(is_path, "web.telemetry_path", || format!("{path:?} is not a path such as /metrics"));
        found.unless(!path.starts_with("/-/") && !path.starts_with("/api/"), "web.telemetry_path", || {
            format!("{path:?} is reserved; choose a path not below /-/ or /api/")
        });
    }
}

/// Whether a text has the form `host:port`; listening finds out whether the host exists.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let is_host = match host.strip_prefix('[') {
        Some(inner) => inner.strip_suffix(']').is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok()),
        None => host.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'.' || it == b'-'),
    };
    is_host && port.bytes().all(|it| it.is_ascii_digit()) && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Config), expect: &[&str]) {
        let mut config = Config::default();
        change(&mut config);
        let keys: Vec<_> = config.complaints().iter().map(|it| it.key).collect();
        assert_eq!(keys, expect, "{config:?}");
    }

    #[test]
    fn defaults_are_within() {
        check(|_| (), &[]);
    }

    #[test]
    fn bounds_are_inclusive() {
        check(|it| it.detection.interval = INTERVAL_MIN, &[]);
        check(|it| it.detection.interval = HumanDuration::millis(99), &["interval"]);
        check(|it| it.detection.window = 0, &["window"]);
        check(|it| it.detection.window = WINDOW_MAX + 1, &["window", "warmup"]);
        check(|it| it.detection.warmup = HumanDuration::seconds(30), &[]);
        check(|it| it.detection.warmup = HumanDuration::seconds(29), &["warmup"]);
        check(|it| it.detection.score_hold = HumanDuration::default(), &[]);
        check(|it| it.detection.threshold = f64::INFINITY, &["threshold"]);
        check(|it| it.detection.threshold = f64::NAN, &["threshold"]);
        check(|it| it.detection.alert_level = 0.9, &["alert_level"]);
        check(|it| it.detection.alert_level = f64::NAN, &["alert_level"]);
        check(|it| it.detection.resolve.below = f64::NAN, &["resolve.below"]);
        check(|it| it.detection.anomaly_learning_weight = 1.1, &["anomaly_learning_weight"]);
        check(|it| it.detection.half_life = HumanDuration::default(), &["half_life"]);
        check(|it| it.storage.max_bytes = ByteSize::from_mebibytes(7), &["storage.max_bytes"]);
        check(|it| it.backfill.from = "localhost".into(), &["backfill.from"]);
        check(|it| it.limits.series = 499, &["limits.series"]);
        check(|it| it.limits = CostLimits { series: 0, memory: ByteSize::default(), cpu: 0.0 }, &[]);
        check(|it| it.limits.memory = ByteSize::from_mebibytes(31), &["limits.memory"]);
        check(|it| it.limits.cpu = f64::NAN, &["limits.cpu"]);
        check(|it| it.alertmanager.url = "localhost".into(), &["alertmanager.url"]);
        check(|it| it.storage.retention.points = HumanDuration::default(), &["storage.retention.points"]);
        check(|it| it.storage.commit_interval = COMMIT_MAX, &[]);
        check(|it| it.storage.commit_interval = HumanDuration::millis(99), &["storage.commit_interval"]);
        check(|it| it.detection.smoothing = 0.5, &[]);
        check(|it| it.detection.smoothing = f64::NAN, &["smoothing"]);
        check(|it| it.detection.forest.trees = 9, &["forest.trees"]);
        let silent = |it: &mut Config| it.detection.detectors.values_mut().for_each(|it| *it = OnOff::Off);
        check(silent, &[]);
        check(|it| (it.detection.decide, ()) = (AnomalyDecisionRule::Vote, silent(it)), &["decide"]);
        check(|it| it.detection.forest.sample_size = SAMPLE_MAX as u64, &[]);
        check(|it| it.detection.forest.sample_size = SAMPLE_MAX as u64 + 1, &["forest.sample_size"]);
    }

    #[test]
    fn addresses_have_a_port() {
        for text in [":19797", "127.0.0.1:1", "[::1]:65535", "localhost:0", "a-b.c:80"] {
            check(|it| it.web.listen_address = vec![text.into()], &[]);
        }
        for text in ["", ":", "19797", "::1:80", "[::1]", "[x]:1", "a b:1", ":65536", ":+1", "http://a:1"] {
            check(|it| it.web.listen_address = vec![text.into()], &["web.listen_address"]);
        }
        check(|it| it.web.listen_address = Vec::new(), &["web.listen_address"]);
    }

    #[test]
    fn paths_are_paths() {
        for text in ["", "/", "metrics", "/a b", "/a?b", "/-/ready", "/é"] {
            check(|it| it.web.telemetry_path = text.into(), &["web.telemetry_path"]);
        }
    }
}
