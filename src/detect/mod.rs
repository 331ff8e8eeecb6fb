//! Detectors: each judges the newest point by what it learned of the points before.
//!
//! A point is judged before it is learned. Nothing here asks for the time, a file or a random number: seeds and
//! points come in.

use std::fmt;

use crate::window::Point;

pub mod random;
mod grow;
pub mod forest;
pub mod eif;

/// What a detector is shown at one reading.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The newest point.
    pub point: &'a Point,
    /// Its distance from the adaptive mean in adaptive standard deviations, one a signal; 0 within the noise
    /// floor and where the signal is missing.
    pub z: &'a [f64],
    /// How much of one unit of variance of `z` is the noise floor's, within 0 and 1, one a signal.
    pub noise: &'a [f64],
}

/// The opinion of one detector. To abstain is a verdict, not a missing value.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It does not know enough yet.
    Abstain,
    /// It has an opinion.
    Score {
        /// Higher is stranger.
        score: f64,
        /// From which score on it calls the point an anomaly.
        threshold: f64,
        /// What each signal adds to the score, signed; empty when the detector cannot say.
        shares: Vec<f64>,
    },
}

/// Judges points.
pub trait Detector: Send + fmt::Debug {
    /// Judges the point by what was learned before it.
    fn judge(&self, view: &View<'_>) -> Verdict;

    /// Learns the point, as `weight` of a whole one.
    fn learn(&mut self, view: &View<'_>, weight: f64) {
        let _ = (view, weight);
    }
}
