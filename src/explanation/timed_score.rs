//! A score at an instant.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A score and its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimedScore {
    /// Unix time in seconds.
    pub at: f64,
    /// The score; 1 is the threshold.
    pub score: f64,
}
