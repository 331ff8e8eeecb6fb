//! Values that no log, error or debug output shows.

use std::fmt;
use std::str::FromStr;

use bcrypt::HashParts;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

/// Lowest cost of bcrypt.
pub(in crate::http) const COST_MIN: u32 = 4;
/// Highest cost of bcrypt that is accepted: a login with it takes about twenty seconds.
pub(in crate::http) const COST_MAX: u32 = 18;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::http) struct Secret(String);

/// A password as bcrypt hashed it, of a cost from [`COST_MIN`] to [`COST_MAX`].
#[derive(Clone, PartialEq, Eq)]
pub(in crate::http) struct PasswordHash {
    text: String,
    /// The binary logarithm of the rounds.
    cost: u32,
}

impl Secret {
    /// The text, for those who need it.
    pub(in crate::http) fn reveal(&self) -> &str {
        &self.0
    }
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SecretText).map(Self)
    }
}

impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = deserializer.deserialize_str(SecretText)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format_args!(
                "expected a bcrypt hash of cost {COST_MIN} to {COST_MAX}; make one with hostnorm hash-password"
            ))
        })
    }
}

struct SecretText;

impl Visitor<'_> for SecretText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}
