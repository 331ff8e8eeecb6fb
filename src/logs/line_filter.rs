//! Which lines of a log count, by regular expressions of the settings.

use std::borrow::Cow;

use crate::sources::{ExcludePattern, IncludePattern};

/// Lines to read and to leave out. A line is compared as text, with replacement characters for invalid UTF-8.
#[derive(Debug, Clone, Default)]
pub(super) struct LineFilter {
    include: IncludePattern,
    exclude: ExcludePattern,
}

/// Bytes of a line that patterns see: the start of a line says what it is.
const COMPARED_BYTES_MAX: usize = 4_096;

impl LineFilter {
    pub(super) fn new(include: &IncludePattern, exclude: &ExcludePattern) -> Self {
        Self { include: include.clone(), exclude: exclude.clone() }
    }

    /// Whether a line counts.
    pub(super) fn takes(&self, line: &[u8]) -> bool {
        if self.include.is_empty() && self.exclude.is_empty() {
            return true;
        }
        let text: Cow<'_, str> = String::from_utf8_lossy(&line[..line.len().min(COMPARED_BYTES_MAX)]);
        self.include.matches(&text) && !self.exclude.matches(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_included_then_excluded() {
        let pattern = |text: &str| ExcludePattern::try_from(text.to_owned()).unwrap();
        let filter = LineFilter { exclude: pattern("healthz"), ..LineFilter::default() };
        assert!(filter.takes(b"GET /") && !filter.takes(b"GET /healthz") && filter.takes(b"\xff"));
        let include: IncludePattern = serde_json::from_str("\"^ERR\"").unwrap();
        let filter = LineFilter::new(&include, &pattern("x$"));
        assert!(filter.takes(b"ERR a") && !filter.takes(b"ERR x") && !filter.takes(b"a"));
        assert!(LineFilter::default().takes(b""));
    }
}
