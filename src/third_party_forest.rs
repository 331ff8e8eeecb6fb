//! Evaluates each new forest with an independent implementation.
//!
//! The crate `extended-isolation-forest` is trained on the same rows and gets the same evaluation. Its AUC appears beside
//! ours in the model's evaluation and in a metric, for comparison only. The crate has no seed, so the value varies between
//! runs, and this module is not part of the core.
//!
//! The crate panics on NaN and infinity; our training rows are finite.

use extended_isolation_forest::{Forest as ClientOrigin, ForestOptions as PeerOptions};

use crate::detect::forest::{FeatureRows, ForestOptions, SAMPLE_MAX};
use crate::roc::auc;
use crate::training::holdout_test::HoldoutTest;
use crate::training::{self, TrainModelError, TrainedModel, TrainingSet, TrainingSettings};

/// Largest number of rows for the crate; its trees use a few hundred each.
const ROWS_MAX: usize = SAMPLE_MAX;

/// Total number of trees.
const TREES: usize = 100;

/// Number of trees in memory at a time. The score of a forest is `2^(-mean path / c)`, so averaging the logarithms of
/// the scores of small forests gives the score of one large forest with a fraction of the memory: 100 trees of the
/// crate take 10 MB at 48 signals.
const BATCH: usize = 4;

/// Trains a model and adds the AUC of the crate to its evaluation. `rest` is called between two steps; it may block to
/// pause the training while other work needs the CPUs.
///
/// # Errors
/// As [`training::train`].
pub fn train(
    history: &TrainingSet,
    settings: &TrainingSettings,
    seed: u64,
    rest: &mut dyn FnMut(),
) -> Result<TrainedModel, TrainModelError> {
    training::train_with_reference(history, settings, seed, &mut |fit, trial, options| {
        reference_auc(fit, trial, options, rest)
    })
}

/// The AUC of the crate; `None` above 64 values per row, which would take too much memory. The crate fixes the width
/// at compile time, so rows are padded with zeros; a constant 0 does not affect any product.
fn reference_auc(
    fit: &FeatureRows,
    trial: &HoldoutTest,
    options: &ForestOptions,
    rest: &mut dyn FnMut(),
) -> Option<f64> {
    match fit.width() {
        0 => None,
        1..=8 => reference_auc_at::<8>(fit, trial, options, rest),
        9..=16 => reference_auc_at::<16>(fit, trial, options, rest),
        17..=32 => reference_auc_at::<32>(fit, trial, options, rest),
        33..=64 => reference_auc_at::<64>(fit, trial, options, rest),
        _ => None,
    }
}

fn reference_auc_at<const N: usize>(
    fit: &FeatureRows,
    trial: &HoldoutTest,
    options: &ForestOptions,
    rest: &mut dyn FnMut(),
) -> Option<f64> {
    let step = fit.len().div_ceil(ROWS_MAX).max(1);
    let fit: Vec<[f32; N]> = fit.iter().step_by(step).map(padded).collect();
    let options = PeerOptions {
        n_trees: BATCH,
        sample_size: options.sample_size.min(fit.len()),
        max_tree_depth: None,
        // Full extension over the padded width. With the real width minus one, the crate would set random factors to
        // zero, including those of real signals.
        extension_level: N - 1,
    };
    let (mut ordinary, mut faulty) = (vec![0.0; trial.ordinary.len()], vec![0.0; trial.faulty.len()]);
    for _ in 0..TREES / BATCH {
        rest();
        let peer = ClientOrigin::<f32, N>::from_slice(&fit, &options).ok()?;
        for (sums, rows) in [(&mut ordinary, &trial.ordinary), (&mut faulty, &trial.faulty)] {
            sums.iter_mut().zip(rows.iter()).for_each(|(sum, row)| *sum += peer.score(&padded(row)).log2());
        }
    }
    Some(auc(&ordinary, &faulty))
}

fn padded<const N: usize>(row: &[f32]) -> [f32; N] {
    std::array::from_fn(|idx| row.get(idx).copied().unwrap_or(0.0))
}
