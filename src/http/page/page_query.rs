//! What a request for the page asks to see: the subject, the range of time, and whether anomalies only.

use crate::http::api::{KIND, SUBJECT};
use crate::http::api_operation::{ApiOperation, ApiParameter, ApiParameterType};
use crate::http::message::ProblemDetails;
use crate::http::query_arguments::{QueryArguments, bad_request};
use crate::reading::{Subject, Timestamp};
use crate::store::TimeRange;

/// The query of the page.
pub(in crate::http) static OVERVIEW_OPERATION: ApiOperation = ApiOperation {
    id: "page",
    summary: "The page for people",
    parameters: &[
        ApiParameter::query("range", ApiParameterType::Text, "Range of the charts: 1h, 6h, 24h or 7d"),
        ApiParameter::query("show", ApiParameterType::Text, "Rows of the tables: all or anomalies"),
        SUBJECT,
        KIND,
    ],
    ..ApiOperation::EMPTY
};

/// The query of the page of an episode: none.
pub(in crate::http) static EPISODE_OPERATION: ApiOperation = ApiOperation {
    id: "episodePage",
    summary: "The page of an episode",
    parameters: &[ApiParameter::path("id", "Identifier of the episode")],
    ..ApiOperation::EMPTY
};

/// Buckets of a chart …
const BUCKETS: f64 = 360.0;
/// … and of one of this many seconds or less, whose values are as frequent as points.
const SHORT_SECONDS: f64 = 3_600.0;
const SHORT_BUCKETS: f64 = 720.0;

/// A length of time that the charts can show.
#[derive(Debug, PartialEq)]
pub(super) struct ChartRange {
    /// Its name in the query.
    pub(super) name: &'static str,
    /// In words.
    pub(super) title: &'static str,
    /// Its length, in seconds.
    seconds: f64,
    /// Seconds between two renewals of the page: a longer range costs more and changes less.
    pub(super) refresh_seconds: u32,
}

/// The lengths of time, the first by default.
pub(super) static RANGES: [ChartRange; 4] = [
    ChartRange { name: "1h", title: "1 hour", seconds: 3_600.0, refresh_seconds: 5 },
    ChartRange { name: "6h", title: "6 hours", seconds: 21_600.0, refresh_seconds: 10 },
    ChartRange { name: "24h", title: "24 hours", seconds: 86_400.0, refresh_seconds: 30 },
    ChartRange { name: "7d", title: "7 days", seconds: 604_800.0, refresh_seconds: 60 },
];

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PageQuery {
    pub(super) subject: Subject,
    pub(super) range: &'static ChartRange,
    pub(super) anomalies_only: bool,
}

impl PageQuery {
    /// What a query asks to see, of the host: whoever asks looks up the subject.
    pub(super) fn of(query: &QueryArguments) -> Result<Self, ProblemDetails> {
        let name = query.get("range").unwrap_or(RANGES[0].name);
        let range = RANGES
            .iter()
            .find(|it| it.name == name)
            .ok_or_else(|| bad_request(format!("no range is named {name:?}; expected 1h, 6h, 24h or 7d")))?;
        let anomalies_only = match query.get("show") {
            None | Some("all") => false,
            Some("anomalies") => true,
            Some(other) => {
                return Err(bad_request(format!("cannot show {other:?}; expected all or anomalies")));
            }
        };
        Ok(Self { subject: Subject::Host, range, anomalies_only })
    }

    /// The range that ends now.
    pub(super) fn time_range(&self, now: Timestamp) -> TimeRange {
        TimeRange { from: Timestamp(now.0 - self.range.seconds), to: now }
    }

    /// The query of this view; empty for the view by default.
    pub(super) fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.range != &RANGES[0] {
            query.append_pair("range", self.range.name);
        }
        if self.anomalies_only {
            query.append_pair("show", "anomalies");
        }
        let subject = self.subject_query();
        let query = query.finish();
        [query, subject].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join("&")
    }

    /// The part of the query that names the subject; empty for the host.
    pub(super) fn subject_query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if self.subject != Subject::Host {
            query.append_pair("kind", self.subject.kind().name());
            query.append_pair("subject", self.subject.name());
        }
        query.finish()
    }

    /// The address of this view, relative to the page.
    pub(super) fn link(&self) -> String {
        let query = self.query();
        if query.is_empty() { "./".into() } else { format!("./?{query}") }
    }
}

/// Seconds of a bucket when a chart shows this range.
pub(super) fn step(range: TimeRange) -> f64 {
    let length = range.to.0 - range.from.0;
    let buckets = if length > SHORT_SECONDS { BUCKETS } else { SHORT_BUCKETS };
    (length / buckets).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::candidates;
    use proptest::prelude::*;

    fn view(query: &str) -> Result<PageQuery, String> {
        let query = QueryArguments::parse(Some(query), Some(&OVERVIEW_OPERATION)).map_err(|it| it.detail)?;
        let view = PageQuery::of(&query).map_err(|it| it.detail)?;
        let mut candidates = candidates(query.get("kind"), query.get("subject")).map_err(|it| it.detail)?;
        Ok(PageQuery { subject: candidates.pop().unwrap(), ..view })
    }

    #[test]
    fn a_view_has_defaults_and_refuses_what_it_does_not_know() {
        let by_default = PageQuery { subject: Subject::Host, range: &RANGES[0], anomalies_only: false };
        assert_eq!(view(""), Ok(by_default.clone()));
        assert_eq!(by_default.link(), "./");
        assert_eq!(view("range=7d&show=anomalies").unwrap().link(), "./?range=7d&show=anomalies");
        assert!(view("range=2h").unwrap_err().contains("expected 1h, 6h, 24h or 7d"));
        assert!(view("show=none").unwrap_err().contains("all or anomalies"));
        assert!(view("kind=disk").unwrap_err().contains("expected host, container, log, pod or service"));
    }

    proptest! {
        #[test]
        fn the_query_of_a_view_leads_to_it(range in 0..RANGES.len(), anomalies_only: bool, name in "\\PC{1,20}") {
            let expect = PageQuery { subject: Subject::Container(name.as_str().into()), range: &RANGES[range], anomalies_only };
            prop_assert_eq!(view(&expect.query()), Ok(expect));
        }
    }
}
