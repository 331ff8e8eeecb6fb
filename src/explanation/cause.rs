//! A signal behind an anomaly, as it is stored and served.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::episode_text;
use crate::report::Assessment;

/// A signal behind an anomaly. Unknown values and infinite bounds are absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Cause {
    /// Name of the signal, such as `cpu_busy_ratio`.
    pub signal: String,
    /// Whether the value is high or low, compared with the expected value; left out for an absent signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<String>,
    /// Part of the score that the signal causes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contribution: Option<f64>,
    /// Mean of the signal over the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Expected value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Lower end of the normal range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower: Option<f64>,
    /// Upper end of the normal range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper: Option<f64>,
    /// How the signal is absent: flat_line, stopped or vanished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absence: Option<String>,
    /// Seconds since the signal became absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Longest earlier time for which the signal was absent in this way, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual_seconds: Option<f64>,
}

impl Cause {
    /// The signals that the description of this state names, absent signals first.
    pub fn of(assessment: &Assessment) -> Vec<Self> {
        let ceased = assessment.absent.iter().map(|it| Self {
            signal: it.signal.name.to_owned(),
            absence: Some(it.kind.name().to_owned()),
            seconds: Some(it.seconds),
            usual_seconds: Some(it.usual),
            ..Self::default()
        });
        let causes = episode_text::causes(assessment).into_iter().map(|it| {
            let expected = it.state.expected;
            Self {
                signal: it.state.signal.name.to_owned(),
                direction: Some(it.contribution.direction.name().to_owned()),
                contribution: Some(it.contribution.value),
                value: Some(it.state.value),
                expected: expected.map(|it| it.value),
                // JSON has no infinity.
                lower: expected.map(|it| it.lower).filter(|it| it.is_finite()),
                upper: expected.map(|it| it.upper).filter(|it| it.is_finite()),
                ..Self::default()
            }
        });
        ceased.chain(causes).collect()
    }
}
