//! A setting given on the command line.

use std::fmt;

/// A setting given on the command line. Its debug output has the number of its values, which may be secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct FlagValue {
    /// Its key in the table of settings.
    pub key: String,
    /// The flag as written, without the leading dashes.
    pub flag: String,
    /// The values; a repeatable flag has several.
    pub words: Vec<String>,
}

impl fmt::Debug for FlagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, flag, words } = self;
        f.debug_struct("FlagValue")
            .field("key", key)
            .field("flag", flag)
            .field("words", &words.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_the_values() {
        let words = vec!["anna:s3cret".to_owned()];
        let given = FlagValue { key: "backfill.user".into(), flag: "backfill.user".into(), words };
        let shown = format!("{given:?}");
        assert_eq!(shown, r#"FlagValue { key: "backfill.user", flag: "backfill.user", words: 1 }"#);
    }
}
