//! Text of a file in messages.

/// Largest number of characters of a file's text in a message.
const QUOTED_MAX: usize = 40;

/// A text of a file, shortened and safe for a terminal.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", clipped(text))
}

pub(super) fn clipped(text: &str) -> String {
    let mut rest = text.chars();
    let mut shown: String = rest.by_ref().take(QUOTED_MAX).flat_map(char::escape_debug).collect();
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_file_is_quoted_safely() {
        assert_eq!(quoted("a\u{1b}[31m\"b"), "\"a\\u{1b}[31m\\\"b\"");
        assert_eq!(quoted(&"x".repeat(500)), format!("\"{}…\"", "x".repeat(QUOTED_MAX)));
    }
}
