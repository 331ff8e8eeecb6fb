//! Tests of the forest.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::seeded_rng::SeededRng;
use super::*;

fn cloud(width: usize, rows: usize, seed: u64) -> FeatureRows {
    let mut random = SeededRng::new(seed);
    let mut cloud = FeatureRows::new(width);
    let mut row = vec![0.0; width];
    for _ in 0..rows {
        random.fill_normal(&mut row);
        cloud.push(&row);
    }
    cloud
}

fn few() -> ForestOptions {
    ForestOptions { trees: 20, sample_size: 64 }
}

fn median_score(forest: &Forest, rows: &FeatureRows) -> f64 {
    let mut scores: Vec<f64> = rows.iter().map(|it| forest.score(it)).collect();
    scores.sort_by(f64::total_cmp);
    scores[scores.len() / 2]
}

#[test]
fn outliers_score_higher_at_every_width() {
    for width in [1, 2, 3, 4, 7, 8, 24, 48, 255, 256] {
        let rows = cloud(width, 600, 1);
        let forest = Forest::train(&rows, &few(), 2).unwrap();
        let outside = forest.score(&vec![9.0; width]);
        assert!(outside > median_score(&forest, &rows) + 0.1, "{outside} at width {width}");
        assert!(forest.split_node_count() > 0 && forest.bytes() > 1000);
    }
}

#[test]
fn scores_are_those_of_the_paper() {
    // Two rows: one cut, c(2) = 1. The path has length 1 between the rows and outside.
    let mut rows = FeatureRows::new(1);
    rows.push(&[0.0]);
    rows.push(&[1.0]);
    let forest = Forest::train(&rows, &ForestOptions::default(), 3).unwrap();
    assert_eq!(forest.split_node_count(), 100);
    assert!((forest.score(&[0.4]) - 0.5).abs() < 1e-9);
    // A cloud: its median row scores close to 0.5, as in the paper, and an isolated row above 0.6.
    let rows = cloud(2, 2000, 4);
    let forest = Forest::train(&rows, &ForestOptions::default(), 5).unwrap();
    let median = median_score(&forest, &rows);
    assert!((0.38..0.5).contains(&median), "{median}");
    assert!(forest.score(&[6.0, 6.0]) > 0.65);
}

#[test]
fn equal_seeds_grow_equal_forests() {
    let rows = cloud(24, 300, 6);
    let train = |seed| Forest::train(&rows, &few(), seed).unwrap();
    assert_eq!(train(7), train(7));
    assert_eq!(train(7).digest(), train(7).digest());
    assert_ne!(train(7).digest(), train(8).digest());
    // The digest reveals unintended changes, and differences between machines.
    assert_eq!(format!("{:016x}", train(7).digest()), "0164e06427f2ce32");
}

#[test]
fn equal_rows_can_be_trained_on() {
    let mut rows = FeatureRows::new(3);
    (0..50).for_each(|_| rows.push(&[0.25, -3.0, 0.0]));
    let forest = Forest::train(&rows, &few(), 9).unwrap();
    assert_eq!(forest.split_node_count(), 0);
    let (same, other) = (forest.score(&[0.25, -3.0, 0.0]), forest.score(&[0.25, -3.0, 1.0]));
    assert!(other > same + 0.2, "{other} against {same}");
}

#[test]
fn a_constant_signal_is_harmless() {
    let cloud = cloud(2, 500, 10);
    let mut rows = FeatureRows::new(3);
    cloud.iter().for_each(|it| rows.push(&[it[0], 5.0, it[1]]));
    let forest = Forest::train(&rows, &few(), 11).unwrap();
    assert!(forest.score(&[8.0, 5.0, 0.0]) > median_score(&forest, &rows) + 0.1);
}

#[test]
fn invalid_training_sets_are_refused() {
    let check = |rows: &FeatureRows, options: &ForestOptions, expected: &str| {
        let error = Forest::train(rows, options, 0).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let rows = cloud(2, 10, 12);
    check(&FeatureRows::new(0), &few(), "rows of 0 signals, 1 to 256 are possible");
    check(&cloud(257, 10, 1), &few(), "rows of 257 signals, 1 to 256 are possible");
    check(&cloud(2, 1, 1), &few(), "too few rows: 1, 2 required");
    check(&rows, &ForestOptions { trees: 0, sample_size: 2 }, "0 trees, 1 to 1000 are possible");
    check(&rows, &ForestOptions { trees: 1, sample_size: 1 }, "1 rows for a tree, 2 to 4096 are possible");
    let mut rows = rows;
    rows.push(&[0.0, f32::NAN]);
    check(&rows, &few(), "row 10 has a value that is infinite or not a number");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn finite_rows_give_scores_within_0_and_1(
        values in (1_usize..6).prop_flat_map(|width| vec(vec(prop_oneof![
            -10.0_f32..10.0, Just(0.0), proptest::num::f32::NORMAL
        ], width), 2..40)),
        seed: u64,
    ) {
        let mut rows = FeatureRows::new(values[0].len());
        values.iter().for_each(|it| rows.push(it));
        let forest = Forest::train(&rows, &ForestOptions { trees: 5, sample_size: 16 }, seed).unwrap();
        for row in rows.iter() {
            let score = forest.score(row);
            prop_assert!(0.0 < score && score < 1.0, "{}", score);
        }
        let strange = forest.score(&vec![f32::NAN; rows.width()]);
        prop_assert!(0.0 < strange && strange < 1.0);
    }

    #[test]
    fn the_order_of_rows_does_not_affect_outliers(order in Just((0..200).collect::<Vec<usize>>()).prop_shuffle()) {
        let cloud = cloud(4, 200, 13);
        let mut rows = FeatureRows::new(4);
        order.iter().for_each(|&idx| rows.push(cloud.row(idx)));
        let forest = Forest::train(&rows, &ForestOptions::default(), 14).unwrap();
        prop_assert!(forest.score(&[8.0; 4]) > median_score(&forest, &rows) + 0.1);
    }
}
