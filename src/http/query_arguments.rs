//! The query of a request: its arguments, checked against those of the route.

use std::str::FromStr;

use hyper::StatusCode;

use super::api_operation::ApiOperation;
use super::problem_details::ProblemDetails;
use crate::duration::HumanDuration;
use crate::reading::Timestamp;
use crate::table::{TimeArg, quoted};

/// Most arguments of a query.
const ARGUMENTS_MAX: usize = 16;

/// The arguments of a query, decoded.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct QueryArguments(Vec<(String, String)>);

impl QueryArguments {
    /// Reads a query. An argument that the operation does not have, or that is repeated, is refused; routes without an
    /// operation ignore what they do not know.
    pub(super) fn parse(
        query: Option<&str>,
        operation: Option<&ApiOperation>,
    ) -> Result<Self, ProblemDetails> {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let Some(operation) = operation else { return Ok(Self(pairs.into_owned().collect())) };
        let mut arguments: Vec<(String, String)> = Vec::new();
        for (name, value) in pairs {
            if !operation.query_parameters().any(|it| it.name == name) {
                let known: Vec<_> = operation.query_parameters().map(|it| it.name).collect();
                let known = match known.is_empty() {
                    true => "this route has none".to_owned(),
                    false => format!("expected {}", known.join(", ")),
                };
                return Err(bad_request(format!("unknown parameter {}; {known}", quoted(&name))));
            }
            if arguments.iter().any(|it| it.0 == name) {
                return Err(bad_request(format!("the parameter {name} is repeated; give it once")));
            }
            if arguments.len() >= ARGUMENTS_MAX {
                return Err(bad_request(format!("too many parameters; the maximum is {ARGUMENTS_MAX}")));
            }
            arguments.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(arguments))
    }

    /// An argument as it was given.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|it| it.0 == name).map(|it| it.1.as_str())
    }

    /// All values of an argument that may be repeated.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |it| it.0 == name).map(|it| it.1.as_str())
    }

    /// An argument that the route cannot do without.
    pub(super) fn required(&self, name: &str) -> Result<&str, ProblemDetails> {
        self.get(name).ok_or_else(|| bad_request(format!("the parameter {name} is missing")))
    }

    /// An instant: Unix seconds, RFC 3339, a day, `now`, or `-2h`.
    pub(super) fn instant(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, ProblemDetails> {
        Ok(self.read::<TimeArg>(name)?.map(|it| it.at(now)))
    }

    /// A duration such as `30s`, in seconds, more than 0.
    pub(super) fn seconds(&self, name: &str) -> Result<Option<f64>, ProblemDetails> {
        let found = self.read::<HumanDuration>(name)?.map(HumanDuration::as_seconds);
        match found {
            Some(seconds) if seconds <= 0.0 => {
                Err(bad_request(format!("the parameter {name} must be longer than 0")))
            }
            found => Ok(found),
        }
    }

    fn read<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Option<T>, ProblemDetails> {
        let parse = |text: &str| {
            text.parse().map_err(|error| bad_request(format!("the parameter {name} is malformed: {error}")))
        };
        self.get(name).map(parse).transpose()
    }
}

/// The error of a request that cannot be understood.
pub(super) fn bad_request(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(StatusCode::BAD_REQUEST, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::api_operation::{ApiParameter, ApiParameterType};
    use super::*;

    static OPERATION: ApiOperation = ApiOperation {
        parameters: &[
            ApiParameter::query("from", ApiParameterType::Instant, ""),
            ApiParameter::query("step", ApiParameterType::Duration, ""),
        ],
        ..ApiOperation::EMPTY
    };

    fn parse(query: &str) -> Result<QueryArguments, String> {
        QueryArguments::parse(Some(query), Some(&OPERATION)).map_err(|it| it.detail)
    }

    #[test]
    fn arguments_are_decoded_and_typed() {
        let query = parse("from=2026-11-21T12%3A00%3A00%2B02%3A00&step=1m").unwrap();
        assert_eq!(query.instant("from", Timestamp(0.0)).unwrap(), Some(Timestamp(1_795_255_200.0)));
        assert_eq!(query.seconds("step").unwrap(), Some(60.0));
        assert_eq!(
            parse("from=-1m").unwrap().instant("from", Timestamp(100.0)).unwrap(),
            Some(Timestamp(40.0))
        );
        assert_eq!(parse("").unwrap().get("from"), None);
    }

    #[test]
    fn malformed_arguments_are_refused_with_the_reason() {
        let refused = |query: &str, says: &str| {
            let error = parse(query).and_then(|it| {
                it.instant("from", Timestamp(0.0)).map_err(|it| it.detail)?;
                it.seconds("step").map_err(|it| it.detail)
            });
            let error = error.unwrap_err();
            assert!(error.contains(says), "{query}: {error}");
        };
        refused("to=1", "unknown parameter \"to\"; expected from, step");
        refused(&format!("{}=1", "k".repeat(9999)), &format!("\"{}…\"; expected", "k".repeat(40)));
        refused("from=1&from=2", "repeated");
        refused("from=yesterday", "the parameter from is malformed: expected -2h");
        refused("step=0s", "longer than 0");
        refused("step=x", "the parameter step is malformed");
    }

    #[test]
    fn routes_without_an_operation_take_any_query() {
        let query = QueryArguments::parse(Some("a[]=b&a%5B%5D=c"), None).unwrap();
        assert_eq!(query.all("a[]").collect::<Vec<_>>(), ["b", "c"]);
    }

    proptest! {
        #[test]
        fn arbitrary_queries_do_not_panic(query in ".{0,60}") {
            if let Ok(query) = parse(&query) {
                let _ = (query.instant("from", Timestamp(0.0)).is_ok(), query.seconds("step").is_ok());
            }
        }
    }
}
