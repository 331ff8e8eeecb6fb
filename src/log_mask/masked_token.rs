//! A message's part between two spaces.

use super::MASK;
use super::word_shape::{is_word, secret_word_count_after};

/// Longest masked token, in bytes; a longer one is masked as a whole.
const TOKEN_BYTES_MAX: usize = 64;

/// Signs of a token without letters that are kept, such as those of a drawn line.
const SIGNS_MAX: usize = 3;

/// Largest number of parts of a path that are kept, with the empty one before its first slash.
const PATH_PARTS_MAX: usize = 4;

/// Signs within a token by which it is an address, a number or code.
const JOINTS: [char; 8] = ['.', '+', '%', '&', '~', '$', '^', '#'];

/// A masked token.
#[derive(Debug)]
pub(super) struct MaskedToken {
    /// What may be shown.
    pub text: String,
    /// The number of tokens after it that are values.
    pub values: usize,
}

/// Masks a token without quotes. The text is its own mask: where a kept sign beside a mask reads as part of an address, all
/// of it is masked.
pub(super) fn mask(token: &str) -> MaskedToken {
    let masked = mask_once(token);
    if masked.text == token {
        return masked;
    }
    let again = mask_once(&masked.text);
    if again.text != masked.text || again.values > masked.values {
        return MaskedToken { text: MASK.to_owned(), ..masked };
    }
    masked
}

fn mask_once(token: &str) -> MaskedToken {
    let masked = mask_long(token);
    // Signs around a mask tell nothing.
    let inner =
        masked.text.trim_matches(|it: char| it.is_ascii_punctuation() && !matches!(it, '<' | '>' | '*'));
    if inner == MASK || masked.text.len() > TOKEN_BYTES_MAX {
        return MaskedToken { text: MASK.to_owned(), ..masked };
    }
    masked
}

fn mask_long(token: &str) -> MaskedToken {
    let plain = |text: &str| MaskedToken { text: text.to_owned(), values: 0 };
    if !token.contains(char::is_alphanumeric) && !token.contains(MASK) {
        return plain(token.get(..SIGNS_MAX).unwrap_or(token));
    }
    if token.contains(['@', '\\']) || token.contains("://") {
        return plain(MASK);
    }
    if let Some((name, value)) = token.split_once('=') {
        let MaskedToken { text, values } = mask_joined(name);
        let values = if value.is_empty() { values } else { 0 };
        return MaskedToken { text: format!("{text}={MASK}"), values };
    }
    mask_joined(token)
}

/// Of a token without `=`.
fn mask_joined(token: &str) -> MaskedToken {
    if token.contains('/') {
        return MaskedToken { text: mask_path(token), values: 0 };
    }
    if is_hex_with_colons(token) {
        return MaskedToken { text: MASK.to_owned(), values: 0 };
    }
    if has_joint(token) {
        let last = token.rsplit('.').next().unwrap_or_default();
        let name = last.trim_end_matches(|it: char| !it.is_alphanumeric());
        let is_class = name.ends_with("Exception") || name.ends_with("Error");
        let text = if is_class && is_word(name) {
            name.to_owned() + if last == name { "" } else { ":" }
        } else {
            MASK.to_owned()
        };
        return MaskedToken { text, values: 0 };
    }
    mask_runs(token)
}

/// The first parts of a path, if they are words in lower case, and a mask.
fn mask_path(path: &str) -> String {
    let path = path.trim_start_matches(|it: char| !it.is_alphanumeric() && !matches!(it, '/' | '<'));
    if path.split('/').any(is_encoded) {
        return MASK.to_owned();
    }
    let mut masked = String::new();
    for (idx, part) in path.split('/').take(PATH_PARTS_MAX + 1).enumerate() {
        let is_last = path.split('/').count() == idx + 1 || idx == PATH_PARTS_MAX;
        let is_shown = part.chars().all(|it| it.is_lowercase() || matches!(it, '-' | '_')) && is_word(part);
        if idx > 0 {
            masked.push('/');
        }
        if is_last || !is_shown || (part.is_empty() && idx > 0) {
            break;
        }
        masked.push_str(part);
    }
    masked + MASK
}

/// Whether a part between slashes is rather one of a key.
fn is_encoded(part: &str) -> bool {
    let has = |of: fn(&char) -> bool| part.chars().any(|it| of(&it));
    part.contains('+')
        || (has(|it| it.is_uppercase()) && (has(|it| it.is_lowercase()) || has(|it| it.is_numeric())))
}

/// Addresses of IPv6 and of network devices.
fn is_hex_with_colons(token: &str) -> bool {
    token.matches(':').count() >= 2
        && token.chars().all(|it| it.is_ascii_hexdigit() || matches!(it, ':' | '.' | '%' | '[' | ']' | ','))
}

fn has_joint(token: &str) -> bool {
    let mut letters: Vec<char> = token.chars().collect();
    // A key may have several in a row.
    letters.dedup_by(|it, before| *it == '+' && *before == '+');
    letters.windows(3).any(|it| match it {
        [before, joint, after] => {
            JOINTS.contains(joint)
                && (is_of_run(*before) || *before == '>')
                && (is_of_run(*after) || *after == '<')
        }
        _ => false,
    })
}

/// Masks each run that is no word. What follows an announcing word is one value.
fn mask_runs(token: &str) -> MaskedToken {
    let mut text = String::new();
    let mut rest = token;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(MASK) {
            push_mask(&mut text);
            rest = after;
            continue;
        }
        let end = rest.find(|it| !is_of_run(it)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        rest = after;
        let values = if end == 0 { 0 } else { secret_word_count_after(run) };
        if end == 0 || is_word(run) {
            text.push_str(run);
        } else {
            push_mask(&mut text);
        }
        if values > 0 {
            if !rest.contains(char::is_alphanumeric) && !rest.contains(MASK) {
                text.push_str(rest);
                return MaskedToken { text, values };
            }
            text.extend(rest.chars().next().filter(char::is_ascii_punctuation).filter(|it| *it != '<'));
            push_mask(&mut text);
            return MaskedToken { text, values: 0 };
        }
    }
    MaskedToken { text, values: 0 }
}

/// Two masks in a row are one.
fn push_mask(text: &mut String) {
    if !text.ends_with(MASK) {
        text.push_str(MASK);
    }
}

fn is_of_run(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '-' | '_' | '\'')
}
