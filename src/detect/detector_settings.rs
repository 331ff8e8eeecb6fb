//! Which detectors count, and what decides whether there is an anomaly.

use std::fmt;
use std::str::FromStr;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::majority_vote::VoteResult;
use super::{DetectorOutput, DetectorOutputs, PerDetector};

/// What decides whether there is an anomaly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnomalyDecisionRule {
    /// The joint score.
    #[default]
    Score,
    /// The majority of the detectors that vote.
    Vote,
}

impl AnomalyDecisionRule {
    /// The names of the rules.
    pub const NAMES: [&'static str; 2] = ["score", "vote"];

    /// The score that starts and ends episodes. With a vote, it is at least the threshold while more than half vote for an
    /// anomaly, else 0.
    pub fn decision_score(self, score: f64, vote: Option<VoteResult>) -> f64 {
        match self {
            Self::Score => score,
            Self::Vote if vote.is_some_and(|it| it.anomalous) => score.max(1.0),
            Self::Vote => 0.0,
        }
    }
}

/// Whether a detector counts. A settings file may say on, off, true or false.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OnOffText", into = "&'static str")]
pub enum OnOff {
    /// It counts.
    #[default]
    On,
    /// It abstains.
    Off,
}

impl OnOff {
    /// The names of both.
    pub const NAMES: [&'static str; 2] = ["on", "off"];
}

/// A word or a boolean: older YAML, such as that of Helm, reads an unquoted `off` as false.
#[derive(Deserialize)]
#[serde(untagged)]
enum OnOffText {
    Word(String),
    Boolean(bool),
    Other(IgnoredAny),
}

/// A value is neither on nor off: the text, if it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseOnOffError(Option<String>);

impl fmt::Display for ParseOnOffError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "{text:?} is neither on nor off"),
            None => f.write_str("expected on or off"),
        }
    }
}

impl std::error::Error for ParseOnOffError {}

impl FromStr for OnOff {
    type Err = ParseOnOffError;

    fn from_str(text: &str) -> Result<Self, ParseOnOffError> {
        match text {
            "on" | "true" => Ok(Self::On),
            "off" | "false" => Ok(Self::Off),
            _ => Err(ParseOnOffError(Some(text.to_owned()))),
        }
    }
}

impl TryFrom<OnOffText> for OnOff {
    type Error = ParseOnOffError;

    fn try_from(text: OnOffText) -> Result<Self, ParseOnOffError> {
        match text {
            OnOffText::Word(word) => word.parse(),
            OnOffText::Boolean(is_on) => Ok(if is_on { Self::On } else { Self::Off }),
            OnOffText::Other(_) => Err(ParseOnOffError(None)),
        }
    }
}

impl From<OnOff> for &'static str {
    fn from(it: OnOff) -> Self {
        let [on, off] = OnOff::NAMES;
        if it == OnOff::On { on } else { off }
    }
}

/// Which detectors count, and what decides.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DetectorSettings {
    /// Whether each detector counts.
    pub switches: PerDetector<OnOff>,
    /// What decides.
    pub decide: AnomalyDecisionRule,
}

impl DetectorSettings {
    /// The outputs, where each detector that is off abstains. It learns nevertheless, so that it is ready when it is on
    /// again.
    pub(crate) fn silence(&self, outputs: &mut DetectorOutputs) {
        let switches = self.switches.each();
        let silent = outputs.each_mut().into_iter().zip(switches).filter(|(_, it)| **it == OnOff::Off);
        silent.for_each(|(output, _)| *output = DetectorOutput::Abstain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_that_is_off_abstains() {
        let score = DetectorOutput::Score { score: 1.0, threshold: 1.0, shares: Vec::new() };
        let mut outputs =
            DetectorOutputs { forest: score.clone(), distance: score, ..DetectorOutputs::default() };
        let switches = PerDetector { forest: OnOff::Off, ..PerDetector::default() };
        DetectorSettings { switches, ..DetectorSettings::default() }.silence(&mut outputs);
        assert_eq!(outputs.forest, DetectorOutput::Abstain);
        assert!(outputs.distance.relative().is_some());
    }

    #[test]
    fn the_majority_decides_if_it_shall() {
        let vote = |anomalous| Some(VoteResult { anomalous, confidence: 0.75 });
        for (score, vote, expect) in
            [(0.4, vote(true), 1.0), (3.0, vote(true), 3.0), (3.0, vote(false), 0.0), (3.0, None, 0.0)]
        {
            let found = [AnomalyDecisionRule::Vote, AnomalyDecisionRule::Score]
                .map(|it| it.decision_score(score, vote).to_bits());
            assert_eq!(found, [expect, score].map(f64::to_bits), "{score}");
        }
    }

    #[test]
    fn on_and_off_may_be_booleans() {
        for (text, expect) in
            [("\"on\"", OnOff::On), ("\"off\"", OnOff::Off), ("true", OnOff::On), ("false", OnOff::Off)]
        {
            assert_eq!(serde_json::from_str::<OnOff>(text).unwrap(), expect, "{text}");
        }
        let refusal = serde_json::from_str::<OnOff>("\"maybe\"").unwrap_err().to_string();
        assert!(refusal.contains("neither on nor off"), "{refusal}");
        for text in ["0", "1.5", "[]", "{}", "null"] {
            let refusal = serde_json::from_str::<OnOff>(text).unwrap_err().to_string();
            assert!(refusal.contains("expected on or off"), "{text}: {refusal}");
        }
        assert_eq!(serde_json::to_string(&OnOff::Off).unwrap(), "\"off\"");
    }
}
