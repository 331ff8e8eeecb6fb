//! Compares the scores that two models give the same stored points.

use serde::Serialize;

use crate::commands::run;
use crate::config::Config;
use crate::model_registry::ModelVersion;
use crate::sampler::rescore_points;
use crate::store::{StoreError, StoreReader};

/// Seconds of recent points that are scored; earlier ones are only learned.
const JUDGED_SECONDS: f64 = 86_400.0;

/// The scores of both models.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ScoreComparison {
    /// Number of points scored by both.
    pub(super) points: usize,
    /// Mean score of each.
    pub(super) mean: [f64; 2],
    /// Highest score of each.
    pub(super) highest: [f64; 2],
    /// Share of the points above the threshold, for each.
    pub(super) above: [f64; 2],
    /// Mean absolute difference.
    pub(super) difference: f64,
}

/// Scores the stored points of the last day with both models; `None` without such points.
pub(super) fn scores(
    reader: &StoreReader,
    config: &Config,
    pair: &[ModelVersion; 2],
) -> Result<Option<ScoreComparison>, StoreError> {
    let mut engine = run::engine(config);
    engine.install(pair[0].kind, pair[0].eif());
    engine.start_shadow(pair[1].kind, pair[1].eif());
    let mut judged: Vec<[f64; 2]> = Vec::new();
    for subject in reader.subjects()?.iter().filter(|it| it.kind() == pair[0].kind) {
        rescore_points(reader, &mut engine, subject, JUDGED_SECONDS, |scores| judged.push(scores))?;
    }
    if judged.is_empty() {
        return Ok(None);
    }
    let count = judged.len() as f64;
    let each = |of: &dyn Fn(&mut dyn Iterator<Item = f64>) -> f64| {
        [0, 1].map(|idx| of(&mut judged.iter().map(|it| it[idx])))
    };
    Ok(Some(ScoreComparison {
        points: judged.len(),
        mean: each(&|it| it.sum::<f64>() / count),
        highest: each(&|it| it.fold(0.0, f64::max)),
        above: each(&|it| it.filter(|it| *it >= 1.0).count() as f64 / count),
        difference: judged.iter().map(|[one, other]| (one - other).abs()).sum::<f64>() / count,
    }))
}
