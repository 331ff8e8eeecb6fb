//! Events on which other tools were measured: steps, a ramp, a flat line, a drop of CPU or memory on one host. All are
//! detected and stay detected; irrelevant changes are ignored.
//!
//! Nine days of minutes as rows, with the event on the last; and a day of seconds as the engine reads them.

use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::engine::{self, Engine};
use hostnorm::metric::Metric;
use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::replay::Replay;
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::training;

use crate::fault_detection::settings;

const DAY: usize = 1_440;
/// The event starts at ten in the morning of the ninth day.
const FROM: usize = 8 * DAY + 600;

/// One event on a signal of this host, in ratios.
struct Event {
    name: &'static str,
    floor: f64,
    base: f64,
    noise: f64,
    /// Amplitude of the daily variation.
    daily: f64,
    minutes: usize,
    /// A function of the value, of the value at the start, and of the elapsed share.
    of: fn(f64, f64, f64) -> f64,
}

const CPU: Event =
    Event { name: "", floor: 0.08, base: 0.3, noise: 0.03, daily: 0.0, minutes: 120, of: |it, _, _| it };
const HOUR: Event = Event { minutes: 60, ..CPU };
const MEMORY: Event = Event { floor: 0.05, noise: 0.01, ..CPU };

static EVENTS: [Event; 11] = [
    Event { name: "memory 70 to 95 %", base: 0.7, of: |it, _, _| it + 0.25, ..MEMORY },
    Event { name: "memory 40 to 58 %", base: 0.4, of: |it, _, _| it + 0.18, ..MEMORY },
    Event { name: "processor 30 to 42 %", of: |it, _, _| it + 0.12, ..CPU },
    Event { name: "processor 30 to 90 %", of: |it, _, _| it + 0.6, ..CPU },
    Event { name: "daily 30 ± 20 %, 40 more", daily: 0.2, of: |it, _, _| it + 0.4, ..CPU },
    Event { name: "processor 30 to 45 %, an hour", of: |it, _, _| it + 0.15, ..HOUR },
    Event { name: "processor 30 to 60 %, an hour", of: |it, _, _| it + 0.3, ..HOUR },
    Event { name: "ramp 30 to 90 %, an hour", of: |it, _, share| it + 0.6 * share, ..HOUR },
    Event { name: "ramp 30 to 90 %, two hours", of: |it, _, share| it + 0.6 * share, ..CPU },
    Event { name: "flat line", of: |_, first, _| first, ..HOUR },
    Event { name: "drop to zero", of: |_, _, _| 0.0, ..HOUR },
];

static IDLE: Event =
    Event { name: "idle 2 to 5 %", base: 0.02, noise: 0.005, of: |it, _, _| it + 0.03, ..CPU };

/// The series of an event: `len` points from `from` on, with `day` points per day.
struct Series<'a> {
    event: &'a Event,
    day: usize,
    from: usize,
    len: usize,
    first: f64,
}

impl Series<'_> {
    fn at(&mut self, t: usize, normal: f64) -> f64 {
        let turn = std::f64::consts::TAU * t as f64 / self.day as f64;
        let value = self.event.base + self.event.daily * turn.sin() + self.event.noise * normal;
        if t == self.from {
            self.first = value;
        }
        let inside = (self.from..self.from + self.len).contains(&t);
        let share = (t + 1).saturating_sub(self.from) as f64 / self.len as f64;
        let value = if inside { (self.event.of)(value, self.first, share) } else { value };
        value.clamp(0.0, 1.0)
    }
}

/// Other signals of the same host: another CPU's share, a ratio of memory, bytes written and received, page faults;
/// some follow the time of day, some share a load, one is independent.
fn others(t: usize, load: &mut f64, random: &mut SeededRng) -> [f64; 5] {
    let [[a, b], [c, d], [e, f]] = [random.normals(), random.normals(), random.normals()];
    let [a, b, c, d, e, f] = [a, b, c, d, e, f].map(f64::from);
    *load = 0.95 * *load + 0.3 * a;
    let day = (std::f64::consts::TAU * t as f64 / DAY as f64).sin();
    [
        0.2 + 0.1 * day + 0.02 * *load + 0.01 * b,
        0.5 + 0.03 * day + 0.005 * c,
        (4.0 + *load + 0.3 * d) * 1e6,
        (3.0 + 1.5 * day + 0.3 * *load + 0.1 * e) * 1e6,
        12_000.0 + 5_000.0 * day + 800.0 * *load + 400.0 * f,
    ]
    .map(|it| it.max(0.0))
}

/// Share of an event's time in an episode, and number of episodes that started outside of it.
fn rows(event: &Event, width: usize, anomaly_learning_weight: f64) -> (f64, usize) {
    let (mut random, mut load) = (SeededRng::new(1), 0.0);
    let floors = [event.floor, 0.08, 0.05, 15e6, 5e6, 20_000.0];
    let mut replay = Replay::new(floors[..width].to_vec(), &settings(1, anomaly_learning_weight));
    let mut series = Series { event, day: DAY, from: FROM, len: event.minutes, first: 0.0 };
    let (mut active, mut outside, mut before) = (0, 0, false);
    for t in 0..9 * DAY {
        let value = series.at(t, f64::from(random.normals()[0]));
        let mut row = vec![value];
        row.extend(others(t, &mut load, &mut random));
        let judged = replay.step(None, &row[..width], &vec![false; width]).unwrap();
        let alarm = judged.episode.is_some();
        if (FROM..FROM + event.minutes).contains(&t) {
            active += usize::from(alarm);
        } else {
            outside += usize::from(alarm && !before);
        }
        before = alarm;
    }
    (active as f64 / event.minutes as f64, outside)
}

/// Alone, and as one of six signals of a host; with the learning of `replay` and of a live host.
fn check(event: &Event, width: usize, least: f64, most: f64) {
    for anomaly_learning_weight in [1.0, 0.5, 0.2] {
        let (active, outside) = rows(event, width, anomaly_learning_weight);
        eprintln!("{} of {width}, {anomaly_learning_weight}: {active:.2}", event.name);
        assert!(
            (least..=most).contains(&active),
            "{} of {width}, {anomaly_learning_weight}: {active:.2}",
            event.name
        );
        // The unusual level is reached by chance now and then, on a single signal once in nine days.
        assert!(
            outside <= 1,
            "{} of {width}, {anomaly_learning_weight}: {outside} episodes outside",
            event.name
        );
    }
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn events_of_a_signal_alone_are_found_and_stay_found() {
    EVENTS.iter().for_each(|it| check(it, 1, 0.8, 1.0));
}

#[test]
#[ignore = "takes half a minute; ./check runs it"]
fn events_of_one_of_six_signals_are_found_and_stay_found() {
    for event in &EVENTS {
        // Below the bar of 0.8: among five other signals, an hour's ramp takes its first quarter to differ from noise.
        // Alone, it is detected in time.
        let least = if event.name.starts_with("ramp") { 0.7 } else { 0.8 };
        check(event, 6, least, 1.0);
    }
}

#[test]
fn an_irrelevant_change_is_ignored() {
    check(&IDLE, 1, 0.0, 0.0);
    check(&IDLE, 6, 0.0, 0.0);
}

static BUSY: Metric = Metric::gauge("busy_ratio", "Share of time busy");

const fn signal(name: &'static str, floor: f64) -> [Signal; 1] {
    [Signal {
        kind: SubjectKind::Host,
        name,
        title: name,
        help: name,
        unit: SignalUnit::Ratio,
        floor,
        device: None,
        formula: |it| it.level(&BUSY),
    }]
}

static PROCESSOR: [Signal; 1] = signal("cpu_busy_ratio", 0.08);
static USED: [Signal; 1] = signal("memory_used_ratio", 0.05);

const SECONDS: usize = 86_400;

/// Readings a second apart: a day and an hour, then the event, shortened to half an hour. Returns the share of its
/// time in an episode, and the number of readings in an episode outside of it and the ten minutes after it.
fn live(event: &Event) -> (f64, usize) {
    let signals = if event.floor < 0.08 { &USED } else { &PROCESSOR };
    let mut engine = Engine::new(signals, &engine::EngineSettings::default());
    let mut random = SeededRng::new(2);
    let (from, len) = (SECONDS + 3_600, 1_800);
    let mut series = Series { event, day: SECONDS, from, len, first: 0.0 };
    let (mut active, mut outside) = (0, 0);
    for t in 0..from + len + 3_600 {
        let mut reading = Reading::new(Timestamp(t as f64));
        reading.host().set(&BUSY, series.at(t, f64::from(random.normals()[0])));
        let assessment = engine.step(reading).assessments.remove(&Subject::Host).unwrap();
        if let Some(set) = engine.due(SubjectKind::Host) {
            let grown = training::grow(&set, &training::TrainingSettings::default(), 1).unwrap();
            engine.install(SubjectKind::Host, &grown.eif);
        }
        let alarm = usize::from(assessment.episode.is_some());
        if (from..from + len).contains(&t) {
            active += alarm;
        } else if !(from..from + len + 600).contains(&t) {
            outside += alarm;
        }
    }
    (active as f64 / len as f64, outside)
}

fn check_live(event: &Event, least: f64, most: f64) {
    let (active, outside) = live(event);
    eprintln!("{} live: {active:.2}", event.name);
    assert!((least..=most).contains(&active), "{}: {active:.2}", event.name);
    assert_eq!(outside, 0, "{}: readings outside", event.name);
}

#[test]
fn a_live_host_detects_them_too() {
    for name in ["memory 40 to 58 %", "processor 30 to 42 %", "processor 30 to 90 %", "flat line"] {
        check_live(EVENTS.iter().find(|it| it.name == name).unwrap(), 0.8, 1.0);
    }
    check_live(&IDLE, 0.0, 0.0);
}
