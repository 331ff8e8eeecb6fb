//! Properties that hold for all labels and scores.

use proptest::prelude::*;

use super::*;

/// Rows with events, and scores of all kinds.
fn rows() -> impl Strategy<Value = Vec<(bool, f64)>> {
    let label = prop_oneof![4 => Just(false), 1 => Just(true)];
    let score = prop_oneof![
        8 => -100.0..100.0_f64,
        4 => (0..5_i32).prop_map(f64::from),
        1 => any::<f64>(),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
    ];
    prop::collection::vec((label, score), 1..200)
}

fn of(rows: &[(bool, f64)], window: usize) -> LabeledSeries {
    let (labels, scores) = rows.iter().copied().unzip();
    LabeledSeries::new("it", labels, scores, 100.0, window).unwrap()
}

/// Whether the metric is a share, as opposed to a duration or a score.
fn is_share(name: &str) -> bool {
    !["_threshold", "_delay", "_thr"].iter().any(|it| name.contains(it)) || name.starts_with("threshold_")
}

proptest! {
    #[test]
    fn shares_lie_between_0_and_1(rows in rows(), window in 0..40_usize, limit in -10.0..10.0_f64) {
        let found = figures(&[of(&rows, window), of(&rows, 0)], limit);
        for (name, value) in found.figures.iter().filter(|(name, _)| is_share(name)) {
            prop_assert!((-1e-9..=1.0 + 1e-9).contains(&value), "{name} {value}");
        }
    }

    #[test]
    fn figures_of_ranks_survive_a_change_of_scale(
        rows in prop::collection::vec((any::<bool>(), 0..1000_i32), 1..200),
        window in 0..40_usize,
    ) {
        let plain: Vec<_> = rows.iter().map(|(label, score)| (*label, f64::from(*score))).collect();
        let bent: Vec<_> = plain.iter().map(|(label, score)| (*label, score.powi(3) * 8.0 - 5.0)).collect();
        let (plain, bent) = (figures(&[of(&plain, window)], 0.0), figures(&[of(&bent, window)], 0.0));
        for name in ["vus_pr", "vus_roc", "auc_pr", "auc_roc", "best_f1", "best_precision", "best_recall"] {
            prop_assert_eq!(plain.figures.get(name), bent.figures.get(name), "{}", name);
        }
    }

    #[test]
    fn a_perfect_score_is_perfect(labels in prop::collection::vec(any::<bool>(), 2..200)) {
        prop_assume!(labels.contains(&true) && labels.contains(&false));
        let rows: Vec<_> = labels.iter().map(|it| (*it, f64::from(u8::from(*it)))).collect();
        let found = figures(&[of(&rows, 0)], 1.0).figures;
        for name in ["auc_pr", "auc_roc", "best_f1", "threshold_f1", "fleet1_rec@0.1"] {
            prop_assert_eq!(found.get(name), Some(1.0), "{}", name);
        }
    }

    #[test]
    fn a_larger_budget_finds_no_less(rows in rows()) {
        let found = figures(&[of(&rows, 0)], 1.0).figures;
        for tag in ["rec", "fleet_rec", "fleet1_rec"] {
            let recall: Vec<_> = BUDGETS.iter().filter_map(|(_, it)| found.get(&format!("{tag}@{it}"))).collect();
            prop_assert!(recall.is_sorted(), "{tag} {recall:?}");
        }
    }
}

#[test]
fn events_are_runs() {
    let check = |labels: &str, expected: &[Range<usize>]| {
        let labels: Vec<bool> = labels.chars().map(|it| it == '1').collect();
        assert_eq!(events_of(&labels), expected);
    };
    check("", &[]);
    check("000", &[]);
    check("0110100", &[1..3, 4..5]);
    check("1001", &[0..1, 3..4]);
}

#[test]
fn mismatching_labels_and_scores_are_refused() {
    let check = |labels: usize,
                 scores: usize,
                 per_day: f64,
                 window: usize,
                 expected: Result<(), LabeledSeriesError>| {
        let found = LabeledSeries::new("it", vec![false; labels], vec![0.0; scores], per_day, window);
        assert_eq!(found.map(drop), expected);
    };
    check(3, 3, 1440.0, 100, Ok(()));
    check(3, 2, 1440.0, 100, Err(LabeledSeriesError::Lengths { scores: 2, labels: 3 }));
    check(0, 0, 1440.0, 100, Err(LabeledSeriesError::Empty));
    check(3, 3, 0.0, 100, Err(LabeledSeriesError::PerDay(0.0)));
    check(3, 3, f64::INFINITY, 100, Err(LabeledSeriesError::PerDay(f64::INFINITY)));
    check(3, 3, 1440.0, 5_000, Err(LabeledSeriesError::Window(5_000)));
}

#[test]
fn no_series_have_no_figures() {
    assert_eq!(figures(&[], 1.0), DatasetEvaluation::default());
}

#[test]
fn hits_need_causes_in_all_series() {
    let plain = of(&[(true, 1.0), (false, 0.0)], 0);
    let cause = RootCause { first: 0, last: 0, signals: [1].into() };
    let known = plain.clone().with_causes(vec![cause], vec![vec![1], vec![]]).unwrap();
    assert_eq!(figures(std::slice::from_ref(&known), 1.0).figures.get("hit@100"), Some(1.0));
    assert_eq!(figures(&[known, plain], 1.0).figures.get("hit@100"), None);
}
