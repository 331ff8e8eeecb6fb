//! The evaluation of a model: its training data, and how well it distinguishes faults from normal points.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::reading::Timestamp;

/// The evaluation of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelEvaluation {
    /// Time of the oldest point, if known.
    pub from: Option<Timestamp>,
    /// Time of the newest point, if known.
    pub to: Option<Timestamp>,
    /// Number of points trained on.
    pub rows: usize,
    /// Number of points held out.
    pub held_out: usize,
    /// Values in a row: the signals, and their smoothed values if there are few.
    pub width: usize,
    /// The seed; with the same points it gives the same forest.
    pub seed: u64,
    /// Number of trees.
    pub trees: usize,
    /// Number of points for each tree.
    pub sample_size: usize,
    /// Number of nodes with points on both sides of their cut.
    pub splits: usize,
    /// Scores of the held-out points.
    pub quantiles: ScoreQuantiles,
    /// Probability that a fault scores higher than a normal point: 1 is always, 0.5 is chance.
    pub auc: f64,
    /// The same of the second implementation, if there is one.
    pub auc_reference: Option<f64>,
    /// Share of the faults that score above the threshold.
    pub recall: f64,
    /// Share of the held-out points that score above the threshold.
    pub alarms: f64,
    /// Digest of the forest.
    #[serde(serialize_with = "write_digest", deserialize_with = "read_digest")]
    pub digest: u64,
}

impl ModelEvaluation {
    /// Seconds from its oldest to its newest point; 0 if unknown.
    pub fn seconds(&self) -> f64 {
        let span = self.to.zip(self.from).map_or(0.0, |(to, from)| to.0 - from.0);
        span.max(0.0)
    }
}

/// As hexadecimal digits, because JSON readers convert large integers to floats.
fn write_digest<S: Serializer>(digest: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{digest:016x}"))
}

fn read_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    u64::from_str_radix(&text, 16).map_err(de::Error::custom)
}

/// Quantiles of scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScoreQuantiles {
    /// The median.
    pub p50: f64,
    /// 95 % are at most this.
    pub p95: f64,
    /// 99 % are at most this.
    pub p99: f64,
    /// 99.5 % are at most this.
    pub p995: f64,
}

impl ScoreQuantiles {
    /// The quantiles of sorted scores, each a score that occurred; all 0 without scores.
    pub fn of(sorted: &[f64]) -> Self {
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
        };
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), p995: at(0.995) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_scores_that_occurred() {
        let check = |count: u32, expected: [f64; 4]| {
            let scores: Vec<f64> = (1..=count).map(f64::from).collect();
            let ScoreQuantiles { p50, p95, p99, p995 } = ScoreQuantiles::of(&scores);
            let far = [p50, p95, p99, p995].iter().zip(expected).any(|(a, b)| (a - b).abs() > 1e-9);
            assert!(!far, "{count} scores: {p50} {p95} {p99} {p995}");
        };
        check(0, [0.0; 4]);
        check(1, [1.0; 4]);
        check(4, [2.0, 4.0, 4.0, 4.0]);
        check(1000, [500.0, 950.0, 990.0, 995.0]);
    }
}
