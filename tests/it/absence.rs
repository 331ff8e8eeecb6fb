//! Absent signals, scored as rows of a file: detected soon, named, soon over; and signals that rest by nature are
//! quiet.

use hostnorm::alert_budget::AlertBudget;
use hostnorm::detect::absence::AbsenceKind;
use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::episode::EpisodeEndRule;
use hostnorm::replay::{Replay, ReplaySettings};
use hostnorm::training;

const DAY: usize = 1_440;

fn settings(budget: &str) -> ReplaySettings {
    ReplaySettings {
        every: 60.0,
        threshold: 2.5,
        alert_level: 2.0,
        budget: budget.parse::<AlertBudget>().unwrap(),
        alert_on_recurrence: false,
        detectors: Default::default(),
        resolve: EpisodeEndRule { below: 0.7, seconds: 30.0, accept_after: 21_600.0 },
        smoothing: 1.0,
        half_life: 7.0 * 86_400.0,
        anomaly_learning_weight: 0.5,
        retrain_interval: 86_400.0,
        training: training::TrainingSettings::default(),
        seed: 1,
        time_zone: Default::default(),
    }
}

/// Six signals of one load, a row per minute.
fn machine(t: usize, load: &mut f32, random: &mut SeededRng) -> [Option<f64>; 6] {
    let [a, b] = random.normals();
    let [c, d] = random.normals();
    let [e, f] = random.normals();
    *load = 0.95 * *load + 0.3 * a;
    let day = (t % DAY) as f32 / DAY as f32 * std::f32::consts::TAU;
    let base = 30.0 + 5.0 * day.sin();
    let signals = [base + 3.0 * *load, base + 2.0 * *load + b, 50.0 + c, 40.0 + 3.0 * d, 20.0 + e, 9.0 + f];
    signals.map(|it| Some(f64::from(it)))
}

/// Three days, then an hour in which the fourth signal follows `fault`. Returns the delay in rows, the number of the
/// sixty rows in an episode, the number of other episodes, and the named signals.
fn run(fault: fn(f64) -> Option<f64>, budget: &str) -> (Option<usize>, usize, usize, Vec<AbsenceKind>) {
    let (mut random, mut load) = (SeededRng::new(4), 0.0);
    let mut replay = Replay::new(vec![0.0; 6], &settings(budget));
    let (from, to) = (3 * DAY, 3 * DAY + 60);
    let (mut found, mut active, mut others, mut before, mut named) = (None, 0, 0, false, Vec::new());
    for t in 0..to + 120 {
        let mut values = machine(t, &mut load, &mut random);
        if (from..to).contains(&t) {
            values[3] = fault(values[3].unwrap());
        }
        let judged = replay
            .step(None, &values.map(Option::unwrap_or_default), &values.map(|it| it.is_none()))
            .unwrap();
        let alarm = judged.episode.is_some();
        others += usize::from(alarm && !before && !(from..to).contains(&t));
        before = alarm;
        if (from..to).contains(&t) && alarm {
            found = found.or(Some(t - from));
            active += 1;
            let absences = judged.score.iter().flat_map(|it| &it.absences);
            named.extend(absences.map(|it| it.kind).filter(|_| t == to - 1));
        }
    }
    (found, active, others, named)
}

fn check(fault: fn(f64) -> Option<f64>, kind: Option<AbsenceKind>, latest: usize) {
    for budget in ["off", "1 per week"] {
        let (found, active, others, named) = run(fault, budget);
        assert!(found.is_some_and(|it| it <= latest), "{kind:?}, {budget}: found after {found:?}");
        assert!(active >= 48, "{kind:?}, {budget}: {active} of 60 rows");
        assert_eq!((named, others), (kind.into_iter().collect(), 0), "{kind:?}, {budget}");
    }
}

#[test]
fn an_hour_of_absence_is_found_within_a_fifth_of_it() {
    check(|_| Some(40.0), Some(AbsenceKind::FlatLine), 12);
    check(|_| Some(0.0), Some(AbsenceKind::Stopped), 12);
    check(|_| None, Some(AbsenceKind::Vanished), 12);
    check(|it| Some(it + 60.0), None, 3);
}

#[test]
fn an_ordinary_hour_is_quiet() {
    assert_eq!(run(Some, "off"), (None, 0, 0, Vec::new()));
}
