//! Properties of replay for any rows.

use hostnorm::commands::replay::settings;
use hostnorm::config::Config;
use hostnorm::replay::Replay;
use proptest::prelude::*;

/// A row: one cell for each signal, `None` if missing.
type Cells = Vec<Option<f64>>;

/// Seconds between rows, large enough for two trainings within the rows of these tests.
const OFTEN: f64 = 1_800.0;
/// Seconds between rows, small enough for no training: with a forest's random numbers, the order of signals has a
/// small effect.
const NO_FOREST: f64 = 60.0;

/// The score of each row, the deviations of its signals, and whether there is an episode.
fn replay(rows: &[Cells], every: f64) -> Vec<(Option<f64>, Vec<f64>, bool)> {
    let width = rows.first().map_or(0, Vec::len);
    let mut replay = Replay::new(vec![0.0; width], &settings(&Config::default().detection, every));
    let judge = |row: &Cells| {
        let values: Vec<f64> = row.iter().map(|it| it.unwrap_or_default()).collect();
        let missing: Vec<bool> = row.iter().map(Option::is_none).collect();
        let judged = replay.step(None, &values, &missing).unwrap();
        (judged.score.map(|it| it.held), judged.deviations.to_vec(), judged.episode.is_some())
    };
    rows.iter().map(judge).collect()
}

/// Rows of equal width, with valid and invalid measurements.
fn any_rows(width: usize) -> impl Strategy<Value = Vec<Cells>> {
    let cell = prop_oneof![
        8 => (0.0..1.0).prop_map(Some),
        2 => (-1e3..1e6).prop_map(Some),
        1 => any::<f64>().prop_map(Some),
        1 => Just(Some(1e100)),
        1 => Just(Some(0.0)),
        1 => Just(None),
    ];
    prop::collection::vec(prop::collection::vec(cell, width), 1..120)
}

/// Realistic rows, of which the last few jump.
fn measured(width: usize) -> impl Strategy<Value = Vec<Cells>> {
    let row = prop::collection::vec((0.0..1.0).prop_map(Some), width);
    (prop::collection::vec(row, 60..200), 0..width, 1.0..50.0).prop_map(|(mut rows, signal, jump)| {
        let from = rows.len() - 5;
        for row in &mut rows[from..] {
            row[signal] = row[signal].map(|it| it + jump);
        }
        rows
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_rows_have_finite_scores(rows in (1usize..12).prop_flat_map(any_rows)) {
        for (score, deviations, _) in replay(&rows, OFTEN) {
            prop_assert!(score.is_none_or(f64::is_finite), "{score:?}");
            prop_assert!(deviations.iter().all(|it| it.is_finite() && *it >= 0.0), "{deviations:?}");
        }
    }

    #[test]
    fn scores_do_not_know_what_follows(rows in (1usize..12).prop_flat_map(any_rows), share in 0.0..1.0) {
        let count = (rows.len() as f64 * share) as usize;
        let whole = replay(&rows, OFTEN);
        prop_assert_eq!(&replay(&rows[..count], OFTEN)[..], &whole[..count]);
    }

    #[test]
    fn the_order_of_signals_does_not_matter(
        (rows, order) in (2usize..12).prop_flat_map(|width| {
            (measured(width), Just((0..width).collect::<Vec<_>>()).prop_shuffle())
        })
    ) {
        let other: Vec<Cells> = rows.iter().map(|row| order.iter().map(|it| row[*it]).collect()).collect();
        let pairs = replay(&rows, NO_FOREST).into_iter().zip(replay(&other, NO_FOREST));
        for ((score, deviations, _), (other_score, other_deviations, _)) in pairs {
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs().max(1.0);
            prop_assert_eq!(score.is_some(), other_score.is_some());
            prop_assert!(near(score.unwrap_or_default(), other_score.unwrap_or_default()), "{score:?} {other_score:?}");
            for (to, from) in order.iter().enumerate() {
                prop_assert!(near(deviations[*from], other_deviations[to]), "{deviations:?} {other_deviations:?}");
            }
        }
    }
}
