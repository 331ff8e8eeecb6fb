//! The number of alerts that users accept per subject and period, as they write it: `1 per week`, `2 per day`, `off`.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Largest number of episodes per period; a larger budget is refused.
pub const COUNT_MAX: u32 = 1_000;

/// Names of periods, with their seconds; a month is 30 days.
const PERIODS: [(&str, f64); 4] =
    [("hour", 3_600.0), ("day", 86_400.0), ("week", 7.0 * 86_400.0), ("month", 30.0 * 86_400.0)];

/// Accepted number of episodes per period, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AlertBudget(Option<EpisodeRate>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct EpisodeRate {
    count: u32,
    /// Index in [`PERIODS`].
    period: usize,
}

impl AlertBudget {
    /// No budget: the threshold of the settings is used.
    pub const OFF: Self = Self(None);

    /// Accepted episodes per second; `None` without a budget.
    pub fn rate(self) -> Option<f64> {
        self.0.map(|it| f64::from(it.count) / PERIODS[it.period].1)
    }
}

impl fmt::Display for AlertBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some(it) => write!(f, "{} per {}", it.count, PERIODS[it.period].0),
        }
    }
}

/// Why a text is no budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseBudgetError {
    /// It does not follow the grammar.
    Grammar,
    /// The number is 0, or larger than [`COUNT_MAX`].
    Count,
}

impl fmt::Display for ParseBudgetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grammar => f.write_str(
                "is not a budget; expected a number, per, and hour, day, week or month, such as 1 per week, or off",
            ),
            Self::Count => write!(f, "must allow 1 to {COUNT_MAX} episodes"),
        }
    }
}

impl std::error::Error for ParseBudgetError {}

impl FromStr for AlertBudget {
    type Err = ParseBudgetError;

    fn from_str(text: &str) -> Result<Self, ParseBudgetError> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (count, period) = match words[..] {
            ["off"] => return Ok(Self::OFF),
            [count, "per", period] => (count, period),
            _ => return Err(ParseBudgetError::Grammar),
        };
        let period = PERIODS.iter().position(|(name, _)| *name == period).ok_or(ParseBudgetError::Grammar)?;
        if count.is_empty() || !count.bytes().all(|it| it.is_ascii_digit()) {
            return Err(ParseBudgetError::Grammar);
        }
        match count.parse() {
            Ok(count @ 1..=COUNT_MAX) => Ok(Self(Some(EpisodeRate { count, period }))),
            _ => Err(ParseBudgetError::Count),
        }
    }
}

impl Serialize for AlertBudget {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AlertBudget {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Words)
    }
}

/// Accepts `false` as well, because `off` means that in YAML 1.1.
struct Words;

impl de::Visitor<'_> for Words {
    type Value = AlertBudget;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a budget such as 1 per week, or off")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<AlertBudget, E> {
        text.parse().map_err(|error| E::custom(format_args!("{text:?} {error}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<AlertBudget, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<AlertBudget, E> {
        self.visit_str(if on { "on" } else { "off" })
    }
}

/// The episodes that started within the last period.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BudgetLedger {
    allowance: Option<EpisodeRate>,
    /// Seconds so far without gaps, and the seconds at which episodes started, oldest first.
    now: f64,
    begun: VecDeque<f64>,
}

/// Largest number of episodes stored: ten times the largest budget.
pub const BEGUN_MAX: usize = 10 * COUNT_MAX as usize;

impl BudgetLedger {
    /// Creates an empty ledger.
    pub fn new(budget: AlertBudget) -> Self {
        Self { allowance: budget.0, now: 0.0, begun: VecDeque::new() }
    }

    /// Whether this restored state can replace `fresh`, which has the same settings.
    pub(crate) fn fits(&self, fresh: &Self) -> bool {
        self.allowance == fresh.allowance && self.begun.len() <= BEGUN_MAX
    }

    /// Records a reading, and whether an episode started with it.
    pub fn step(&mut self, elapsed: f64, began: bool) {
        let Some(allowance) = self.allowance else { return };
        self.now += elapsed.max(0.0);
        let oldest = self.now - PERIODS[allowance.period].1;
        while self.begun.front().is_some_and(|it| *it <= oldest) || self.begun.len() >= BEGUN_MAX {
            self.begun.pop_front();
        }
        if began {
            self.begun.push_back(self.now);
        }
    }

    /// Ratio of the episodes started within the last period to the accepted number; `None` without a budget.
    pub fn spent(&self) -> Option<f64> {
        self.allowance.map(|it| self.begun.len() as f64 / f64::from(it.count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<Option<f64>, ParseBudgetError>, shown: &str) {
        let parsed = text.parse::<AlertBudget>();
        assert_eq!(parsed.map(AlertBudget::rate), expect, "{text}");
        if let Ok(budget) = parsed {
            assert_eq!(budget.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn reads_counts_and_periods() {
        check("off", Ok(None), "off");
        check("1 per week", Ok(Some(1.0 / 604_800.0)), "1 per week");
        check("  12  per day ", Ok(Some(12.0 / 86_400.0)), "12 per day");
        check("1000 per hour", Ok(Some(1_000.0 / 3_600.0)), "1000 per hour");
        check("3 per month", Ok(Some(3.0 / 2_592_000.0)), "3 per month");
    }

    #[test]
    fn refuses_with_a_reason() {
        use ParseBudgetError::{Count, Grammar};
        for text in
            ["", "1", "1 per", "per week", "one per week", "1 per weeks", "1/week", "-1 per day", "on"]
        {
            check(text, Err(Grammar), "");
        }
        for text in ["0 per week", "1001 per week", "99999999999999999999 per day"] {
            check(text, Err(Count), "");
        }
    }

    #[test]
    fn the_budget_recovers_after_a_period() {
        let mut ledger = BudgetLedger::new("2 per hour".parse().unwrap());
        let mut spent = Vec::new();
        for minute in 0..100 {
            ledger.step(60.0, minute == 10 || minute == 20);
            spent.push(ledger.spent().unwrap());
        }
        let at = [9, 10, 20, 69, 70, 79, 80].map(|it: usize| spent[it]);
        assert_eq!(at.map(|it| (it * 2.0).round() as u32), [0, 1, 2, 2, 1, 1, 0]);
        assert_eq!(BudgetLedger::new(AlertBudget::OFF).spent(), None);
    }

    #[test]
    fn the_number_of_stored_episodes_is_bounded() {
        let mut ledger = BudgetLedger::new("1 per month".parse().unwrap());
        (0..2 * BEGUN_MAX).for_each(|_| ledger.step(0.0, true));
        assert_eq!(ledger.spent(), Some(BEGUN_MAX as f64));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".*|[0-9]{0,30} per (day|week|y)") {
            let _ = text.parse::<AlertBudget>();
        }
    }
}
