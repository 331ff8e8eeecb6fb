//! An instant in the body of a request.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::reading::Timestamp;
use crate::table::TimeArg;

/// An instant in a body: Unix seconds as a number, or a text as in a query.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "Value")]
pub(in crate::http) struct BodyTime(TimeArg);

impl BodyTime {
    /// The instant, given the time now.
    pub(super) fn at(self, now: Timestamp) -> Timestamp {
        self.0.at(now)
    }
}

impl TryFrom<Value> for BodyTime {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value {
            Value::String(text) => text.parse().map(Self),
            Value::Number(seconds) => seconds.to_string().parse().map(Self),
            _ => Err("a time is a number of Unix seconds or a text such as \"-2h\"".to_owned()),
        }
    }
}

impl JsonSchema for BodyTime {
    fn schema_name() -> Cow<'static, str> {
        "BodyTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["number", "string"],
            "description": "Unix seconds, or a text: RFC 3339, a day, now, or -2h for two hours ago",
            "examples": [1_790_000_000, "2026-11-21T10:00:00Z", "2026-11-21", "-2h", "now"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, expect: Result<f64, &str>) {
        let found = serde_json::from_str::<BodyTime>(json).map(|it| it.at(Timestamp(1e9)).0);
        match (found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found.to_bits(), expect.to_bits(), "{json}"),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{json}: {error}"),
            (found, _) => panic!("{json}: {found:?}"),
        }
    }

    #[test]
    fn times_are_numbers_or_the_texts_of_a_query() {
        check("1000000000.25", Ok(1_000_000_000.25));
        check("20261201", Err("write 2026-12-01"));
        check("1795255200000", Err("divide by 1000"));
        check("1000.25", Err("2000 to 5138"));
        check("\"-1h\"", Ok(1e9 - 3_600.0));
        check("\"now\"", Ok(1e9));
        check("\"2001-09-09T01:46:40Z\"", Ok(1e9));
        check("1e300", Err("2000 to 5138"));
        check("-1e300", Err("2000 to 5138"));
        check("\"yesterday\"", Err("expected -2h"));
        check("true", Err("a number of Unix seconds"));
    }
}
