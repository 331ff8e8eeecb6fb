//! Hashes of passwords, which no log, error or debug output shows.

use std::fmt;
use std::str::FromStr;

use bcrypt::HashParts;
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::secret_text::SecretText;

/// Lowest cost of bcrypt.
pub(in crate::http) const COST_MIN: u32 = 4;
/// Highest cost of bcrypt that is accepted: a login with it takes about twenty seconds.
pub(in crate::http) const COST_MAX: u32 = 18;

/// A password as bcrypt hashed it, of a cost from [`COST_MIN`] to [`COST_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub(in crate::http) struct PasswordHash {
    text: String,
    /// The binary logarithm of the rounds.
    cost: u32,
}

impl PasswordHash {
    /// The hash in the form of bcrypt.
    pub(in crate::http) fn reveal(&self) -> &str {
        &self.text
    }

    /// Its cost.
    pub(in crate::http) fn cost(&self) -> u32 {
        self.cost
    }

    fn parse(text: &str) -> Option<Self> {
        let cost = HashParts::from_str(text).ok()?.get_cost();
        (COST_MIN..=COST_MAX).contains(&cost).then(|| Self { text: text.to_owned(), cost })
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SecretText::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format_args!(
                "expected a bcrypt hash of cost {COST_MIN} to {COST_MAX}; make one with hostnorm hash-password"
            ))
        })
    }
}
