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
    ("fehlgeschlagen", LogSeverity::Error),
    ("gescheitert", LogSeverity::Error),
    ("erreur", LogSeverity::Error),
    ("échec", LogSeverity::Error),
    ("échou", LogSeverity::Error),
    ("falló", LogSeverity::Error),
    ("fallid", LogSeverity::Error),
    ("fallit", LogSeverity::Error),
    ("erro", LogSeverity::Error),
    ("falh", LogSeverity::Error),
    ("fout", LogSeverity::Error),
    ("mislukt", LogSeverity::Error),
    ("błąd", LogSeverity::Error),
    ("błęd", LogSeverity::Error),
    ("niepowodzeni", LogSeverity::Error),
    ("chyb", LogSeverity::Error),
    ("selhal", LogSeverity::Error),
    ("selhán", LogSeverity::Error),
    ("misslyck", LogSeverity::Error),
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

/// Whole words that would also begin words of other meanings: Spanish.
const WORDS: &[(&str, LogSeverity)] = &[("fallo", LogSeverity::Error), ("fallos", LogSeverity::Error)];

/// Words before a stem that deny it, in the same languages.
#[rustfmt::skip]
const DENIALS: &[&str] = &[
    "no", "0", "without", "zero", "kein", "keine", "keinen", "ohne", "sans", "aucun", "aucune", "pas", "sin", "ningún",
    "ninguna", "senza", "nessun", "nessuna", "sem", "nenhum", "nenhuma", "geen", "zonder", "bez", "brak", "žádné", "žádná",
    "utan", "inga", "inget",
];

/// Words between a denial and its stem.
const BETWEEN: [&str; 4] = ["any", "de", "d", "l"];

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
pub(super) fn severity_from_stems(text: &str) -> Option<LogSeverity> {
    let text = text.get(..text.floor_char_boundary(STEM_BYTES_MAX)).unwrap_or_default().to_lowercase();
    let mut denied = false;
    let mut found = None;
    for word in text.split(|it: char| !it.is_alphanumeric()).filter(|it| !it.is_empty()) {
        let stem = STEMS.iter().find(|(stem, _)| word.starts_with(stem));
        let stem = stem.or_else(|| WORDS.iter().find(|it| it.0 == word)).map(|it| it.1);
        if !denied {
            found = found.max(stem);
        }
        denied = DENIALS.contains(&word) || denied && BETWEEN.contains(&word);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: Option<LogSeverity> = Some(LogSeverity::Error);
    const WARNING: Option<LogSeverity> = Some(LogSeverity::Warning);
    type Lines = [(&'static str, Option<LogSeverity>)];
    const LINES: &[(&str, &Lines)] = &[
        (
            "English",
            &[
                ("backup failed", ERROR),
                ("deprecated option", WARNING),
                ("done without any errors", None),
                ("0 failures", None),
                ("fallout shelter opened, field is fallow", None),
            ],
        ),
        (
            "German",
            &[
                ("Anmeldung fehlgeschlagen", ERROR),
                ("Fehlgeschlagene Versuche", ERROR),
                ("Sicherung gescheitert", ERROR),
                ("Warnung: fast voll", WARNING),
                ("kein Fehler", None),
                ("ohne Fehler beendet", None),
            ],
        ),
        (
            "French",
            &[
                ("la sauvegarde a échoué", ERROR),
                ("ÉCHEC de lecture", ERROR),
                ("avertissement : disque plein", WARNING),
                ("terminé sans erreur", None),
                ("pas d'erreur", None),
                ("aucune erreur", None),
            ],
        ),
        (
            "Spanish",
            &[
                ("fallo al conectar", ERROR),
                ("la copia falló", ERROR),
                ("intento fallido", ERROR),
                ("advertencia: disco lleno", WARNING),
                ("terminado sin errores", None),
                ("ningún fallo", None),
            ],
        ),
        (
            "Italian",
            &[
                ("accesso fallito", ERROR),
                ("errori di lettura", ERROR),
                ("avviso: disco pieno", WARNING),
                ("finito senza errori", None),
                ("nessun errore", None),
            ],
        ),
        (
            "Portuguese",
            &[
                ("a cópia falhou", ERROR),
                ("falha de leitura", ERROR),
                ("aviso: disco cheio", WARNING),
                ("concluído sem erro", None),
                ("nenhuma falha", None),
            ],
        ),
        (
            "Dutch",
            &[
                ("aanmelden mislukt", ERROR),
                ("fouten bij lezen", ERROR),
                ("waarschuwing: schijf vol", WARNING),
                ("klaar zonder fouten", None),
                ("geen fout", None),
            ],
        ),
        (
            "Polish",
            &[
                ("błędy odczytu", ERROR),
                ("niepowodzenie operacji", ERROR),
                ("ostrzeżenie: dysk pełny", WARNING),
                ("zakończono bez błędów", None),
                ("brak błędów", None),
            ],
        ),
        (
            "Czech",
            &[
                ("přihlášení selhalo", ERROR),
                ("chyby čtení", ERROR),
                ("varování: disk je plný", WARNING),
                ("hotovo bez chyb", None),
                ("žádné chyby", None),
            ],
        ),
        (
            "Swedish",
            &[
                ("inloggningen misslyckades", ERROR),
                ("varning: disken är full", WARNING),
                ("klart utan exception", None),
            ],
        ),
    ];

    #[test]
    fn words_of_each_language_are_known() {
        for (language, lines) in LINES {
            for (text, expect) in *lines {
                assert_eq!(severity_from_stems(text), *expect, "{language}: {text}");
            }
        }
    }

    #[test]
    fn a_denial_is_for_the_next_word_only() {
        assert_eq!(severity_from_stems("no disk error"), Some(LogSeverity::Error));
        assert_eq!(severity_from_stems("sin errores, un fallo"), Some(LogSeverity::Error));
    }
}
