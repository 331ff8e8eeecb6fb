//! Whether letters look like a word, and whether a word announces a value.

/// Longest word, in characters.
const WORD_MAX: usize = 32;
/// Longest part of a word between hyphens and underscores.
const PART_MAX: usize = 20;
/// Longest word in capitals.
const CAPITALS_MAX: usize = 12;
/// Letters from `a` to `f` alone that may be a number.
const HEX_MIN: usize = 8;
/// Consonants in a row that no word has.
const CONSONANTS_MAX: usize = 7;
/// A longer part without a vowel is no word.
const VOWELLESS_MAX: usize = 5;

/// Within words that announce a secret.
const SECRETS: [&str; 22] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "contrase",
    "motdepasse",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "authorization",
    "bearer",
    "credential",
    "cookie",
    "session",
    "private",
    "signature",
    "otp",
];

/// Words that announce the name of a person or a machine.
const NAMES: [&str; 14] = [
    "user",
    "users",
    "username",
    "login",
    "account",
    "owner",
    "email",
    "mail",
    "customer",
    "host",
    "hostname",
    "name",
    "benutzer",
    "utilisateur",
];

/// The number of words after this one that are values.
pub(super) fn secret_word_count_after(word: &str) -> usize {
    let word = trimmed(word).to_lowercase();
    if SECRETS.iter().any(|it| word.contains(it)) || matches!(&*word, "key" | "basic" | "pin" | "begin") {
        2
    } else {
        usize::from(NAMES.contains(&&*word))
    }
}

/// Whether a run of letters, digits, hyphens, underscores and apostrophes may be shown.
pub(super) fn is_word(run: &str) -> bool {
    let word = trimmed(run);
    run.chars().count() <= WORD_MAX
        && !word.chars().any(char::is_numeric)
        && word.split(['-', '_', '\'']).all(is_plausible)
}

fn trimmed(run: &str) -> &str {
    run.trim_matches(['-', '_', '\''])
}

fn is_plausible(part: &str) -> bool {
    // Names of classes are longer than words.
    let part = ["Exception", "Error"].iter().find_map(|it| part.strip_suffix(it)).unwrap_or(part);
    let length = part.chars().count();
    if length > PART_MAX || (length >= HEX_MIN && part.chars().all(|it| it.is_ascii_hexdigit())) {
        return false;
    }
    let is_all_upper = part.chars().all(char::is_uppercase);
    if is_all_upper && length > CAPITALS_MAX {
        return false;
    }
    has_plausible_case(part, length)
        && (is_all_upper || !part.is_ascii() || has_plausible_vowels(part, length))
}

/// Words in one have capitals every few letters; random letters more often.
fn has_plausible_case(part: &str, length: usize) -> bool {
    let mut before = ' ';
    let mut humps = 1;
    for letter in part.chars() {
        humps += usize::from(before.is_lowercase() && letter.is_uppercase());
        before = letter;
    }
    humps == 1 || (humps == 2 && length >= 4) || length >= 4 * humps
}

fn has_plausible_vowels(part: &str, length: usize) -> bool {
    let mut in_a_row = 0;
    let mut longest = 0;
    let mut vowels = 0;
    for letter in part.bytes().map(|it| it.to_ascii_lowercase()) {
        if matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y') {
            vowels += 1;
            in_a_row = 0;
        } else {
            in_a_row += 1;
            longest = longest.max(in_a_row);
        }
    }
    longest < CONSONANTS_MAX && (vowels > 0 || length <= VOWELLESS_MAX)
}
