//! Words that state a level, and stems that suggest one.

use super::LogSeverity;

/// Words at the beginning of a line among which a level is looked for.
const LEVEL_WORDS_MAX: usize = 4;

/// Bytes of a message in which stems are looked for.
const STEM_BYTES_MAX: usize = 1_024;

const LEVELS: &[(&str, LogSeverity)] = &[
    ("trace", LogSeverity::Info),
    ("debug", LogSeverity::Info),
    ("dbg", LogSeverity::Info),
    ("info", LogSeverity::Info),
    ("information", LogSeverity::Info),
    ("informational", LogSeverity::Info),
    ("notice", LogSeverity::Info),
    ("log", LogSeverity::Info),
    ("warn", LogSeverity::Warning),
    ("warning", LogSeverity::Warning),
    ("wrn", LogSeverity::Warning),
    ("warnung", LogSeverity::Warning),
    ("error", LogSeverity::Error),
    ("err", LogSeverity::Error),
    ("eror", LogSeverity::Error),
    ("severe", LogSeverity::Error),
    ("fatal", LogSeverity::Error),
    ("ftl", LogSeverity::Error),
    ("panic", LogSeverity::Error),
    ("crit", LogSeverity::Error),
    ("critical", LogSeverity::Error),
    ("alert", LogSeverity::Error),
    ("emerg", LogSeverity::Error),
    ("emergency", LogSeverity::Error),
    ("fehler", LogSeverity::Error),
];

/// Beginnings of words, in lower case: English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech, Swedish.
const STEMS: &[(&str, LogSeverity)] = &[
    ("error", LogSeverity::Error),
    ("fatal", LogSeverity::Error),
    ("panic", LogSeverity::Error),
    ("exception", LogSeverity::Error),
    ("fail", LogSeverity::Error),
    ("critical", LogSeverity::Error),
    ("fehler", LogSeverity::Error),
    ("erreur", LogSeverity::Error),
    ("échec", LogSeverity::Error),
    ("errore", LogSeverity::Error),
    ("erro", LogSeverity::Error),
    ("falha", LogSeverity::Error),
    ("fout", LogSeverity::Error),
    ("błąd", LogSeverity::Error),
    ("chyba", LogSeverity::Error),
    ("warn", LogSeverity::Warning),
    ("deprecat", LogSeverity::Warning),
    ("avertissement", LogSeverity::Warning),
    ("advertencia", LogSeverity::Warning),
    ("avviso", LogSeverity::Warning),
    ("aviso", LogSeverity::Warning),
    ("waarschuwing", LogSeverity::Warning),
    ("ostrzeżenie", LogSeverity::Warning),
    ("varování", LogSeverity::Warning),
    ("varning", LogSeverity::Warning),
];

/// Words before a stem that deny it.
const DENIALS: [&str; 7] = ["no", "0", "without", "zero", "keine", "ohne", "sans"];

/// The level of a word by itself, in any case and in brackets.
pub(super) fn level(word: &str) -> Option<LogSeverity> {
    let word = word.trim_matches(|it: char| !it.is_alphanumeric());
    LEVELS.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|it| it.1)
}

/// A level in capitals or in brackets among the first words, or first and before a colon; and the text after it if it is the
/// first.
pub(super) fn leading_level(text: &str) -> (Option<LogSeverity>, &str) {
    let mut rest = text;
    for idx in 0..LEVEL_WORDS_MAX {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let after = rest.get(word.len()..).unwrap_or_default().trim_start();
        let is_capital =
            word.bytes().any(|it| it.is_ascii_uppercase()) && !word.bytes().any(|it| it.is_ascii_lowercase());
        if (is_capital || word.starts_with('[') || idx == 0 && word.ends_with(':'))
            && let Some(level) = level(word)
        {
            return (Some(level), if idx == 0 { after } else { text });
        }
        rest = after;
    }
    (None, text)
}

/// The most serious stem that is not denied by the word before it.
pub(super) fn suggested(text: &str) -> Option<LogSeverity> {
    let text = text.get(..text.floor_char_boundary(STEM_BYTES_MAX)).unwrap_or_default().to_lowercase();
    let mut denied = false;
    let mut found = None;
    for word in text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()) {
        let stem = STEMS.iter().find(|(stem, _)| word.starts_with(stem)).map(|it| it.1);
        if !denied {
            found = found.max(stem);
        }
        denied = DENIALS.contains(&word);
    }
    found
}
