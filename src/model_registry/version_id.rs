//! Identifiers of models: the UTC time of training, so they sort by age.

use std::fmt;
use std::sync::Arc;

use crate::episode_text;
use crate::reading::Timestamp;

/// An identifier such as `20261121T164200Z`, with the suffix `-2` and so on for further models of the same second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionId(Arc<str>);

/// Longest identifier.
const LENGTH_MAX: usize = 32;

impl VersionId {
    /// The identifier of a model trained at this time, different from those in `taken`.
    pub(super) fn new(at: Timestamp, taken: impl Fn(&Self) -> bool) -> Self {
        let time = episode_text::instant(Timestamp(at.0.floor()));
        let whole = time.split('.').next().unwrap_or_default();
        let name: String =
            whole.chars().filter(|it| it.is_ascii_alphanumeric() && *it != 'Z').chain(['Z']).collect();
        let mut id = Self(name.as_str().into());
        let mut count = 1;
        while taken(&id) {
            count += 1;
            id = Self(format!("{name}-{count}").into());
        }
        id
    }

    /// Parses an identifier.
    pub fn read(text: &str) -> Option<Self> {
        let plain = |it: char| it.is_ascii_alphanumeric() || it == '-';
        let fits = (1..=LENGTH_MAX).contains(&text.len()) && text.chars().all(plain);
        fits.then(|| Self(text.into()))
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_an_instant() {
        let check = |at: f64, taken: &[&str], expect: &str| {
            let id = VersionId::new(Timestamp(at), |it| taken.contains(&it.as_str()));
            assert_eq!((id.as_str(), VersionId::read(id.as_str())), (expect, Some(id.clone())));
        };
        check(1_795_279_320.9, &[], "20261121T164200Z");
        check(1_795_279_320.9, &["20261121T164200Z"], "20261121T164200Z-2");
        check(1_795_279_320.9, &["20261121T164200Z", "20261121T164200Z-2"], "20261121T164200Z-3");
        check(f64::NAN, &[], "19700101T000000Z");
        check(f64::INFINITY, &[], "99991231T235959Z");
    }

    #[test]
    fn malformed_identifiers_are_refused() {
        for text in ["", "a b", "x\n", "../x", "123456789012345678901234567890123"] {
            assert_eq!(VersionId::read(text), None, "{text}");
        }
    }
}
