//! Subjects come and go: their state is handed out and returned, memory is bounded, and excess subjects are counted.

use std::collections::{BTreeMap, BTreeSet};

use hostnorm::cost_limit;
use hostnorm::engine::{
    EVICTIONS_MAX, Engine, EngineSettings, SUBJECT_BYTES_MAX, SUBJECTS_MAX, SubjectCounts,
};
use hostnorm::metric::Metric;
use hostnorm::reading::{MetricLabels, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{EpisodeTransition, Report};
use hostnorm::signal::{ReadingPair, Signal, SignalUnit};
use hostnorm::training;

static VALUE: Metric = Metric::gauge("value", "A value").by(&["signal"]);

const NAMES: [&str; WIDTH] =
    ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13"];
/// The number of signals for [`SUBJECT_BYTES_MAX`].
const WIDTH: usize = 14;

fn value<const IDX: usize>(change: &ReadingPair<'_>) -> Option<f64> {
    change.current.get_by(&VALUE, &MetricLabels::new([NAMES[IDX]]))
}

const fn signal(kind: SubjectKind, idx: usize, of: fn(&ReadingPair<'_>) -> Option<f64>) -> Signal {
    let name = NAMES[idx];
    Signal {
        kind,
        name,
        title: name,
        help: name,
        unit: SignalUnit::Ratio,
        floor: 0.01,
        device: None,
        formula: of,
    }
}

macro_rules! signals {
    ($kind:expr, $($idx:literal)*) => { [$(signal($kind, $idx, value::<$idx>)),*] };
}

pub(crate) static CONTAINERS: [Signal; WIDTH] =
    signals!(SubjectKind::Container, 0 1 2 3 4 5 6 7 8 9 10 11 12 13);
static HOST: [Signal; 3] = signals!(SubjectKind::Host, 0 1 2);

const EVERY: f64 = 10.0;
const MINUTE: usize = 6;

fn settings() -> EngineSettings {
    EngineSettings { interval: EVERY, window: 3, ..EngineSettings::default() }
}

fn engine() -> Engine {
    Engine::new(CONTAINERS.iter().chain(&HOST), &settings())
}

pub(crate) fn container(idx: usize) -> Subject {
    Subject::Container(format!("shop/app-{idx:04}").into())
}

fn number(subject: &Subject) -> usize {
    subject.name().rsplit('-').next().and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// Deterministic noise between 0 and 1.
fn noise(seed: usize) -> f64 {
    let mixed = (seed as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((mixed ^ (mixed >> 32)) >> 12) as f64 / (1_u64 << 52) as f64
}

/// The values of these subjects at a step: each has its own level and noise.
pub(crate) fn reading(step: usize, subjects: impl IntoIterator<Item = Subject>) -> Reading {
    let mut reading = Reading::new(Timestamp(1.7e9 + step as f64 * EVERY));
    for subject in subjects {
        let own = number(&subject);
        let values = reading.subjects.entry(subject).or_default();
        for (idx, name) in NAMES.iter().enumerate() {
            let level = 0.3 + 0.2 * noise(own * WIDTH + idx);
            let value = level + 0.1 * noise((step * 1_009 + own) * WIDTH + idx);
            values.set_by(&VALUE, &MetricLabels::new([*name]), value);
        }
    }
    reading
}

/// Drives an engine as the loop does, with a store that answers at once.
struct Driver {
    engine: Engine,
    step: usize,
    stored: BTreeMap<Subject, Vec<u8>>,
    /// Subjects evicted in the last step, in order.
    evicted: Vec<Subject>,
    returned: BTreeSet<Subject>,
}

impl Driver {
    fn new(engine: Engine) -> Self {
        Self { engine, step: 0, stored: BTreeMap::new(), evicted: Vec::new(), returned: BTreeSet::new() }
    }

    fn step(&mut self, subjects: impl IntoIterator<Item = Subject>) -> Report {
        self.step_with(reading(self.step, subjects))
    }

    fn step_with(&mut self, reading: Reading) -> Report {
        let report = self.engine.step(reading);
        self.step += 1;
        let handover = self.engine.take_handover();
        self.evicted = handover.evicted.iter().map(|(it, _)| it.clone()).collect();
        self.stored.extend(handover.evicted);
        for subject in handover.wanted {
            match self.stored.get(&subject) {
                None => self.engine.absent(&subject),
                Some(bytes) => {
                    self.engine.return_state(&subject, bytes).unwrap();
                    assert!(self.engine.state_of(&subject).as_ref() == Some(bytes), "to the byte");
                    self.returned.insert(subject);
                }
            }
        }
        report
    }

    fn census(&self) -> SubjectCounts {
        self.engine.subject_counts()[&SubjectKind::Container]
    }

    fn live(&self) -> usize {
        let SubjectCounts { learning, ready, gone, waiting, .. } = self.census();
        learning + ready + gone + waiting
    }

    fn state_bytes(&self) -> usize {
        self.engine.live().filter_map(|it| self.engine.state_of(it)).map(|it| it.len()).sum()
    }
}

/// A reading that says that groups cost too much.
fn without_groups(mut reading: Reading) -> Reading {
    let labels = MetricLabels::new([cost_limit::OptionalFeature::Groups.name()]);
    reading.host().set_by(&cost_limit::FEATURE_ACTIVE, &labels, 0.0);
    reading
}

#[test]
fn groups_that_cost_too_much_are_stored_and_return() {
    let mut driver = Driver::new(engine());
    let subjects = || (0..3).map(container).chain([Subject::Host]);
    (0..20 * MINUTE).for_each(|_| drop(driver.step(subjects())));
    assert_eq!(driver.live(), 3);
    let report = driver.step_with(without_groups(reading(driver.step, subjects())));
    assert_eq!(driver.evicted, [container(0), container(1), container(2)]);
    assert_eq!(report.assessments.keys().collect::<Vec<_>>(), [&Subject::Host], "the host is scored");
    assert_eq!(report.reading.subjects.len(), 4, "their values are read");
    for _ in 0..MINUTE {
        driver.step_with(without_groups(reading(driver.step, subjects())));
        assert_eq!(driver.live(), 0);
    }
    (0..2 * MINUTE).for_each(|_| drop(driver.step(subjects())));
    assert_eq!((driver.live(), driver.returned.len()), (3, 3));
}

#[test]
fn an_hour_of_churn_keeps_memory_flat_and_scores_everyone() {
    const LIVE: usize = 300;
    const REPLACED: usize = 50;
    let settings = EngineSettings { evict_after: 120.0, ..settings() };
    let mut driver = Driver::new(Engine::new(&CONTAINERS[..4], &settings));
    let (mut present, mut next): (Vec<usize>, usize) = ((0..LIVE).collect(), LIVE);
    let mut sizes = Vec::new();
    for minute in 0..60 {
        for _ in 0..MINUTE {
            let report = driver.step(present.iter().map(|it| container(*it)));
            let waiting = driver.census().waiting;
            let judged =
                report.assessments.keys().filter(|it| report.reading.subjects.contains_key(*it)).count();
            let began = if driver.step == 1 { LIVE } else { LIVE - judged };
            assert!(
                waiting == 0 && (judged == LIVE || began <= REPLACED || driver.step == 1),
                "{judged} judged"
            );
        }
        // Half of those that stop are the oldest and half the newest, and a few of those that stopped return.
        present.drain(..REPLACED / 2);
        present.truncate(present.len() - REPLACED / 2);
        let back = if minute >= 10 { (0..5).map(|it| minute * 2 + it).collect() } else { Vec::new() };
        let back: Vec<usize> = back.into_iter().filter(|it| !present.contains(it)).collect();
        let new = REPLACED - back.len();
        present.extend(back);
        present.extend(next..next + new);
        next += new;
        sizes.push((driver.live(), driver.state_bytes()));
    }
    let census = driver.census();
    assert_eq!(census.unscored, 0);
    assert!(census.evicted > 2_000 && !driver.returned.is_empty(), "{census:?} {}", driver.returned.len());
    let most = |from: usize, to: usize| {
        let part = &sizes[from..to];
        (part.iter().map(|it| it.0).max().unwrap(), part.iter().map(|it| it.1).max().unwrap())
    };
    let (half, whole) = (most(15, 35), most(40, 60));
    assert!(whole.0 <= LIVE + 4 * REPLACED, "{sizes:?}");
    assert!(
        whole.0 as f64 <= 1.05 * half.0 as f64 && whole.1 as f64 <= 1.25 * half.1 as f64,
        "{half:?} {whole:?}"
    );
}

#[test]
fn a_returning_subject_continues_from_its_state() {
    let mut driver = Driver::new(engine());
    for _ in 0..60 * MINUTE {
        driver.step([container(1), container(2), Subject::Host]);
    }
    // Absent for 20 minutes.
    for step in 0..20 * MINUTE {
        driver.step([container(2), Subject::Host]);
        let stored = driver.stored.contains_key(&container(1));
        assert_eq!(stored, step as f64 * EVERY > 900.0 - EVERY, "after {step} steps");
    }
    assert_eq!(driver.census(), SubjectCounts { ready: 1, evicted: 1, ..SubjectCounts::default() });
    // It is scored with its restored state as soon as its window is full: at the fourth reading from the request on.
    let ready: Vec<bool> = (0..5)
        .map(|_| driver.step([container(1), container(2), Subject::Host]))
        .map(|it| it.assessments.get(&container(1)).is_some_and(|it| it.ready && it.details.is_some()))
        .collect();
    assert_eq!(ready, [false, false, false, true, true]);
    assert!(driver.returned.contains(&container(1)));
}

#[test]
fn stored_states_survive_restarts_and_engines() {
    let mut driver = Driver::new(engine());
    (0..60 * MINUTE).for_each(|_| drop(driver.step([container(1), container(2), Subject::Host])));
    let states = driver.engine.checkpoint(0.0, usize::MAX);
    assert_eq!(states.iter().map(|(it, _)| it.clone()).collect::<Vec<_>>(), [container(1), container(2)]);
    assert!(driver.engine.checkpoint(60.0, usize::MAX).is_empty(), "both were handed out");
    let snapshot = driver.engine.snapshot();
    let mut restarted =
        Driver { stored: states.into_iter().collect(), step: driver.step, ..Driver::new(engine()) };
    restarted.engine.restore(&snapshot).unwrap();
    assert_eq!(restarted.engine.live().collect::<Vec<_>>(), [&Subject::Host]);
    restarted.step([container(1), container(2), Subject::Host]);
    assert_eq!(restarted.returned.len(), 2);
    // A state of other signals, of another subject, or a corrupt one is refused, and the subject starts as a new one.
    let stored = restarted.stored[&container(1)].clone();
    let check = |mut other: Engine, subject: Subject, bytes: &[u8], expect: &str| {
        other.step(reading(0, [subject.clone()]));
        assert_eq!(other.return_state(&subject, bytes).unwrap_err().to_string(), expect);
        assert_eq!(other.subject_counts()[&SubjectKind::Container].learning, 1);
    };
    check(engine(), container(2), &stored, "the snapshot is corrupt");
    check(engine(), container(1), &stored[1..], "the snapshot is corrupt");
    check(
        Engine::new(&CONTAINERS[1..], &settings()),
        container(1),
        &stored,
        "the snapshot is of other signals than are followed now (14 then, 13 now); a collector was switched or \
         hostnorm was changed",
    );
}

#[test]
fn a_request_without_an_answer_times_out() {
    let settings = EngineSettings { interval: 1.0, ..settings() };
    let mut engine = Engine::new(&CONTAINERS, &settings);
    let waits = |engine: &mut Engine, second: usize| {
        let mut reading = reading(0, [container(1)]);
        reading.at = Timestamp(1.7e9 + second as f64);
        engine.step(reading);
        engine.subject_counts()[&SubjectKind::Container].waiting == 1
    };
    let waiting: Vec<bool> = (0..64).map(|it| waits(&mut engine, it)).collect();
    assert_eq!(waiting, [[true; 61].as_slice(), &[false; 3]].concat());
    // A late answer is ignored.
    engine.absent(&container(1));
    assert_eq!(engine.return_state(&container(1), b""), Ok(()));
}

#[test]
fn beyond_the_maximum_the_least_recent_is_evicted_and_the_excess_counted() {
    let mut driver = Driver::new(engine());
    // Three generations, each last seen a minute after the previous one.
    let third = SUBJECTS_MAX / 3;
    for generation in 0..3 {
        let from = (generation * third).min(SUBJECTS_MAX);
        let to = if generation == 2 { SUBJECTS_MAX } else { from + third };
        for _ in 0..4 {
            driver.step((from..to).map(container));
        }
    }
    assert_eq!(driver.live(), SUBJECTS_MAX);
    driver.step((1_000..1_020).map(container));
    assert_eq!(driver.live(), SUBJECTS_MAX);
    assert_eq!(driver.evicted, (0..20).map(container).collect::<Vec<_>>(), "of the oldest generation");
    // The newest generation, with as many new ones as there were others and some more: those are not scored, and
    // counted.
    let all: Vec<Subject> =
        (2 * third..SUBJECTS_MAX).chain(1_100..1_100 + 2 * third + 10).map(container).collect();
    let mut steps = 0;
    while driver.census().waiting + driver.census().gone > 0 || steps < 3 {
        driver.step(all.clone());
        assert!(driver.evicted.len() <= EVICTIONS_MAX && driver.live() <= SUBJECTS_MAX);
        steps += 1;
        assert!(steps < 20);
    }
    let before = driver.census();
    let report = driver.step(all.clone());
    assert_eq!(report.assessments.len(), SUBJECTS_MAX);
    assert_eq!(driver.census().unscored - before.unscored, (all.len() - SUBJECTS_MAX) as u64);
    assert_eq!(driver.census().evicted, before.evicted, "nobody goes who is here, for another who is");
    // The host is the only subject of its kind: it is admitted.
    let report = driver.step(all.into_iter().chain([Subject::Host]));
    assert!(report.assessments.contains_key(&Subject::Host));
    assert_eq!(driver.census().evicted, before.evicted + 1);
}

#[test]
fn the_host_is_never_evicted() {
    let mut driver = Driver::new(engine());
    (0..60 * MINUTE).for_each(|_| drop(driver.step([Subject::Host])));
    (0..60 * MINUTE).for_each(|_| drop(driver.step([container(1)])));
    assert!(driver.engine.live().any(|it| *it == Subject::Host));
    assert!(driver.stored.is_empty());
}

#[test]
fn a_new_subject_borrows_until_it_knows_enough_itself() {
    let mut driver = Driver::new(engine());
    let known = || (0..6).map(container);
    for _ in 0..120 * MINUTE {
        driver.step(known());
    }
    let set = driver.engine.due(SubjectKind::Container).unwrap();
    let model = training::train(&set, &training::TrainingSettings::default(), 1).unwrap();
    driver.engine.install(SubjectKind::Container, &model.eif);
    let assessments: Vec<_> = (0..24 * 60 * MINUTE)
        .map(|_| driver.step(known().chain([container(7)])).assessments.remove(&container(7)))
        .collect();
    let first = assessments.iter().position(|it| it.as_ref().is_some_and(|it| it.details.is_some())).unwrap();
    assert_eq!(first, 3, "with its first window");
    let assessment = assessments[first].as_ref().unwrap();
    let details = assessment.details.as_ref().unwrap();
    assert!(assessment.ready && assessment.uses_kind_prior && details.score < 1.0, "{details:?}");
    assert!(assessment.signals.iter().all(|it| it.expected.is_some()));
    assert!(details.detectors.forest.is_some(), "the model of the kind");
    // Its own statistics replace the borrowed ones for good, and determine the expected values.
    let borrowed: Vec<bool> = assessments.iter().flatten().map(|it| it.uses_kind_prior).collect();
    let until = borrowed.iter().filter(|it| **it).count();
    assert!(
        borrowed[..until].iter().all(|it| *it) && (60 * MINUTE..6 * 60 * MINUTE).contains(&until),
        "{until}"
    );
    let last = assessments.last().unwrap().as_ref().unwrap();
    for (idx, state) in last.signals.iter().enumerate() {
        let own = 0.35 + 0.2 * noise(7 * WIDTH + idx);
        assert!((state.expected.unwrap().value - own).abs() < 0.01, "{idx}: {state:?}, {own}");
    }
    // The first subjects never borrowed, and two are too few to borrow from.
    let mut few = Driver::new(engine());
    (0..60 * MINUTE).for_each(|_| drop(few.step([container(0), container(1)])));
    let alone = (0..6).map(|_| few.step([container(0), container(1), container(2)])).last().unwrap();
    assert!(
        alone.assessments.values().all(|it| !it.uses_kind_prior) && !alone.assessments[&container(2)].ready
    );
}

#[test]
fn an_episode_ends_with_its_subject() {
    let mut driver = Driver::new(engine());
    (0..60 * MINUTE).for_each(|_| drop(driver.step([container(1), container(2)])));
    let faulty = |step: usize| {
        let mut reading = reading(step, [container(2)]);
        let values = reading.subjects.entry(container(1)).or_default();
        NAMES.iter().for_each(|it| values.set_by(&VALUE, &MetricLabels::new([*it]), 0.95));
        reading
    };
    let turns: Vec<Option<EpisodeTransition>> = (0..2 * MINUTE)
        .map(|_| driver.step_with(faulty(driver.step)).assessments[&container(1)].transition)
        .collect();
    assert!(turns.contains(&Some(EpisodeTransition::Started)), "{turns:?}");
    let ended = (0..20 * MINUTE).filter_map(|_| driver.step([container(2)]).evicted.remove(&container(1)));
    let ended: Vec<_> = ended.filter_map(|it| it.transition).collect();
    assert!(matches!(ended[..], [EpisodeTransition::Ended(_)]), "{ended:?}");
}

#[test]
fn a_forest_is_trained_on_an_equal_share_of_each_subject() {
    // One of them exists for a day, the others for an hour of it.
    let mut driver = Driver::new(engine());
    let day = 24 * 60 * MINUTE;
    for step in 0..day {
        let others = if step >= day - 60 * MINUTE { 39 } else { 0 };
        driver.step((0..=others).map(container));
    }
    let set = driver.engine.requested_training(SubjectKind::Container, None).unwrap();
    let ends = set.starts.iter().skip(1).copied().chain([set.rows.len()]);
    let shares: Vec<usize> = set.starts.iter().zip(ends).map(|(from, to)| to - from).collect();
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert_eq!(shares.len(), 40);
    assert!(*most <= 8_192 / 40 && *most <= 3 * least && *least > 50, "{shares:?}");
    assert!(training::train(&set, &training::TrainingSettings::default(), 1).is_ok());
    let [from, to] = set.span.unwrap();
    assert!(to.0 - from.0 > 0.8 * 86_400.0, "of all of the time");
}

#[test]
fn a_subject_of_weeks_stays_within_its_memory_budget() {
    let settings = EngineSettings { interval: 30.0, window: 1, ..EngineSettings::default() };
    let mut engine = Engine::new(&CONTAINERS, &settings);
    for step in 0..29 * 2_880 {
        let mut reading = reading(step, [container(1)]);
        reading.at = Timestamp(1.7e9 + step as f64 * 30.0);
        engine.step(reading);
        engine.take_handover().wanted.iter().for_each(|it| engine.absent(it));
        if let Some((subject, history)) = engine.take_due_seasonal_fit() {
            engine.take(&subject, &history.fit());
        }
    }
    let bytes = engine.state_of(&container(1)).unwrap().len();
    assert!((SUBJECT_BYTES_MAX / 2..SUBJECT_BYTES_MAX).contains(&bytes), "{bytes} bytes");
}
