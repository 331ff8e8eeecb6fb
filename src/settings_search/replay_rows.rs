//! Replays the rows of a table, several rows per point if the window is wider than one.

use super::SettingsCombination;
use crate::reading::Timestamp;
use crate::replay::{Replay, ReplaySettings};
use crate::report::EpisodeTransition;
use crate::training::{self, TrainModelError};

/// A replay in progress.
#[derive(Debug, Clone)]
pub(super) struct CombinationReplay {
    replay: Replay,
    window: usize,
    /// Sum and number of the values of each signal in the current window.
    sums: Vec<(f64, u32)>,
    /// Number of rows in the current window.
    rows: usize,
    /// The score of the last point.
    score: f64,
}

impl CombinationReplay {
    pub(super) fn new(floors: Vec<f64>, settings: &ReplaySettings, with: &SettingsCombination) -> Self {
        let window = with.window.max(1);
        let settings = ReplaySettings {
            every: settings.every * window as f64,
            half_life: with.half_life,
            smoothing: with.smoothing,
            training: training::TrainingSettings { trees: with.trees, sample_size: with.sample_size },
            ..settings.clone()
        };
        let sums = vec![(0.0, 0); floors.len()];
        Self { replay: Replay::new(floors, &settings), window, sums, rows: 0, score: f64::NAN }
    }

    /// Takes a row; returns the transition of the episode if it completes a point.
    pub(super) fn step(
        &mut self,
        at: Option<Timestamp>,
        values: &[f64],
        missing: &[bool],
    ) -> Result<Option<EpisodeTransition>, TrainModelError> {
        for ((sum, count), (value, missing)) in self.sums.iter_mut().zip(values.iter().zip(missing)) {
            if !missing {
                *sum += value;
                *count += 1;
            }
        }
        self.rows += 1;
        if self.rows < self.window {
            return Ok(None);
        }
        self.rows = 0;
        let means: Vec<f64> = self.sums.iter().map(|(sum, count)| sum / f64::from((*count).max(1))).collect();
        let missing: Vec<bool> = self.sums.iter().map(|(_, count)| *count == 0).collect();
        self.sums.fill((0.0, 0));
        let judged = self.replay.step(at, &means, &missing)?;
        let Some(score) = judged.score else { return Ok(None) };
        self.score = score.held;
        Ok(score.transition)
    }

    /// The score of the last complete point, which is all that is known when a row arrives; NaN before the first.
    pub(super) fn score(&self) -> f64 {
        self.score
    }
}
