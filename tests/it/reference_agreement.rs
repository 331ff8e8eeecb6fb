//! Each step of the pipeline agrees with the reference implementation on labeled metrics of servers.
//!
//! `tests/quality/parts.py` wrote the results of the reference, row by row. The forest is not included, because its
//! random numbers differ (`tests/it/detection_forest.rs` compares its AUC).

use std::path::Path;

use hostnorm::detect::expected_values::Expectations;
use hostnorm::detect::habituation::{ExcursionInput, Habituation};
use hostnorm::detect::raw_score::{MinimumScores, raw_score};
use hostnorm::detect::signal_deviations::SignalDeviations;
use hostnorm::detect::{
    DetectorInput, DetectorOutput, DetectorOutputs, DetectorParameters, Detectors, LearnOptions,
};
use hostnorm::reading::Timestamp;
use hostnorm::table::{TableReader, TableRow};
use hostnorm::window::Point;

const WHOLE: LearnOptions = LearnOptions { weight: 1.0, step: true, in_episode: false };
/// Relative tolerance; absolute below 1.
const TOLERANCE: f64 = 1e-3;

/// The results for one row: top5, distance, novelty, the sums of |z| and of contributions, the number of seasonal
/// signals, the joint score before its factors, the number of excursions, and the joint score, without smoothing.
type Parts = [f64; 9];

struct Pipeline {
    expectation: Expectations,
    blame: SignalDeviations,
    detectors: Detectors,
    /// Counts excursions from the first compared row on.
    habituation: Option<Habituation>,
    seconds: f64,
}

impl Pipeline {
    fn new(signals: usize, per_day: f64) -> Self {
        let shape = DetectorParameters {
            points_per_day: per_day,
            points_min: 31.0,
            novelty_half_life: 20.0,
            ..DetectorParameters::plain(vec![0.0; signals], 7.0 * per_day)
        };
        Self {
            expectation: Expectations::new(&shape),
            blame: SignalDeviations::new(&shape),
            detectors: Detectors::new(&shape),
            habituation: None,
            seconds: 86_400.0 / per_day,
        }
    }

    fn step(&mut self, point: &Point) -> Parts {
        let distances = self.expectation.distances(point);
        let view = DetectorInput { point, z: &distances.z, noise: &distances.noise, threshold_factor: 1.0 };
        let outputs = self.detectors.judge(&view);
        let [unscaled, excursions, joint] = self.joint(point, &distances.z, &outputs);
        let scores = outputs.map(|it| match it {
            DetectorOutput::Score { score, .. } => *score,
            DetectorOutput::Abstain => 0.0,
        });
        let mut sizes: Vec<f64> = distances.z.iter().map(|it| it.abs()).collect();
        let blame: f64 = self.blame.of(point, &distances.z).iter().sum();
        let z: f64 = sizes.iter().sum();
        sizes.sort_by(|a, b| b.total_cmp(a));
        sizes.truncate(5);
        let top5 = sizes.iter().sum::<f64>() / sizes.len() as f64;
        let seasonal = distances.seasonal.iter().filter(|it| **it).count() as f64;
        let parts = [top5, scores.distance, scores.novelty, z, blame, seasonal, unscaled, excursions, joint];
        self.detectors.learn(&view, WHOLE);
        self.blame.learn(point, WHOLE);
        self.expectation.learn(point, &distances, WHOLE, 1.0);
        parts
    }

    /// The joint score before its factors, the number of excursions, and the joint score.
    fn joint(&mut self, point: &Point, z: &[f64], outputs: &DetectorOutputs) -> [f64; 3] {
        let Some(it) = &mut self.habituation else { return [0.0; 3] };
        // The reference has no absences.
        let outputs = DetectorOutputs { absence: DetectorOutput::Abstain, ..outputs.clone() };
        it.forget_until(point.at, self.seconds);
        let joint = raw_score(
            z,
            &outputs,
            it.factor(),
            MinimumScores { threshold: 2.5, absence: 5.0, level_extreme: 5.0 },
        );
        let excursions = it.excursions();
        it.step(ExcursionInput {
            unscaled: joint.unscaled,
            retention_factor: 0.5,
            elapsed: self.seconds,
            threshold_factor: 1.0,
            gap_seconds: (6.0 * self.seconds).max(600.0),
            counts: true,
        });
        [joint.unscaled, excursions, joint.score]
    }
}

fn check(name: &str, per_day: f64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quality");
    let mut table = TableReader::open(&folder.join(format!("data/{name}.train.csv.xz"))).unwrap();
    let expected = std::fs::read_to_string(folder.join(format!("parts/{name}.csv"))).unwrap();
    let mut expected = expected.lines().skip(1).map(|line| {
        let mut cells = line.split(',').map(|it| it.parse::<f64>().unwrap());
        (cells.next().unwrap() as usize, std::array::from_fn::<f64, 9, _>(|_| cells.next().unwrap()))
    });
    let mut next = expected.next();
    let mut pipeline = Pipeline::new(table.columns().len(), per_day);
    let (mut row, mut point, mut compared, mut wrong) =
        (TableRow::default(), Point::unknown(table.columns().len()), 0, Vec::new());
    let mut t = 0;
    while table.next_row(&mut row).unwrap()
        && let Some((at, parts)) = next
    {
        // The reference computes in single precision.
        let values: Vec<f64> = row.values.iter().map(|it| f64::from(*it as f32)).collect();
        point.advance(Timestamp(t as f64 * 86_400.0 / per_day), &values, &row.missing);
        if t == at {
            pipeline.habituation.get_or_insert_default();
        }
        let found = pipeline.step(&point);
        if t == at {
            let far = found.iter().zip(&parts).any(|(a, b)| (a - b).abs() > TOLERANCE * b.abs().max(1.0));
            if far {
                wrong.push(format!("row {at}: {found:.4?}, the reference {parts:.4?}"));
            }
            compared += 1;
            next = expected.next();
        }
        t += 1;
    }
    assert!(compared > 60, "{name}: {compared} rows");
    assert!(
        wrong.is_empty(),
        "{name}: {} of {compared} rows\n{}",
        wrong.len(),
        wrong[..wrong.len().min(8)].join("\n")
    );
}

#[test]
fn a_server_by_the_minute() {
    check("smd-machine-1-2", 1440.0);
}

#[test]
fn a_server_by_five_minutes() {
    check("asd-omi-1", 288.0);
}

#[test]
fn a_single_signal_by_the_hour() {
    check("nab-ambient_temperature_system_failure", 24.0);
}
