//! The list of silences of the API, version 2.

use serde::Deserialize;

use super::AlertmanagerError;
use crate::reading::Timestamp;
use crate::remote::quoted;
use crate::silence::{Silence, SilenceMatcher, says_expected};

/// Largest number of silences that are looked at, and of matchers of one.
const SILENCES_MAX: usize = 10_000;
const MATCHERS_MAX: usize = 64;
/// Largest number of reasons for refused silences.
const REFUSED_MAX: usize = 8;
/// The matcher or annotation that says that the state is expected, and its value.
const EXPECTED: (&str, &str) = ("expected", "true");

/// The silences that are active or will be.
#[derive(Debug, Default)]
pub(super) struct ParsedSilences {
    pub(super) silences: Vec<Silence>,
    /// Why some cannot be read.
    pub(super) refused: Vec<String>,
}

/// A silence, as far as it is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SilenceBody {
    status: StatusBody,
    #[serde(default)]
    comment: String,
    starts_at: String,
    ends_at: String,
    matchers: Vec<MatcherBody>,
    /// Texts by name, in newer versions. Of any type, so that a change of the format does not cost the silence.
    #[serde(default)]
    annotations: serde_json::Value,
}

#[derive(Debug, Deserialize)]
struct StatusBody {
    state: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatcherBody {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    /// Absent before version 0.22, which knew only positive matchers.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

/// Parses a response with status 200. A silence that cannot be read is left out, with the reason.
///
/// # Errors
/// If it is not a list.
pub(super) fn parse(body: &[u8]) -> Result<ParsedSilences, AlertmanagerError> {
    // Item by item, so that one from a newer version does not cost the others.
    let items: Vec<serde_json::Value> = serde_json::from_slice(body)
        .map_err(|error| AlertmanagerError::Malformed(quoted(&error.to_string())))?;
    let mut parsed = ParsedSilences::default();
    if items.len() > SILENCES_MAX {
        parsed.refused.push(format!("{} silences; the first {SILENCES_MAX} are looked at", items.len()));
    }
    for item in items.into_iter().take(SILENCES_MAX) {
        let read = serde_json::from_value::<SilenceBody>(item).map_err(|error| error.to_string());
        match read.and_then(SilenceBody::into_silence) {
            Ok(silence) => parsed.silences.extend(silence),
            Err(reason) if parsed.refused.len() < REFUSED_MAX => parsed.refused.push(quoted(&reason)),
            Err(_) => {}
        }
    }
    Ok(parsed)
}

impl SilenceBody {
    /// None for a silence that is over.
    fn into_silence(self) -> Result<Option<Silence>, String> {
        let is_active = self.status.state == "active";
        if !is_active && self.status.state != "pending" {
            return Ok(None);
        }
        let (flags, matchers): (Vec<_>, Vec<_>) = self.matchers.iter().partition(|it| it.says_expected());
        let is_expected = !flags.is_empty()
            || says_expected(&self.comment)
            || self.annotations[EXPECTED.0].as_str() == Some(EXPECTED.1);
        if matchers.is_empty() && !flags.is_empty() {
            let (name, value) = EXPECTED;
            return Err(format!(
                "a silence has no matcher but {name}={value:?}; add one that names its alerts"
            ));
        }
        // As Alertmanager, which refuses to create one.
        if self.matchers.is_empty() || self.matchers.len() > MATCHERS_MAX {
            let count = self.matchers.len();
            return Err(format!("a silence has {count} matchers; expected 1 to {MATCHERS_MAX}"));
        }
        let matchers =
            matchers.iter().map(|it| SilenceMatcher::new(&it.name, &it.value, it.is_regex, it.is_equal));
        let matchers = matchers.collect::<Result<_, _>>()?;
        // One that is active for the server is active here, although the clocks may differ.
        let starts = if is_active { Timestamp::default() } else { instant(&self.starts_at)? };
        let ends = instant(&self.ends_at)?;
        Ok(Some(Silence { matchers, starts, ends, is_expected }))
    }
}

impl MatcherBody {
    /// Whether it is not a condition on a label of an alert, but says that the state is expected.
    fn says_expected(&self) -> bool {
        (self.name.as_str(), self.value.as_str(), self.is_equal) == (EXPECTED.0, EXPECTED.1, true)
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let parsed = text.parse::<jiff::Timestamp>().map_err(|_| format!("{text:?} is not a time"))?;
    Ok(Timestamp(parsed.as_millisecond() as f64 / 1000.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn silence(state: &str, matchers: &Value) -> Value {
        json!({
            "id": "6d5f", "status": {"state": state}, "updatedAt": "2026-11-29T10:00:00.000Z",
            "comment": "expected", "createdBy": "me", "matchers": matchers,
            "startsAt": "2026-11-29T10:00:00.250Z", "endsAt": "2026-11-29T12:00:00.000+02:00",
        })
    }

    fn matcher() -> Value {
        json!([{"name": "alertname", "value": "HostAnomalous", "isRegex": false, "isEqual": true}])
    }

    fn parsed(items: &[Value]) -> ParsedSilences {
        parse(&serde_json::to_vec(items).unwrap()).unwrap()
    }

    #[test]
    fn active_and_pending_silences_count() {
        let states = ["active", "pending", "expired"].map(|it| silence(it, &matcher()));
        let found = parsed(&states);
        let times: Vec<_> = found.silences.iter().map(|it| (it.starts.0, it.ends.0)).collect();
        assert_eq!(times, [(0.0, 1_795_946_400.0), (1_795_946_400.25, 1_795_946_400.0)]);
        assert!(found.silences.iter().all(|it| it.is_expected) && found.refused.is_empty());
    }

    #[test]
    fn a_matcher_or_an_annotation_says_expected() {
        // The number of matchers that are left, and whether the state is expected; none for a refused silence.
        let check = |comment: &str, further: &Value, annotations: &Value, expect: Option<(usize, bool)>| {
            let mut matchers = matcher();
            matchers.as_array_mut().unwrap().extend(further.as_array().cloned().unwrap_or_default());
            let mut item = silence("active", &matchers);
            (item["comment"], item["annotations"]) = (json!(comment), annotations.clone());
            let found = parsed(&[item]);
            let found = found.silences.first().map(|it| (it.matchers.len(), it.is_expected));
            assert_eq!(found, expect, "{comment} {further} {annotations}");
        };
        let (none, is) = (Value::Null, |value: &str| json!([{"name": "expected", "value": value}]));
        check("", &none, &none, Some((1, false)));
        check("expected", &none, &none, Some((1, true)));
        check("", &is("true"), &none, Some((1, true)));
        check("", &is("false"), &none, Some((2, false)));
        check("", &json!([{"name": "expected", "value": "true", "isEqual": false}]), &none, Some((2, false)));
        check("", &json!([{"name": "expected", "value": "true", "isRegex": true}]), &none, Some((1, true)));
        check("", &none, &json!({"expected": "true"}), Some((1, true)));
        check("", &none, &json!({"expected": "no", "ticket": "7"}), Some((1, false)));
        check("", &none, &json!(["expected"]), Some((1, false)));
    }

    #[test]
    fn a_silence_that_is_only_expected_is_refused() {
        let found = parsed(&[silence("active", &json!([{"name": "expected", "value": "true"}]))]);
        assert!(
            found.silences.is_empty() && found.refused[0].contains("no matcher but expected"),
            "{found:?}"
        );
    }

    #[test]
    fn a_silence_that_cannot_be_read_does_not_cost_the_others() {
        let items = [
            silence("active", &json!([])),
            silence("active", &json!([{"name": "a", "value": "(", "isRegex": true}])),
            json!({"id": 1}),
            silence("active", &json!([{"name": "a", "value": "b"}])),
        ];
        let found = parsed(&items);
        assert_eq!((found.silences.len(), found.refused.len()), (1, 3), "{found:?}");
    }

    #[test]
    fn anything_but_a_list_is_an_error() {
        for body in ["", "{}", "<html>", "null", "[1"] {
            assert!(matches!(parse(body.as_bytes()), Err(AlertmanagerError::Malformed(_))), "{body}");
        }
        assert!(parse(b"[1, null, [], \"x\"]").unwrap().silences.is_empty());
    }

    proptest! {
        #[test]
        fn any_field_may_be_strange(
            state in "active|pending|expired|.{0,5}",
            name in ".{0,8}",
            value in ".{0,20}",
            is_regex: bool,
            ends in "2026-11-29T10:00:00.000Z|9999-12-31T23:59:59Z|.{0,30}",
        ) {
            let mut item = silence(&state, &json!([{"name": name, "value": value, "isRegex": is_regex}]));
            item["endsAt"] = json!(ends);
            let found = parsed(&[item]);
            prop_assert!(found.silences.len() + found.refused.len() <= 1);
            prop_assert!(found.silences.iter().all(|it| it.starts.0.is_finite() && it.ends.0.is_finite()));
        }

        #[test]
        fn any_body_is_parsed_or_refused(body: Vec<u8>) {
            let _ = parse(&body);
        }
    }
}
