//! Byte sizes as users write them: `256MiB`, `1GiB`, `20MB`, `0`.
//!
//! Prefixes follow IEC 80000-13: 1 MB is 1,000,000 bytes, 1 MiB is 1,048,576.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Accepted units, largest first.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize {
    bytes: u64,
}

impl ByteSize {
    /// A number of mebibytes (1,048,576 bytes).
    pub const fn from_mebibytes(count: u64) -> Self {
        Self { bytes: count << 20 }
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.bytes
    }
}

/// In the largest unit that gives a whole number.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |unit: &&(&str, u64)| self.bytes > 0 && self.bytes.is_multiple_of(unit.1);
        match UNITS.iter().find(whole) {
            Some((unit, bytes)) => write!(f, "{}{unit}", self.bytes / bytes),
            None => f.write_str("0B"),
        }
    }
}

/// Why a text is no byte size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseByteSizeError {
    /// It does not follow the grammar.
    Grammar,
    /// It is a number without a unit.
    Unit,
    /// It does not fit into 64 bits.
    Large,
}

impl fmt::Display for ParseByteSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grammar => "is not a size such as 256MiB, 1GiB or 20MB",
            Self::Unit => "has no unit; write B, kB, KiB, MB, MiB, GB, GiB, TB or TiB after the number",
            Self::Large => "is too large",
        })
    }
}

impl std::error::Error for ParseByteSizeError {}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, ParseByteSizeError> {
        if text == "0" {
            return Ok(Self::default());
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        if number.is_empty() {
            return Err(ParseByteSizeError::Grammar);
        }
        if unit.is_empty() {
            return Err(ParseByteSizeError::Unit);
        }
        let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(ParseByteSizeError::Grammar)?;
        let number: u64 = number.parse().map_err(|_| ParseByteSizeError::Large)?;
        Ok(Self { bytes: number.checked_mul(*bytes).ok_or(ParseByteSizeError::Large)? })
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SizeVisitor)
    }
}

/// Accepts numbers as well, so that the error for `max_bytes: 5` in YAML says that the unit is missing.
struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a size such as 256MiB, 1GiB or 20MB")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(|error| E::custom(format_args!("{text:?} {error}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<ByteSize, E> {
        number.to_string().parse().map_err(|error| E::custom(format_args!("{number} {error}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expect: Result<u64, ParseByteSizeError>, shown: &str) {
        let parsed = text.parse::<ByteSize>();
        assert_eq!(parsed.map(ByteSize::bytes), expect, "{text}");
        if let Ok(size) = parsed {
            assert_eq!(size.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn both_kinds_of_prefixes_are_read() {
        check("0", Ok(0), "0B");
        check("1B", Ok(1), "1B");
        check("256MiB", Ok(268_435_456), "256MiB");
        check("1024MiB", Ok(1 << 30), "1GiB");
        check("20MB", Ok(20_000_000), "20MB");
        check("1500kB", Ok(1_500_000), "1500kB");
    }

    #[test]
    fn refuses_with_a_reason() {
        use ParseByteSizeError::{Grammar, Large, Unit};
        for text in ["", "MiB", "1.5GiB", "-1B", "1 MB", "1mb", "1M", "٣B"] {
            check(text, Err(Grammar), "");
        }
        check("5", Err(Unit), "");
        check("99999999999999999999B", Err(Large), "");
        check("18446744073709551615kB", Err(Large), "");
    }

    proptest! {
        #[test]
        fn written_text_parses_to_the_same(bytes: u64) {
            let size = ByteSize { bytes };
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in ".*") {
            let _ = text.parse::<ByteSize>();
        }
    }
}
