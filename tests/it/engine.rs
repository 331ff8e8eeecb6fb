//! The engine, driven from outside by lists of readings: quiet hosts stay quiet; faults are detected, named and end.

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::grace::{GraceReason, GraceTrigger};
use hostnorm::metric::Metric;
use hostnorm::reading::{CLOCK_STEP, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{Assessment, DeviationDirection, EpisodeTransition};
use hostnorm::selftest::SelftestInput;
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::training;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

static BUSY: Metric = Metric::gauge("busy_ratio", "Share of time busy");
static SYSTEM: Metric = Metric::gauge("system_ratio", "Share of time in the kernel");
static USED: Metric = Metric::gauge("used_ratio", "Share of memory used");
static RECEIVED: Metric = Metric::gauge("received_bytes_per_second", "Bytes received");
static SWITCHES: Metric = Metric::gauge("switches_per_second", "Context switches");

const fn signal(
    name: &'static str,
    unit: SignalUnit,
    floor: f64,
    of: fn(&hostnorm::signal::ReadingPair<'_>) -> Option<f64>,
) -> Signal {
    Signal { kind: SubjectKind::Host, name, title: name, help: name, unit, floor, device: None, formula: of }
}

static SIGNALS: [Signal; 5] = [
    signal("busy", SignalUnit::Ratio, 0.05, |it| it.level(&BUSY)),
    signal("system", SignalUnit::Ratio, 0.05, |it| it.level(&SYSTEM)),
    signal("used", SignalUnit::Ratio, 0.05, |it| it.level(&USED)),
    signal("received", SignalUnit::BytesPerSecond, 5e6, |it| it.level(&RECEIVED)),
    signal("switches", SignalUnit::PerSecond, 5e3, |it| it.level(&SWITCHES)),
];

/// The effect of a fault on the signals, by second.
type Fault = fn(f64, &mut [f64; 5]);

/// A machine with a varying load that drives all signals, and noise on each.
struct Machine {
    random: Xoshiro256PlusPlus,
    load: f64,
    idle: bool,
}

impl Machine {
    fn uniform(&mut self) -> f64 {
        (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().max(1e-300).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn values(&mut self) -> [f64; 5] {
        self.load = 0.98 * self.load + 0.2 * self.normal();
        let base = if self.idle { 0.02 } else { 0.25 };
        let busy = (base * (self.load * 0.15).exp() + 0.01 * self.normal()).clamp(0.0, 1.0);
        [
            busy,
            busy * 0.3,
            (0.4 + 0.01 * self.load).clamp(0.0, 1.0),
            busy * 2e7 * (1.0 + 0.1 * self.normal()),
            busy * 2e4 * (1.0 + 0.1 * self.normal()),
        ]
    }
}

struct Run {
    assessments: Vec<Assessment>,
    /// Self-tests with the time at which they were due.
    selftest_inputs: Vec<(usize, SelftestInput)>,
}

fn step(engine: &mut Engine, at: f64, values: [f64; 5]) -> Assessment {
    let mut reading = Reading::new(Timestamp(1.7e9 + at));
    for (metric, value) in [&BUSY, &SYSTEM, &USED, &RECEIVED, &SWITCHES].into_iter().zip(values) {
        reading.host().set(metric, value);
    }
    engine.step(reading).assessments.remove(&Subject::Host).unwrap()
}

fn run(seed: u64, idle: bool, seconds: usize, settings: &EngineSettings, fault: Fault) -> Run {
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(seed), load: 0.0, idle };
    let mut engine = Engine::new(&SIGNALS, settings);
    let (mut assessments, mut selftest_inputs) = (Vec::new(), Vec::new());
    for t in 0..seconds {
        let at = t as f64 * settings.interval;
        let mut values = machine.values();
        fault(at, &mut values);
        assessments.push(step(&mut engine, at, values));
        if let Some(set) = engine.due(SubjectKind::Host) {
            let model = training::train(&set, &training::TrainingSettings::default(), seed).unwrap();
            engine.install(SubjectKind::Host, &model.eif);
        }
        selftest_inputs.extend(engine.take_due_selftest().map(|(_, selftest_input)| (t, selftest_input)));
    }
    Run { assessments, selftest_inputs }
}

impl Run {
    fn began(&self) -> Vec<usize> {
        let turns = self.assessments.iter().enumerate();
        turns.filter(|(_, it)| it.transition == Some(EpisodeTransition::Started)).map(|(t, _)| t).collect()
    }

    fn ended(&self) -> Vec<usize> {
        let turns = self.assessments.iter().enumerate();
        turns
            .filter(|(_, it)| matches!(it.transition, Some(EpisodeTransition::Ended(_))))
            .map(|(t, _)| t)
            .collect()
    }

    fn cause(&self, t: usize) -> &'static str {
        self.assessments[t].details.as_ref().unwrap().contributions[0].signal.name
    }
}

#[test]
fn there_is_no_score_before_the_end_of_the_warmup() {
    let run = run(1, false, 610, &EngineSettings::default(), |_, _| {});
    let first = run.assessments.iter().position(|it| it.details.is_some()).unwrap();
    assert!((599..=602).contains(&first), "{first}");
    let announced = run.assessments[10].ready_at;
    assert!((announced.0 - run.assessments[first].ready_at.0).abs() < 2.0);
}

#[test]
fn the_time_of_the_first_score_is_not_in_the_future_if_the_clock_was_ahead() {
    let settings = EngineSettings { warmup: 30.0, ..EngineSettings::default() };
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(1), load: 0.0, idle: false };
    let mut engine = Engine::new(&SIGNALS, &settings);
    let right = step(&mut engine, 0.0, machine.values()).ready_at;
    for t in 0..120 {
        step(&mut engine, 1e9 + f64::from(t), machine.values());
    }
    let after = step(&mut engine, 120.0, machine.values());
    assert!(after.ready && after.ready_at.0 < right.0 + 120.0, "{}", after.ready_at.0);
}

#[test]
fn a_short_warmup_lasts_until_two_points_are_learned_and_says_so() {
    let settings = EngineSettings { warmup: 30.0, ..EngineSettings::default() };
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(1), load: 0.0, idle: false };
    let mut engine = Engine::new(&SIGNALS, &settings);
    let assessments: Vec<Assessment> =
        (0..120).map(|t| step(&mut engine, f64::from(t), machine.values())).collect();
    let first = assessments.iter().position(|it| it.details.is_some()).unwrap();
    assert!((3 * settings.window - 2..=3 * settings.window + 2).contains(&first), "{first}");
    let began = assessments[first].ready_at;
    for before in [&assessments[2], &assessments[20], &assessments[50]] {
        assert!((before.ready_at.0 - began.0).abs() < 3.0, "{} {}", before.ready_at.0, began.0);
    }
}

#[test]
fn quiet_machines_stay_quiet_for_two_hours() {
    for seed in 0..6 {
        for idle in [false, true] {
            let run = run(seed, idle, 7800, &EngineSettings::default(), |_, _| {});
            let highest = run.assessments.iter().filter_map(|it| it.details.as_ref()).map(|it| it.score);
            let highest = highest.fold(0.0, f64::max);
            assert!(run.began().is_empty(), "seed {seed}, idle {idle}: {:?}, {highest}", run.began());
        }
    }
}

#[test]
fn self_tests_are_due_after_each_quiet_hour() {
    let quiet = run(1, false, 8_000, &EngineSettings::default(), |_, _| {});
    let due: Vec<usize> = quiet.selftest_inputs.iter().map(|(t, _)| *t).collect();
    assert!(matches!(due[..], [4_170..=4_230, 7_770..=7_830]), "{due:?}");
    for (t, selftest_input) in quiet.selftest_inputs {
        let findings = selftest_input.run(3).unwrap();
        assert_eq!(findings.complaint(), None, "at {t}: {findings:?}");
    }
    // An hour with an episode does not count.
    let struck = run(1, false, 8_000, &EngineSettings::default(), |at, it| {
        if (2_000.0..2_200.0).contains(&at) {
            it[2] = 0.95;
        }
    });
    let due: Vec<usize> = struck.selftest_inputs.iter().map(|(t, _)| *t).collect();
    assert!(matches!(due[..], [5_800..=5_920]), "{due:?}");
}

/// A fault from 1000 s to 1120 s.
fn check(name: &str, idle: bool, fault: Fault, causes: &[&str]) {
    for seed in 0..4 {
        let run = run(seed, idle, 1400, &EngineSettings::default(), fault);
        let (began, ended) = (run.began(), run.ended());
        assert_eq!((began.len(), ended.len()), (1, 1), "{name}, seed {seed}: {began:?} {ended:?}");
        assert!((1000..=1015).contains(&began[0]), "{name}, seed {seed}: began at {}", began[0]);
        assert!((1120..=1210).contains(&ended[0]), "{name}, seed {seed}: ended at {}", ended[0]);
        let cause = run.cause(began[0] + 5);
        assert!(causes.contains(&cause), "{name}, seed {seed}: {cause}");
    }
}

fn during(at: f64) -> bool {
    (1000.0..1120.0).contains(&at)
}

#[test]
fn faults_are_detected_named_and_end() {
    for idle in [false, true] {
        check(
            "cpu",
            idle,
            |at, it| {
                if during(at) {
                    it[0] = 1.0;
                    it[1] = 0.4;
                }
            },
            &["busy", "system"],
        );
        check(
            "memory",
            idle,
            |at, it| {
                if during(at) {
                    it[2] = 0.9;
                }
            },
            &["used"],
        );
        check(
            "network",
            idle,
            |at, it| {
                if during(at) {
                    it[3] = 5e8;
                    it[4] += 4e4;
                }
            },
            &["received", "switches"],
        );
    }
}

#[test]
fn a_change_within_the_noise_floor_is_ignored() {
    let run = run(3, true, 1400, &EngineSettings::default(), |at, it| {
        it[0] = if during(at) { 0.05 } else { 0.02 };
        it[1] = it[0] * 0.3;
    });
    assert!(run.began().is_empty());
}

#[test]
fn equal_readings_give_equal_reports() {
    let twice = [(); 2]
        .map(|()| format!("{:?}", run(5, false, 700, &EngineSettings::default(), |_, _| {}).assessments));
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn contributions_add_up_to_the_score() {
    let run = run(7, false, 1100, &EngineSettings::default(), |at, it| {
        if during(at) {
            it[0] = 1.0;
        }
    });
    for details in run.assessments.iter().filter_map(|it| it.details.as_ref()) {
        let sum: f64 = details.contributions.iter().map(|it| it.value).sum();
        assert!((sum - details.score).abs() < 1e-6 * details.score.max(1.0), "{sum} {}", details.score);
    }
}

#[test]
fn a_held_contribution_keeps_the_direction_of_its_time() {
    const END: usize = 1120;
    const HOLD: usize = 60;
    let run = run(7, false, 1300, &EngineSettings::default(), |at, it| {
        if during(at) {
            it[0] = 1.0;
        } else if at >= END as f64 {
            it[0] = 0.0;
        }
    });
    let held = run.assessments[END..][..HOLD].iter().filter_map(|it| it.details.as_ref());
    let held: Vec<_> = held.filter(|it| it.instant_score < 0.5 * it.score).collect();
    assert!(held.len() > 10, "{}", held.len());
    for details in held {
        let largest = &details.contributions[0];
        assert_eq!((largest.signal.name, largest.direction), (SIGNALS[0].name, DeviationDirection::High));
    }
}

#[test]
fn a_lasting_change_is_accepted_after_an_hour_and_quiet_afterwards() {
    let run = run(2, false, 3 * 3600, &EngineSettings::default(), |at, it| {
        if at >= 1000.0 {
            it[2] = 0.9;
        }
    });
    let turns = run.assessments.iter().enumerate().filter_map(|(t, it)| Some((t, it.transition?)));
    let turns: Vec<_> = turns.filter(|(_, turn)| *turn != EpisodeTransition::Changed).collect();
    assert!(
        matches!(
            turns[..],
            [(1000..1020, EpisodeTransition::Started), (4600..4620, EpisodeTransition::Accepted(_))]
        ),
        "{turns:?}"
    );
}

static BOOTED: Metric = Metric::gauge("booted_seconds_ago", "Time since boot");
static CUES: &[GraceTrigger] = &[GraceTrigger {
    reason: GraceReason::Boot,
    last_seen: |_, now| now.host_values()?.get(&BOOTED).filter(|it| *it >= 0.0),
}];

/// Checks for an episode during a fault of two minutes, optionally after a boot this many seconds ago.
fn began_after_boot(booted: Option<f64>, used: f64) -> Vec<usize> {
    let mut engine = Engine::new(&SIGNALS, &EngineSettings::default()).with_grace_triggers(CUES);
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(3), load: 0.0, idle: false };
    let mut began = Vec::new();
    for t in 0..1300 {
        let mut reading = Reading::new(Timestamp(1.7e9 + t as f64));
        let mut values = machine.values();
        if during(t as f64) {
            values[2] = used;
            // A score of 2 takes more than one signal.
            if used > 1.0 {
                values[3] *= 50.0;
                values[4] *= 50.0;
            }
        }
        for (metric, value) in [&BUSY, &SYSTEM, &USED, &RECEIVED, &SWITCHES].into_iter().zip(values) {
            reading.host().set(metric, value);
        }
        booted.iter().for_each(|it| reading.host().set(&BOOTED, t as f64 - 1000.0 + it));
        let report = engine.step(reading);
        let in_grace = booted.is_some_and(|it| (0.0..300.0).contains(&(t as f64 - 1000.0 + it)));
        assert_eq!(report.grace.unwrap().is_active(), in_grace, "at {t}");
        if report.assessments[&Subject::Host].transition == Some(EpisodeTransition::Started) {
            began.push(t);
        }
    }
    began
}

#[test]
fn after_a_boot_an_episode_needs_a_score_of_two() {
    let (small, large) = (0.8, 6.0);
    assert!(matches!(began_after_boot(None, small)[..], [1000..1040]), "{:?}", began_after_boot(None, small));
    assert!(began_after_boot(Some(100.0), small).is_empty());
    assert!(matches!(began_after_boot(Some(100.0), large)[..], [1000..1040]));
    // Grace ends during the fault.
    let late = began_after_boot(Some(240.0), small);
    assert!(matches!(late[..], [1060..1070]), "{late:?}");
}

#[test]
fn rates_do_not_depend_on_the_wall_clock() {
    static BYTES: Metric = Metric::counter("hostnorm_test_bytes_total", "Bytes").gains_at_most(1e11);
    static SIGNAL: Signal = Signal {
        kind: SubjectKind::Host,
        name: "bytes_per_second",
        title: "bytes",
        help: "Bytes per second",
        unit: SignalUnit::BytesPerSecond,
        floor: 1.0,
        device: None,
        formula: |it| it.rate(&BYTES),
    };
    let settings = EngineSettings { window: 1, ..EngineSettings::default() };
    let mut engine = Engine::new([&SIGNAL], &settings);
    let mut at = 1.7e9;
    for t in 0..20 {
        // Back by 0.4 s, forward by an hour, and back by a day.
        let step = [(7, -0.4), (11, 3_600.0), (15, -86_400.0)]
            .into_iter()
            .find(|it| it.0 == t)
            .map_or(0.0, |it| it.1);
        at += 1.0 + step;
        let mut reading = Reading::new(Timestamp(at));
        if t > 0 {
            reading.host().set(&CLOCK_STEP, step);
        }
        reading.host().set(&BYTES, f64::from(t) * 1_000.0);
        let report = engine.step(reading);
        let signals = &report.assessments[&Subject::Host].signals;
        let values: Vec<f64> = signals.iter().map(|it| it.value.round()).collect();
        assert_eq!(values, if t == 0 { vec![] } else { vec![1_000.0] }, "at {t}");
    }
}

#[test]
fn gaps_and_clock_steps_are_no_anomalies() {
    let mut engine = Engine::new(&SIGNALS, &EngineSettings::default());
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(3), load: 0.0, idle: false };
    for t in 0..4000 {
        // Suspended for an hour from 1500 on; the clock steps back by an hour at 2500.
        let at = f64::from(t) + if t >= 1500 { 3600.0 } else { 0.0 } - if t >= 2500 { 3600.0 } else { 0.0 };
        let mut reading = Reading::new(Timestamp(1.7e9 + at));
        for (metric, value) in [&BUSY, &SYSTEM, &USED, &RECEIVED, &SWITCHES].into_iter().zip(machine.values())
        {
            reading.host().set(metric, value);
        }
        let assessment = engine.step(reading).assessments.remove(&Subject::Host).unwrap();
        assert_eq!(assessment.transition, None, "at {t}");
        // The last result is exposed for a minute, unless the clock says that it is older or from the future.
        let blind = (1500..1531).contains(&t) || (2500..2531).contains(&t) || t < 602;
        assert!(blind || assessment.details.is_some(), "at {t}");
    }
}

/// The clock was ten years ahead until it was set right in the middle of an anomaly; later, hostnorm is restarted twice.
#[test]
fn an_anomaly_ends_once_with_its_true_length_though_the_clock_was_set_right() {
    let new = || Engine::new(&SIGNALS, &EngineSettings::default());
    let (mut engine, mut turns) = (new(), Vec::new());
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(9), load: 0.0, idle: true };
    for t in 0..3000 {
        let mut values = machine.values();
        if (1000..1300).contains(&t) {
            values[2] = 0.9;
        }
        let ahead = if t < 1250 { 315_360_000.0 } else { 0.0 };
        let mut reading = Reading::new(Timestamp(1.7e9 + ahead + f64::from(t)));
        for (metric, value) in [&BUSY, &SYSTEM, &USED, &RECEIVED, &SWITCHES].into_iter().zip(values) {
            reading.host().set(metric, value);
        }
        if [2000, 2500].contains(&t) {
            let snapshot = engine.snapshot();
            engine = new();
            engine.restore(&snapshot).unwrap();
        }
        turns.extend(engine.step(reading).assessments[&Subject::Host].transition);
    }
    turns.retain(|it| *it != EpisodeTransition::Changed);
    let [EpisodeTransition::Started, EpisodeTransition::Ended(ended)] = turns[..] else {
        panic!("{turns:?}")
    };
    assert!((290.0..400.0).contains(&ended.lasted), "{ended:?}");
}

#[test]
fn a_missing_signal_is_absent_and_no_anomaly() {
    let mut engine = Engine::new(&SIGNALS, &EngineSettings::default());
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(4), load: 0.0, idle: false };
    for t in 0..1500 {
        let mut reading = Reading::new(Timestamp(1.7e9 + f64::from(t)));
        let values = machine.values();
        for (metric, value) in [&BUSY, &SYSTEM, &USED, &RECEIVED, &SWITCHES].into_iter().zip(values) {
            if t < 1000 || metric.name != "used_ratio" {
                reading.host().set(metric, value);
            }
        }
        let assessment = engine.step(reading).assessments.remove(&Subject::Host).unwrap();
        assert_eq!(assessment.transition, None, "at {t}");
        let there = assessment.signals.iter().any(|it| it.signal.name == "used");
        assert_eq!(there, (1..1029).contains(&t), "at {t}");
    }
}

/// Runs readings a second apart, except where `clock` moves them.
fn walk(clock: fn(usize) -> f64, fault: Fault, mut see: impl FnMut(usize, &Assessment)) {
    let mut engine = Engine::new(&SIGNALS, &EngineSettings::default());
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(9), load: 0.0, idle: true };
    for t in 0..2000 {
        let mut values = machine.values();
        fault(t as f64, &mut values);
        let mut reading = Reading::new(Timestamp(1.7e9 + t as f64 + clock(t)));
        for (metric, value) in [&BUSY, &SYSTEM, &USED, &RECEIVED, &SWITCHES].into_iter().zip(values) {
            reading.host().set(metric, value);
        }
        see(t, &engine.step(reading).assessments[&Subject::Host]);
    }
}

/// Every tenth reading takes five intervals, such as one of slow hardware.
#[test]
fn readings_that_are_late_regularly_do_not_defer_the_first_score() {
    let mut announced = None;
    walk(
        |t| (t / 10) as f64 * 4.0,
        |_, _| {},
        |t, assessment| {
            let ready_at = assessment.ready_at.0;
            let announced = *announced.get_or_insert(ready_at);
            assert!(ready_at < announced + 5.0, "at {t}: {}", ready_at - announced);
            assert!(t < 440 || assessment.ready, "at {t}");
        },
    );
}

#[test]
fn an_episode_outlasts_a_gap_in_the_readings() {
    // Ten seconds without a reading, every two minutes, in the middle of a fault.
    walk(
        |t| (t / 120) as f64 * 10.0,
        |at, it| {
            if at >= 1000.0 {
                it[2] = 0.9;
            }
        },
        |t, assessment| {
            assert!(t < 640 || assessment.ready && assessment.details.is_some(), "at {t}");
            assert!(t < 1030 || assessment.episode.is_some(), "at {t}");
        },
    );
}

#[test]
fn hours_without_a_reading_are_no_part_of_an_episode() {
    let mut accepted = false;
    walk(
        |t| if t >= 1200 { 86_400.0 } else { 0.0 },
        |at, it| {
            if at >= 1000.0 {
                it[2] = 0.9;
            }
        },
        |_, assessment| accepted |= matches!(assessment.transition, Some(EpisodeTransition::Accepted(_))),
    );
    assert!(!accepted);
}

#[test]
fn the_description_names_this_fault_and_not_the_last() {
    let mut named = Vec::new();
    walk(
        |_| 0.0,
        |at, it| {
            if (1000.0..1060.0).contains(&at) {
                it[0] = 1.0;
                it[1] = 0.4;
            }
            if at >= 1150.0 {
                it[2] = 0.9;
            }
        },
        |_, assessment| {
            if assessment.transition == Some(EpisodeTransition::Started) {
                named.push(assessment.details.as_ref().unwrap().causes[0].signal.name);
            }
        },
    );
    assert!(matches!(named[..], ["busy" | "system", "used"]), "{named:?}");
}

/// New culprits belong to the signals that deviate now, not to those that the description named before.
#[test]
fn a_description_is_renewed_when_it_is_asked_for() {
    let settings = EngineSettings { warmup: 30.0, ..EngineSettings::default() };
    let mut machine = Machine { random: Xoshiro256PlusPlus::seed_from_u64(11), load: 0.0, idle: false };
    let mut engine = Engine::new(&SIGNALS, &settings);
    let mut described = Vec::new();
    for t in 0..700 {
        let mut values = machine.values();
        if t >= 600 {
            values[0] = 1.0;
        }
        if t >= 630 {
            values[3] = 1e9;
        }
        if t == 645 {
            engine.renew_description(&Subject::Host);
        }
        let it = step(&mut engine, f64::from(t), values);
        described.extend(it.transition.map(|turn| (t, turn, it.description.unwrap_or_default())));
    }
    let [(began, EpisodeTransition::Started, first), (renewed, EpisodeTransition::Changed, second), ..] =
        &described[..]
    else {
        panic!("{described:?}")
    };
    assert!((600..630).contains(began) && *renewed == 645, "{described:?}");
    let traffic = SIGNALS[3].title;
    assert!(!first.contains(traffic) && second.contains(traffic), "{described:?}");
}
