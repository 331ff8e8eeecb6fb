//! Quoted parts, which are values.

use super::MASK;

/// The text with a mask in place of each quoted part, and with spaces in place of signs other than ASCII.
pub(super) fn without_quoted(text: &str) -> String {
    let letters: Vec<char> = text.chars().map(plain).collect();
    let mut plain = String::with_capacity(text.len());
    let mut at = 0;
    let mut before = ' ';
    while let Some(&letter) = letters.get(at) {
        let after = letters.get(at + 1).copied().unwrap_or(' ');
        at += 1;
        match letter {
            '"' | '`' => {
                plain.push_str(MASK);
                // Without an end, all that follows may be a value that was cut.
                at = end(&letters, at, letter).unwrap_or(letters.len());
            }
            '\'' if before.is_alphanumeric() => {
                if after.is_alphanumeric() {
                    plain.push(letter);
                }
            }
            '\'' => {
                if let Some(end) = end(&letters, at, letter) {
                    plain.push_str(MASK);
                    at = end;
                }
            }
            _ => plain.push(letter),
        }
        before = at.checked_sub(1).and_then(|it| letters.get(it)).copied().unwrap_or(' ');
    }
    plain
}

/// The place after the closing quote.
fn end(letters: &[char], from: usize, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in letters.iter().enumerate().skip(from) {
        let after = letters.get(at + 1).copied().unwrap_or(' ');
        // An apostrophe within a word closes nothing.
        if *letter == quote && !escaped && (quote != '\'' || !after.is_alphanumeric()) {
            return Some(at + 1);
        }
        escaped = *letter == '\\' && !escaped;
    }
    None
}

/// Typographic quotes as plain ones; anything that is neither a letter nor an ASCII sign as a space.
fn plain(letter: char) -> char {
    match letter {
        '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}' => '"',
        '\u{2018}' | '\u{2019}' => '\'',
        _ if letter.is_alphanumeric() || letter.is_ascii_graphic() => letter,
        _ => ' ',
    }
}
