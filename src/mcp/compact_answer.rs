//! Makes an answer of the API short: numbers with three digits, times that can be read, long lists cut.

use serde_json::{Map, Number, Value, json};

use crate::episode_text;
use crate::reading::Timestamp;

/// Most tokens that an answer should take of the context of an assistant.
pub const ANSWER_TOKENS_MAX: usize = 1_500;

/// Most tokens of an answer as [`token_count`] estimates them: for hashes, its estimate is up to 3 % too low.
const ESTIMATED_TOKENS_MAX: usize = ANSWER_TOKENS_MAX * 96 / 100;

/// Most bytes of an answer.
pub const ANSWER_BYTES_MAX: usize = 4_000;

/// Lengths of lists and texts, tried in turn until the answer is short enough.
const CUTS: [(usize, usize); 10] = [
    (40, 2_000),
    (20, 1_000),
    (10, 600),
    (7, 500),
    (5, 400),
    (4, 350),
    (3, 300),
    (2, 200),
    (1, 120),
    (1, 60),
];

/// Characters that are left of a message at least: what matters comes first in it.
const MESSAGE_CHARACTERS_MIN: usize = 800;

/// Fields with Unix time in seconds.
const TIMES: &[&str] = &[
    "at",
    "from",
    "to",
    "began",
    "ended",
    "last_seen",
    "timestamp",
    "last_updated",
    "made_at",
    "first_score_at",
];

/// Fields that serve programs and not readers.
const LEFT_OUT: &[&str] = &["retained_from", "retained_to", "model", "title", "unit", "skipped", "scenes"];

/// The answer as JSON, at most [`ANSWER_BYTES_MAX`] and about [`ANSWER_TOKENS_MAX`].
pub fn compact(answer: Value) -> String {
    let answer = shortened("", answer);
    let mut text = String::new();
    for (items, characters) in CUTS {
        text = cut(&answer, items, characters).to_string();
        if is_short(&text) {
            return text;
        }
    }
    text.truncate(text.floor_char_boundary(ANSWER_BYTES_MAX));
    while !is_short(&text) {
        text.truncate(text.floor_char_boundary(text.len() / 10 * 9));
    }
    text
}

fn is_short(text: &str) -> bool {
    text.len() <= ANSWER_BYTES_MAX && token_count(text) <= ESTIMATED_TOKENS_MAX
}

/// About how many tokens a text has, rather too many than too few: three digits, six letters of one word or two punctuation
/// marks are one, another character is two, and a space belongs to the word after it. Bytes do not tell: a token of a sentence
/// has 5 of them, one of a hash 1.8.
fn token_count(text: &str) -> usize {
    let mut tokens = 0;
    let (mut last, mut length) = (CharacterKind::Space, 0);
    for character in text.chars() {
        let kind = CharacterKind::of(character);
        length = if kind == last { length + 1 } else { 0 };
        last = kind;
        tokens += match kind {
            CharacterKind::Digit => usize::from(length % 3 == 0),
            CharacterKind::Letter => usize::from(length % 6 == 0),
            CharacterKind::Punctuation => usize::from(length % 2 == 0),
            CharacterKind::Space => usize::from(length == 1),
            CharacterKind::Other => 2,
        };
    }
    tokens
}

/// Characters that share tokens with their kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CharacterKind {
    Digit,
    Letter,
    Punctuation,
    Space,
    Other,
}

impl CharacterKind {
    fn of(it: char) -> Self {
        match it {
            '0'..='9' => Self::Digit,
            'a'..='z' | 'A'..='Z' => Self::Letter,
            ' ' => Self::Space,
            _ if it.is_ascii() => Self::Punctuation,
            _ => Self::Other,
        }
    }
}

/// The value of a field without fields that are null, empty or left out; numbers rounded, times as text.
fn shortened(name: &str, value: Value) -> Value {
    match value {
        Value::Number(number) if TIMES.contains(&name) => time(&number),
        Value::Number(number) => rounded(&number),
        Value::Array(items) => items.into_iter().map(|it| shortened("", it)).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, value)| {
                let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
                !is_empty && !LEFT_OUT.contains(&name.as_str())
            });
            Value::Object(kept.map(|(name, value)| (name.clone(), shortened(&name, value))).collect())
        }
        other => other,
    }
}

/// A time to the second.
fn time(number: &Number) -> Value {
    let seconds = number.as_f64().unwrap_or_default().floor();
    episode_text::instant(Timestamp(seconds)).replace(".000Z", "Z").into()
}

/// A fraction with three significant digits. Integers stay: they count or identify.
fn rounded(number: &Number) -> Value {
    let value = number.as_f64().unwrap_or_default();
    if !number.is_f64() {
        return Value::Number(number.clone());
    }
    // An integer that is written as a fraction needs no digits behind the point.
    if value.fract() == 0.0 && value.abs() < 1e6 {
        return json!(value as i64);
    }
    let digits: f64 = format!("{value:.2e}").parse().unwrap_or(value);
    if digits.abs() >= 1e3 { json!(digits as i64) } else { json!(digits) }
}

/// The value with at most so many items in each list, and so many characters in each text.
fn cut(value: &Value, items_max: usize, characters_max: usize) -> Value {
    match value {
        Value::Array(items) => {
            let more = items.len().saturating_sub(items_max);
            let mut kept: Vec<Value> =
                items.iter().take(items_max).map(|it| cut(it, items_max, characters_max)).collect();
            if more > 0 {
                kept.push(format!("and {more} more").into());
            }
            Value::Array(kept)
        }
        Value::Object(fields) => {
            let characters = |name: &str| match name {
                "message" => characters_max.max(MESSAGE_CHARACTERS_MIN),
                _ => characters_max,
            };
            let kept = fields.iter().map(|(name, it)| (name.clone(), cut(it, items_max, characters(name))));
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::String(text) => match text.char_indices().nth(characters_max) {
            Some((end, _)) => format!("{}…", &text[..end]).into(),
            None => value.clone(),
        },
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(value: Value, expected: &str) {
        assert_eq!(compact(value), expected);
    }

    #[test]
    fn numbers_have_three_digits_and_times_can_be_read() {
        check(
            json!({"at": 1_795_255_200.7, "value": 0.123_456, "rate": 123_456_789.9, "count": 120.0, "id": 1_234_567}),
            r#"{"at":"2026-11-21T10:00:00Z","count":120,"id":1234567,"rate":123000000,"value":0.123}"#,
        );
        check(json!({"score": 1e-9, "gone": null, "none": [], "retained_from": 1.0}), r#"{"score":1e-9}"#);
    }

    #[test]
    fn long_lists_are_cut_until_the_answer_is_short() {
        let list: Vec<Value> =
            (0..1_000).map(|idx| json!({"id": idx, "description": "x".repeat(500)})).collect();
        let text = compact(json!({ "episodes": list }));
        assert!(text.len() <= ANSWER_BYTES_MAX, "{}", text.len());
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["episodes"].as_array().unwrap().last(), Some(&json!("and 993 more")));
    }

    #[test]
    fn a_message_is_cut_last() {
        let (sentence, more) = ("x".repeat(500), "y".repeat(5_000));
        let texts = vec!["z".repeat(500); 60];
        let text = compact(json!({"message": format!("{sentence} {more}"), "texts": texts}));
        let found: Value = serde_json::from_str(&text).unwrap();
        assert!(found["message"].as_str().unwrap().starts_with(&format!("{sentence} y")), "{text}");
    }

    /// Counted by the tokenizer of the live test.
    #[test]
    fn tokens_are_estimated_from_the_kind_of_text() {
        let check = |text: &str, counted: usize| {
            let found = token_count(text);
            assert!(
                counted * 96 <= found * 100 && found * 10 <= counted * 15,
                "{found}, counted {counted}: {text}"
            );
        };
        check(r#"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"#, 39);
        check(r#"["2026-11-21T10:00:00Z","2026-11-21T10:01:07Z"]"#, 29);
        check(r#"{"expected":0.123,"lower":0.0456,"timestamp":"2026-11-21T10:05:00Z","upper":0.789}"#, 36);
        check(r#"[418112,9,77,120934,55]"#, 13);
        check(
            r#"The processes whose use of the deviating resources grew most, with the container of each."#,
            18,
        );
        check(r#"{"direction":"high","signal":"disk_read_bytes_per_second","unusual":true}"#, 18);
    }

    #[test]
    fn a_list_of_hashes_is_shorter_than_one_of_sentences() {
        let answer = |text: &str| compact(json!(vec![text.repeat(8); 60]));
        let (hashes, sentences) = (answer("9f3c01be"), answer("grows by"));
        assert!(hashes.len() * 10 < sentences.len() * 8, "{} {}", hashes.len(), sentences.len());
    }

    proptest! {
        #[test]
        fn no_answer_is_too_long(texts in proptest::collection::vec("\\PC{0,400}", 0..60), value in any::<f64>()) {
            let list: Vec<Value> = texts.iter().map(|it| json!({"text": it, "list": texts, "value": value})).collect();
            let text = compact(json!({"list": list, "at": value}));
            prop_assert!(is_short(&text));
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
