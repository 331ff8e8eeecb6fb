//! Makes an answer of the API short: numbers with three digits, times that can be read, long lists cut.

use serde_json::{Map, Number, Value, json};

use crate::episode_text;
use crate::reading::Timestamp;

/// Most tokens that an answer should take of the context of an assistant.
pub const ANSWER_TOKENS_MAX: usize = 1_500;

/// Most bytes of an answer. A token of JSON with numbers and times has 2.7 bytes or more, so that an answer has at most
/// [`ANSWER_TOKENS_MAX`] tokens.
pub const ANSWER_BYTES_MAX: usize = 4_000;

/// Lengths of lists and texts, tried in turn until the answer is short enough.
const CUTS: [(usize, usize); 7] =
    [(40, 2_000), (20, 1_000), (10, 600), (5, 400), (3, 300), (2, 150), (1, 60)];

/// Fields with Unix time in seconds.
const TIMES: &[&str] =
    &["at", "from", "to", "began", "ended", "last_seen", "timestamp", "last_updated", "made_at"];

/// Fields that serve programs and not readers.
const LEFT_OUT: &[&str] = &["keep_from", "keep_to", "model", "title", "unit", "skipped", "scenes"];

/// The answer as JSON, at most [`ANSWER_BYTES_MAX`].
pub fn compact(answer: Value) -> String {
    let answer = shortened("", answer);
    let mut text = String::new();
    for (items, characters) in CUTS {
        text = cut(&answer, items, characters).to_string();
        if text.len() <= ANSWER_BYTES_MAX {
            return text;
        }
    }
    text.truncate(text.floor_char_boundary(ANSWER_BYTES_MAX));
    text
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
            let kept = fields.iter().map(|(name, it)| (name.clone(), cut(it, items_max, characters_max)));
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
        check(json!({"score": 1e-9, "gone": null, "none": [], "keep_from": 1.0}), r#"{"score":1e-9}"#);
    }

    #[test]
    fn long_lists_are_cut_until_the_answer_is_short() {
        let list: Vec<Value> =
            (0..1_000).map(|idx| json!({"id": idx, "description": "x".repeat(500)})).collect();
        let text = compact(json!({ "episodes": list }));
        assert!(text.len() <= ANSWER_BYTES_MAX, "{}", text.len());
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["episodes"].as_array().unwrap().last(), Some(&json!("and 995 more")));
    }

    proptest! {
        #[test]
        fn no_answer_is_too_long(texts in proptest::collection::vec("\\PC{0,400}", 0..60), value in any::<f64>()) {
            let list: Vec<Value> = texts.iter().map(|it| json!({"text": it, "list": texts, "value": value})).collect();
            let text = compact(json!({"list": list, "at": value}));
            prop_assert!(text.len() <= ANSWER_BYTES_MAX);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
    }
}
