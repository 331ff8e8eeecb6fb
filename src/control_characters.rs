//! Texts of others on a terminal: control characters, which could move its cursor or hide text, are shown escaped.

/// Whether a terminal acts on a character instead of showing it: control characters, and those that change the direction
/// of writing.
fn acts(character: char) -> bool {
    character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A name or value in one line.
pub fn one_line(text: &str) -> String {
    escaped(text, acts)
}

/// A text of lines, which keeps its line breaks and tabs.
pub fn lines(text: &str) -> String {
    escaped(text, |it| acts(it) && !matches!(it, '\n' | '\t'))
}

fn escaped(text: &str, needs: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match needs(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_acts_on_a_terminal_is_escaped() {
        assert_eq!(one_line("é\u{1b}[31m\n\t\u{9b}2J\u{202e}x\\"), "é\\u{1b}[31m\\n\\t\\u{9b}2J\\u{202e}x\\");
        assert_eq!(lines("a\n\tb\r\u{7}"), "a\n\tb\\r\\u{7}");
    }
}
