//! Times of day follow the clock of a zone, over both changes of daylight saving.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::forecast::ForecastTimes;
use hostnorm::metric::Metric;
use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::time_zone::TimeZone;

static BUSY: Metric = Metric::gauge("busy_ratio", "Share of time busy");

static SIGNALS: [Signal; 1] = [Signal {
    kind: SubjectKind::Host,
    name: "busy",
    title: "busy",
    help: "busy",
    unit: SignalUnit::Ratio,
    floor: 0.02,
    device: None,
    formula: |it| it.level(&BUSY),
}];

const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
const NEW_YORK: &str = "EST5EDT,M3.2.0,M11.1.0";
const UTC: &str = "UTC0";

const INTERVAL: f64 = 300.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

/// Midnight in UTC of the Sundays on which the clocks change, in 2026.
const BERLIN_TO_WINTER: f64 = 1_792_886_400.0;
const NEW_YORK_TO_SUMMER: f64 = 1_772_928_000.0;

fn zone(rule: &str) -> TimeZone {
    TimeZone::from_rule(rule).unwrap()
}

fn engine(rule: &str) -> Engine {
    let settings =
        EngineSettings { interval: INTERVAL, window: 1, time_zone: zone(rule), ..EngineSettings::default() };
    Engine::new(&SIGNALS, &settings)
}

/// A nightly job, at its peak at 03:00 by the clock of the host, with some noise.
fn load(clock: &TimeZone, at: f64) -> f64 {
    let hours = clock.local_seconds(Timestamp(at)).rem_euclid(DAY) / HOUR;
    let peak = 0.7 * (-(hours - 3.0).powi(2)).exp();
    let noise = (at / INTERVAL * 7_919.0).rem_euclid(101.0) / 101.0 - 0.5;
    0.1 + peak + 0.1 * noise
}

/// One reading and the fit due after it; returns the output of the detector `seasonal`.
fn step(engine: &mut Engine, clock: &TimeZone, at: f64) -> Option<f64> {
    let mut reading = Reading::new(Timestamp(at));
    reading.host().set(&BUSY, load(clock, at));
    let report = engine.step(reading);
    if let Some((subject, history)) = engine.take_due_seasonal_fit() {
        engine.take(&subject, &history.fit());
    }
    report.assessments[&Subject::Host].details.as_ref().and_then(|it| it.detectors.seasonal)
}

/// The highest output of the detector `seasonal` in the week before the change of the clock, and on the three days
/// after it. The engine is restored from its snapshot at the change.
fn around_the_change(host: &str, engine_zone: &str, change: f64) -> [f64; 2] {
    let clock = zone(host);
    let mut engine = engine(engine_zone);
    let mut highest = [0.0_f64; 2];
    let first = change - 21.0 * DAY;
    for idx in 0..(25.0 * DAY / INTERVAL) as usize {
        let at = first + idx as f64 * INTERVAL;
        if at == change {
            let mut restored = self::engine(engine_zone);
            restored.restore(&engine.snapshot()).unwrap();
            restored.resume_from(Arc::new(Reading::new(Timestamp(at - INTERVAL))));
            engine = restored;
        }
        let Some(output) = step(&mut engine, &clock, at) else { continue };
        if at > change + DAY {
            highest[1] = highest[1].max(output);
        } else if (change - 7.0 * DAY..change).contains(&at) {
            highest[0] = highest[0].max(output);
        }
    }
    highest
}

#[test]
fn a_nightly_job_stays_at_its_place_when_the_clock_changes() {
    for (host, change) in [(BERLIN, BERLIN_TO_WINTER), (NEW_YORK, NEW_YORK_TO_SUMMER)] {
        let [before, after] = around_the_change(host, host, change);
        assert!(before < 1.0 && after < 1.0, "{host}: {before} before, {after} after");
        let [before, after] = around_the_change(host, UTC, change);
        assert!(
            before < 1.0 && after > 1.0,
            "by UTC, the job of {host} moves: {before} before, {after} after"
        );
    }
}

/// Asked on the evening before.
#[test]
fn the_forecast_of_a_nightly_job_follows_the_clock_over_its_change() {
    for (host, change) in [(BERLIN, BERLIN_TO_WINTER), (NEW_YORK, NEW_YORK_TO_SUMMER)] {
        let (clock, mut engine, now) = (zone(host), engine(host), change - 6.0 * HOUR);
        for idx in 0..=(15.0 * DAY / INTERVAL) as usize {
            step(&mut engine, &clock, now - 15.0 * DAY + idx as f64 * INTERVAL);
        }
        let horizon = ForecastTimes { now: Timestamp(now), seconds: 20.0 * HOUR, step_seconds: HOUR / 4.0 };
        let points = engine.forecast(&Subject::Host, "busy", &horizon).unwrap();
        let peak = points.iter().max_by(|a, b| a.expected.total_cmp(&b.expected)).unwrap();
        let hour = clock.local_seconds(peak.at).rem_euclid(DAY) / HOUR;
        assert!((hour - 3.0).abs() <= 0.5 && peak.expected > 0.6, "{host}: {peak:?} at {hour}");
    }
}

/// A file of the tz database with a rule and no list of past changes.
fn tzfile(rule: &str) -> Vec<u8> {
    // Counts of: UTC flags, standard flags, leap seconds, changes, types, bytes of abbreviations.
    let counts: Vec<u8> = [0_u32, 0, 0, 0, 1, 4].iter().flat_map(|it| it.to_be_bytes()).collect();
    let block = [b"TZif2".as_slice(), &[0; 15], &counts, &[0; 6], b"LMT\0"].concat();
    [&block, &block, b"\n".as_slice(), rule.as_bytes(), b"\n"].concat()
}

/// The highest score of the three days from the day after the change to winter, in a replay by the clock of this zone.
fn replayed(directory: &Path, zone: &str) -> f64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    command.env_clear().current_dir(directory).args(["replay", "--all", "--config.file=hostnorm.yaml"]);
    let output =
        command.args(["--history=history.csv", "--input=input.csv", "--time-zone", zone]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let scores = String::from_utf8(output.stdout).unwrap();
    let scores = scores.lines().skip(1).map(|it| it.split(',').next().unwrap().parse().unwrap());
    scores.fold(0.0, f64::max)
}

#[test]
fn a_replay_follows_the_clock_of_its_zone() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("usr/share/zoneinfo/Europe");
    fs::create_dir_all(&database).unwrap();
    fs::write(database.join("Berlin"), tzfile(BERLIN)).unwrap();
    fs::write(directory.path().join("hostnorm.yaml"), "path: {rootfs: .}\n").unwrap();
    let clock = zone(BERLIN);
    let table = |from: f64, to: f64| {
        let rows = (0..((to - from) / INTERVAL) as usize).map(|idx| from + idx as f64 * INTERVAL);
        let rows = rows.map(|at| format!("{at},{}\n", load(&clock, at)));
        format!("timestamp,busy\n{}", rows.collect::<String>())
    };
    let change = BERLIN_TO_WINTER;
    fs::write(directory.path().join("history.csv"), table(change - 21.0 * DAY, change + DAY)).unwrap();
    fs::write(directory.path().join("input.csv"), table(change + DAY, change + 4.0 * DAY)).unwrap();
    let (berlin, utc) = (replayed(directory.path(), "Europe/Berlin"), replayed(directory.path(), "UTC"));
    assert!(berlin < utc, "{berlin} by the clock of the host, {utc} by UTC");
}

#[test]
fn what_was_learned_in_another_zone_is_learned_again() {
    let known = engine(BERLIN);
    let refused = engine(NEW_YORK).restore(&known.snapshot()).unwrap_err();
    let expect =
        format!("the snapshot was made with the setting time_zone at {BERLIN}, now it is {NEW_YORK}");
    assert_eq!(refused.to_string(), expect);
}
