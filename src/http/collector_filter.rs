//! `collect[]` and `exclude[]` of node_exporter: which collectors a response of `/metrics` has.

use std::collections::BTreeSet;

use super::problem_details::ProblemDetails;
use super::query_arguments::{QueryArguments, bad_request};
use crate::sources::{SOURCES, SourceInfo};
use crate::table::quoted;

/// The collector of hostnorm's own `process_*`, which node_exporter shows with any filter, too.
const ALWAYS: &str = "self";

/// Leaves out what some collectors read. Scores and hostnorm's own metrics belong to no collector and stay.
#[derive(Debug, PartialEq)]
pub(super) struct CollectorFilter {
    /// Names of the metric families that are left out, without `_total`.
    left_out: BTreeSet<&'static str>,
}

impl CollectorFilter {
    /// The filter of a query; `None` without one.
    pub(super) fn of(query: &QueryArguments) -> Result<Option<Self>, ProblemDetails> {
        let collect: Vec<&str> = query.all("collect[]").collect();
        let exclude: Vec<&str> = query.all("exclude[]").collect();
        if collect.is_empty() && exclude.is_empty() {
            return Ok(None);
        }
        if !collect.is_empty() && !exclude.is_empty() {
            return Err(bad_request("collect[] and exclude[] exclude each other; give one of them"));
        }
        if let Some(unknown) =
            collect.iter().chain(&exclude).find(|name| !SOURCES.iter().any(|it| it.name == **name))
        {
            let known: Vec<&str> = SOURCES.iter().map(|it| it.name).collect();
            let detail = format!("unknown collector {}; expected {}", quoted(unknown), known.join(", "));
            return Err(bad_request(detail));
        }
        let is_shown = |it: &&SourceInfo| match collect.is_empty() {
            true => !exclude.contains(&it.name),
            false => collect.contains(&it.name) || it.name == ALWAYS,
        };
        let (shown, others): (Vec<_>, Vec<_>) = SOURCES.iter().partition(is_shown);
        let shown = families(&shown);
        Ok(Some(Self { left_out: families(&others).difference(&shown).copied().collect() }))
    }

    /// The page without the families that are left out.
    pub(super) fn apply(&self, page: &str) -> String {
        let mut filtered = String::with_capacity(page.len());
        let mut is_shown = true;
        for line in page.split_inclusive('\n') {
            // Each family starts with its help; the last line of a page in OpenMetrics belongs to none.
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split(' ').next().unwrap_or_default();
                is_shown = !self.left_out.contains(name.trim_end_matches("_total"));
            }
            if is_shown || line.starts_with("# EOF") {
                filtered.push_str(line);
            }
        }
        filtered
    }
}

fn families(sources: &[&'static SourceInfo]) -> BTreeSet<&'static str> {
    sources.iter().flat_map(|it| it.metrics).map(|it| it.name.trim_end_matches("_total")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Result<Option<CollectorFilter>, String> {
        let query = QueryArguments::parse(Some(query), None).unwrap();
        CollectorFilter::of(&query).map_err(|it| it.detail)
    }

    const PAGE: &str = "# HELP anomaly_score a.\n# TYPE anomaly_score gauge\nanomaly_score 0\n\
        # HELP hostnorm_cpu_seconds_total b.\n# TYPE hostnorm_cpu_seconds_total counter\nhostnorm_cpu_seconds_total 1\n\
        # HELP hostnorm_load1 c.\n# TYPE hostnorm_load1 gauge\nhostnorm_load1 2\n\
        # HELP process_cpu_seconds d.\n# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total 3\n# EOF\n";

    fn check(query: &str, expect: &[&str]) {
        let page = filter(query).unwrap().map_or_else(|| PAGE.to_owned(), |it| it.apply(PAGE));
        let samples: Vec<&str> = page.lines().filter(|it| !it.starts_with('#')).collect();
        assert_eq!(samples, expect, "{query}");
        assert_eq!(page.matches("# TYPE").count(), expect.len());
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn collectors_are_chosen_or_left_out() {
        let [score, cpu, load, process] = [
            "anomaly_score 0",
            "hostnorm_cpu_seconds_total 1",
            "hostnorm_load1 2",
            "process_cpu_seconds_total 3",
        ];
        check("a=b", &[score, cpu, load, process]);
        check("collect[]=cpu", &[score, cpu, process]);
        check("collect%5B%5D=cpu&collect[]=load", &[score, cpu, load, process]);
        check("exclude[]=cpu&exclude[]=self", &[score, load]);
    }

    #[test]
    fn an_unknown_collector_is_refused_with_the_names() {
        let error = filter("collect[]=meminfo").unwrap_err();
        assert!(
            error.starts_with("unknown collector \"meminfo\"; expected timing, context, cpu, memory, "),
            "{error}"
        );
        assert!(filter("collect[]=cpu&exclude[]=load").unwrap_err().contains("exclude each other"));
    }
}
