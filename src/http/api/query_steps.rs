//! The steps of a time range that a request asks for.

use crate::http::message::ProblemDetails;
use crate::http::query_arguments::{QueryArguments, bad_request};
use crate::reading::Timestamp;
use crate::store::TimeRange;

/// Most values in a response, as of Prometheus.
pub(super) const VALUES_MAX: usize = 11_000;
/// Values in a response at most where the step is left out.
const DEFAULT_VALUES: f64 = 1_000.0;
/// Longest range in steps, in seconds: longer than points are kept by default, so that a request reads a bounded number.
const SPAN_MAX: f64 = 400.0 * 86_400.0;
/// Length of a range whose start is left out, in seconds.
const DEFAULT_SPAN: f64 = 3_600.0;
/// Steps that are chosen where the step is left out, in seconds.
const STEPS: &[f64] = &[30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 10_800.0, 21_600.0, 86_400.0];

/// A range in equal steps; the last one may be shorter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct QuerySteps {
    /// The range.
    pub(super) range: TimeRange,
    /// Seconds from one value to the next.
    pub(super) step: f64,
}

/// The range of the parameters `from` and `to`: the last hour if both are left out.
pub(super) fn range(query: &QueryArguments, now: Timestamp) -> Result<TimeRange, ProblemDetails> {
    let to = query.instant("to", now)?.unwrap_or(now);
    let from = query.instant("from", now)?.unwrap_or(Timestamp(to.0 - DEFAULT_SPAN));
    if from > to && query.get("to").is_none() {
        return Err(bad_request(format!(
            "from {} is in the future, and to is now by default; set an earlier from",
            from.0
        )));
    }
    if from > to {
        return Err(bad_request(format!("from {} is after to {}; swap them", from.0, to.0)));
    }
    Ok(TimeRange { from, to })
}

impl QuerySteps {
    /// The grid of the parameters `from`, `to` and `step`.
    pub(super) fn of(query: &QueryArguments, now: Timestamp) -> Result<Self, ProblemDetails> {
        let range = range(query, now)?;
        let span = range.to.0 - range.from.0;
        if span > SPAN_MAX {
            return Err(bad_request("the range is too long; the maximum is 400d, so set a later from"));
        }
        let fits = |step: &&f64| span / **step <= DEFAULT_VALUES;
        let step = match query.seconds("step")? {
            Some(step) => step,
            None => STEPS.iter().find(fits).copied().unwrap_or(span / DEFAULT_VALUES),
        };
        if span / step >= VALUES_MAX as f64 {
            let least = (span / VALUES_MAX as f64).ceil();
            return Err(bad_request(format!(
                "too many values: the maximum is {VALUES_MAX}; shorten the range, or set step to at least {least}s"
            )));
        }
        Ok(Self { range, step })
    }

    /// The number of the step that an instant in the range is in.
    pub(super) fn index(&self, at: Timestamp) -> usize {
        // The cast saturates: an instant before the range is in its first step.
        ((at.0 - self.range.from.0) / self.step) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api_operation::ApiOperation;

    static GRID: ApiOperation = ApiOperation {
        parameters: &[super::super::FROM, super::super::TO, super::super::STEP],
        ..ApiOperation::EMPTY
    };

    fn grid(query: &str) -> Result<QuerySteps, String> {
        let query = QueryArguments::parse(Some(query), Some(&GRID)).unwrap();
        QuerySteps::of(&query, Timestamp(1e9)).map_err(|it| it.detail)
    }

    #[test]
    fn steps_follow_the_range() {
        let check = |query: &str, from: f64, to: f64, step: f64| {
            let range = TimeRange { from: Timestamp(from), to: Timestamp(to) };
            assert_eq!(grid(query), Ok(QuerySteps { range, step }), "{query}");
        };
        check("", 1e9 - 3_600.0, 1e9, 30.0);
        check("from=-7d", 1e9 - 604_800.0, 1e9, 1_800.0);
        check("from=1000000100&to=1000000200&step=1s", 1_000_000_100.0, 1_000_000_200.0, 1.0);
        check("to=1000003600", 1e9, 1_000_003_600.0, 30.0);
        assert!(grid("from=1000000000&to=1002000000").is_ok());
        assert!(grid("from=2001-01-01&to=2026-11-21").unwrap_err().contains("the maximum is 400d"));
        assert!(grid("from=1000000002&to=1000000001").unwrap_err().contains("swap"));
        assert!(grid("from=2030-01-01").unwrap_err().contains("is in the future, and to is now by default"));
        assert!(grid("from=-7d&step=30s").unwrap_err().contains("at least 55s"));
    }
}
